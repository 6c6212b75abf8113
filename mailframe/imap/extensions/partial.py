"""PARTIAL (RFC 9394): a window into the results of SEARCH, SORT and UID FETCH, counted from the first or the last.

`conditional.fetch_modifiers` reads it for UID FETCH.
"""

from __future__ import annotations

from ..registry import Extension, State
from ..search import returning

EXTENSION = Extension(capability=b"PARTIAL", rfc="9394", announced=State.LOGGED_IN, search_returns=(returning.PARTIAL,))
