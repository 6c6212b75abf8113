"""The configuration blocks of docs/clients.md, pointed at a test's server."""

from __future__ import annotations

from collections.abc import Mapping

from support.documents import ROOT, blocks

CLIENTS = ROOT / "docs" / "clients.md"


def settings(language: str, changes: Mapping[str, str]) -> str:
    """The one block of a language; what is replaced stands in it."""
    (block,) = blocks(CLIENTS, language)
    text = block.text
    for old, new in changes.items():
        assert old in text, f"{old!r} is not in the {language} block of docs/clients.md"
        text = text.replace(old, new)
    return text
