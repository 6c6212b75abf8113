"""What the framework keeps beside a store that keeps less: mod-sequences, expunges, ENVELOPEs, what is recent."""
