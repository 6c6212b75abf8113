"""Whole conversations from tests/transcripts/pop3, in one piece and octet by octet (I4)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.pop3world import Pop3World
from support.transcripts import bytewise, whole

FOLDER = Path(__file__).parents[1] / "transcripts" / "pop3"
ONE = b"Subject: one\r\n\r\n.dot\r\n.\r\nend\r\n"
TWO = b"Subject: two\r\n\r\nno newline"


@pytest.mark.parametrize("cut", [whole, bytewise])
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_transcript(path: Path, cut: Callable[[bytes], list[bytes]]) -> None:
    world = Pop3World()
    world.deliver(ONE, TWO)

    def check(uids: list[int]) -> None:
        assert world.uids() == uids

    actions = {"still-there": lambda: check([1, 2]), "second-gone": lambda: check([1])}
    world.connect(cut=cut, actions=actions).play(path.read_text())
