"""Message content in plain files: named after the sum of their octets, and durable one by one."""

from .store import DirectoryContent

__all__ = ["DirectoryContent"]
