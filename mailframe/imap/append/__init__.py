"""What a message of APPEND and REPLACE is made of."""
