"""IMAP's words: RFC 3501, what RFC 9051 shares with it, and extensions, each a value in a registry."""
