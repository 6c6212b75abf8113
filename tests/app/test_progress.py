"""How far a long command is, as a person sees it."""

from __future__ import annotations

import io
from typing import Any

import pytest

from mailframe.app.progress import Bar, Lines, RichBar, display, octets


def news(done: int, total: int = 10, phase: str = "copying", folder: str = "INBOX") -> dict[str, Any]:
    return {"phase": phase, "folder": folder, "done": done, "total": total, "octets": 0}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_for_what_is_no_terminal() -> None:
    stream = io.StringIO()
    shown = display(stream)
    assert isinstance(shown, Lines)
    for done in (0, 3, 7, 10):
        shown.show(news(done))
    shown.show(news(0, 4, "verifying", "a\x1b[2Jb"))
    shown.show(news(2, 4, "found", "Work"))
    shown.end()
    assert stream.getvalue().splitlines() == [
        "Copying INBOX: 0 of 10", "Copying INBOX: 10 of 10", "Comparing a?[2Jb: 0 of 4",     # no name moves a terminal's cursor
        "Work: 4 messages, of which 2 are here already"]


def test_no_line_comes_twice_and_a_listing_ends_with_its_number() -> None:
    stream = io.StringIO()
    shown = Lines(stream)
    shown.show(news(10))
    for one in (news(500, 0, "listing"), news(800, 0, "listing"), news(800, 800, "listing"), news(10), news(10)):
        shown.show(one)
    assert stream.getvalue().splitlines() == [
        "Copying INBOX: 10 of 10", "Looking through INBOX: 800 of 800", "Copying INBOX: 10 of 10"]


def test_a_bar_on_a_terminal() -> None:
    stream = Terminal()
    bar = Bar(stream)
    bar.show(news(0))
    bar.show(news(5))
    bar.show(news(7, 0, "listing"))
    bar.end()
    bar.end()
    lines = stream.getvalue().split("\r\x1b[K")
    assert lines[2] == "[############............] Copying INBOX: 5 of 10"
    assert lines[3] == "[........................] Looking through INBOX: 7\n"
    assert isinstance(display(stream), Bar)


def test_richs_bar_where_it_is_installed() -> None:
    pytest.importorskip("rich")
    bar = RichBar()
    for one in (news(0), news(10), news(1, 4, "verifying"), news(2, 4, "found", "[red]")):
        bar.show(one)
    bar.end()


def test_octets_for_people() -> None:
    assert [octets(number) for number in (0, 999, 1_000, 61_400, 3_400_000, 7 * 10**12)] == [
        "0 octets", "999 octets", "1.0 kB", "61.4 kB", "3.4 MB", "7000.0 GB"]
