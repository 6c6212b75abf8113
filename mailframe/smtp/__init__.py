"""SMTP's words: the server and the client wing."""
