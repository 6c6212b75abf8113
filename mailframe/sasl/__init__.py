"""SASL mechanisms (RFC 4422), one file each, server and client side, for all three wings; pure."""
