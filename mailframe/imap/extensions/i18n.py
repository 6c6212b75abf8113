"""I18NLEVEL=1 (RFC 5255 section 4.3): SEARCH, SORT and THREAD compare by i;unicode-casemap, which `mime.casemap` is."""

from __future__ import annotations

from ..registry import Extension, State

EXTENSION = Extension(capability=b"I18NLEVEL=1", rfc="5255, 5051", announced=State.LOGGED_IN)
