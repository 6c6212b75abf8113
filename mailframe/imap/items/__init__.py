"""FETCH data items, each registered by name; RFC 3501 section 6.4.5."""
