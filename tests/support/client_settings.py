"""The configuration blocks of docs/clients.md, pointed at a test's server."""

from __future__ import annotations

import re
from collections.abc import Mapping

from support.documents import ROOT, blocks
from support.recorder import Recorder

CLIENTS = ROOT / "docs" / "clients.md"


def settings(language: str, changes: Mapping[str, str]) -> str:
    """The one block of a language; what is replaced stands in it."""
    (block,) = blocks(CLIENTS, language)
    text = block.text
    for old, new in changes.items():
        assert old in text, f"{old!r} is not in the {language} block of docs/clients.md"
        text = text.replace(old, new)
    return text


def check_said(section: str, recorder: Recorder) -> None:
    """That the program said all that its section says it does, in the paragraph that begins so."""
    (paragraph,) = re.findall(rf"^## {re.escape(section)}\n.*?^(It says: .*?)\n\n", CLIENTS.read_text(), re.MULTILINE | re.DOTALL)
    shown = re.findall(r"`([^`]+)`", paragraph)
    assert len(shown) > 5
    lines = recorder.lines()
    missing = [words for words in shown if not any(words in line for line in lines)]
    assert not missing, recorder.told()
