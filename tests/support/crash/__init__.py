"""Clients that load a server until it dies, remember what they were promised, and check the promises afterwards (I1)."""
