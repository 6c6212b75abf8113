"""TLS contexts, their reloading, and a self-signed certificate for development."""
