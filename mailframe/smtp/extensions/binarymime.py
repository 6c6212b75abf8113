"""BINARYMIME (RFC 3030 section 3): a message of any octets, by BDAT alone; whoever takes it on converts it or reports."""

from __future__ import annotations

from ..extension import Extension
from ..situation import Situation


def keywords(situation: Situation) -> tuple[str, ...]:
    """Section 3: a server that announces it announces CHUNKING as well. Its MAIL parameter is 8BITMIME's BODY."""
    return ("BINARYMIME",) if situation.settings.chunking and "BINARYMIME" in situation.honours else ()


EXTENSION = Extension("BINARYMIME", "3030", keywords=keywords)
