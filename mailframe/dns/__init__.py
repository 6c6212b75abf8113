"""dnspython on the Twisted reactor."""
