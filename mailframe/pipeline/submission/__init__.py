"""What is done for our own users' mail and nobody else's: who they may be, what they left out, how much, and their copy."""
