"""Mail in Maildir++ folders that other programs share: the files are the truth, an index beside them remembers the rest."""

from __future__ import annotations

from .store import MaildirStore

__all__ = ["MaildirStore"]
