"""IMAP's words."""
