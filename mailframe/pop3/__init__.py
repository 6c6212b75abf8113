"""POP3's words."""
