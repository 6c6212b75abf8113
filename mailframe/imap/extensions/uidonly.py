"""UIDONLY (RFC 9586): once enabled, messages are named by their UIDs alone, in both directions.

`View` gives no numbers then, and takes none; commands whose Effect is READS_SEQ are refused, by whichever extension they came.
FETCH responses become UIDFETCH, EXPUNGE becomes VANISHED. "*" and "$" stay good where UIDs are meant: they are no numbers.
"""

from __future__ import annotations

from ..registry import UIDONLY, Extension, State

EXTENSION = Extension(capability=UIDONLY, rfc="9586", announced=State.LOGGED_IN, enables=(UIDONLY,))
