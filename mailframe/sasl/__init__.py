"""SASL mechanisms, server and client side; pure, used by all three wings."""
