"""SMTP's extensions, one RFC to a file."""
