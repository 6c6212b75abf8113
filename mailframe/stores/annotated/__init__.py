"""Annotations for stores that keep none (RFC 5464), on the server's own engine."""
