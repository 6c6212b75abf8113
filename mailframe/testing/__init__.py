"""Public helpers for tests: contracts, peers, wires, a virtual world."""
