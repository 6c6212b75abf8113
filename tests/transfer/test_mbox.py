"""mbox files: our own, those of other programs, and any octets there and back."""

from __future__ import annotations

import io
import mailbox
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.transfers import FRESH, Kept, TransferCase, contents
from twisted.internet import reactor

from mailframe.transfer import mbox
from mailframe.transfer.lineends import Canonical, ToCrlf, ToLf, canonical
from mailframe.transfer.mbox import Span, quoting, render_heading, spans
from mailframe.transfer.mbox_source import MboxSource, Message

PARTS = st.sampled_from([
    b"From ", b">From ", b">>From me\r\n", b"\r\n", b"\r\n\r\n", b"Status: RO\r\n", b"X-UID: 3\r\n", b"Subject: x\r\n", b"\r", b"a",
    b"From a@b Mon Jan  1 00:00:00 2024\r\n", b"\xff\x00", b" ", b"Content-Length: 3\r\n",
    b"X-Mailframe-Metadata: lines=1; last-line=cut\r\n"])
MESSAGES = st.lists(PARTS, max_size=12).map(b"".join)


def written(octets: bytes, number: int = 1) -> bytes:
    """As an export writes it."""
    cut = bool(octets) and not octets.endswith(b"\r\n")
    lf, lines = ToLf(), quoting()
    body = lines.feed(lf.feed(octets) + lf.end()) + lines.end()
    return render_heading((b"\\Seen", b"$Work"), 1_700_000_000, number, cut) + body + (b"\n\n" if cut else b"\n")


def read_all(octets: bytes) -> list[tuple[mbox.Heading, bytes]]:
    file = io.BytesIO(octets)
    found = []
    for span in spans(io.BytesIO(octets)):
        message = Message(file, span, "mboxrd")
        whole = b""
        while piece := message.next():
            whole += piece
        assert message.heading is not None
        found.append((message.heading, whole))
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(MESSAGES, max_size=4), st.sampled_from([1, 7, 64, 262_144]))
def test_any_octets_come_back_whatever_the_chunks(messages: list[bytes], chunk: int) -> None:
    file = b"".join(written(one, number) for number, one in enumerate(messages, 1))
    before = mbox.CHUNK
    mbox.CHUNK = chunk
    try:
        back = read_all(file)
    finally:
        mbox.CHUNK = before
    assert [canonical(octets) for _, octets in back] == [canonical(octets) for octets in messages]
    assert [heading.uid for heading, _ in back] == list(range(1, len(messages) + 1))
    assert all(heading.flags == (b"\\Seen", b"$Work") and heading.date == 1_700_000_000 for heading, _ in back)


@settings(max_examples=60, deadline=None)
@given(MESSAGES, st.lists(st.integers(0, 60), max_size=5), st.sampled_from([ToCrlf, ToLf, Canonical, quoting]))
def test_any_split_same_answer(octets: bytes, cuts: list[int], form: type[ToCrlf]) -> None:
    """I4."""
    whole, pieces = form(), form()
    marks = [0, *sorted(cuts), len(octets)]
    got = b"".join(pieces.feed(octets[first:last]) for first, last in pairwise(marks)) + pieces.end()
    assert got == whole.feed(octets) + whole.end()


@settings(max_examples=40, deadline=None)
@given(st.lists(MESSAGES, min_size=1, max_size=3))
def test_pythons_mailbox_module_finds_as_many_as_we_wrote(messages: list[bytes]) -> None:
    file = b"".join(written(one, number) for number, one in enumerate(messages, 1))
    assert file.startswith(b"From ")
    # the module takes every "From " at the start of a line for a message, so this also says that all else is quoted
    assert file.count(b"\nFrom ") + 1 == len(messages)


def test_a_line_longer_than_any_chunk_is_not_quoted_in_its_middle() -> None:
    octets = b"a" * 300_000 + b"From here\r\nFrom there" + b"b" * 300_000 + b"From x\r\n"
    assert read_all(written(octets))[0][1] == octets


STRANGE = {
    "an empty line is missing": (
        b"From a@b Mon Jan  1 10:00:00 2024\nSubject: 1\n\none\nFrom c@d Mon Jan  1 11:00:00 2024\nSubject: 2\n\ntwo\n",
        [b"Subject: 1\r\n\r\none\r\n", b"Subject: 2\r\n\r\ntwo\r\n"]),
    "CRLF": (
        b"From - Mon Jan  1 10:00:00 2024\r\nSubject: 1\r\n\r\n>From me\r\n\r\n"
        b"From - Mon Jan  1 10:00:00 2024\r\nSubject: 2\r\n\r\ntwo\r\n",
        [b"Subject: 1\r\n\r\nFrom me\r\n", b"Subject: 2\r\n\r\ntwo\r\n"]),
    "text that was not quoted": (
        b"From a@b Mon Jan  1 10:00:00 2024\nSubject: 1\n\none\n\nFrom here on it is text.\nFrom there too.\n",
        [b"Subject: 1\r\n\r\none\r\n\r\nFrom here on it is text.\r\nFrom there too.\r\n"]),
    "a From_ line without a date": (
        b"From nobody\nSubject: 1\n\none\n\nFrom \nSubject: 2\n\ntwo\n",
        [b"Subject: 1\r\n\r\none\r\n", b"Subject: 2\r\n\r\ntwo\r\n"]),
    "Gmail's": (
        b"From 1785@xxx Mon Jan 01 10:00:00 +0000 2024\nX-GM-THRID: 1\nSubject: 1\n\none\n\n",
        [b"X-GM-THRID: 1\r\nSubject: 1\r\n\r\none\r\n"]),
    "no line end at the end": (b"From a@b Mon Jan  1 10:00:00 2024\nSubject: 1\n\none", [b"Subject: 1\r\n\r\none"]),
    "nothing": (b"", []),
    "empty lines only": (b"\n\n", []),
}


@pytest.mark.parametrize("what", STRANGE)
def test_other_programs_files(what: str) -> None:
    file, messages = STRANGE[what]
    assert [octets for _, octets in read_all(file)] == messages


def test_the_flags_of_other_programs() -> None:
    def flags(*lines: bytes) -> mbox.Heading:
        file = b"From a Mon Jan  1 10:00:00 2024\nSubject: x\n" + b"".join(line + b"\n" for line in lines) + b"\nbody\n"
        heading, octets = read_all(file)[0]
        assert octets == b"Subject: x\r\n\r\nbody\r\n"          # what only the file means is no part of the message
        return heading

    assert flags(b"Status: RO", b"X-Status: AF").flags == (b"\\Seen", b"\\Answered", b"\\Flagged")
    assert flags(b"X-Status: DT").flags == (b"\\Deleted", b"\\Draft")
    assert flags(b"X-Keywords: $Label1 todo", b"  more").flags == (b"$Label1", b"todo", b"more")
    assert flags(b"X-Mozilla-Status: 1003", b"X-Mozilla-Status2: 00000000", b"X-Mozilla-Keys: work").flags == (
        b"\\Seen", b"\\Answered", b"$Forwarded", b"work")
    assert flags(b"X-Mozilla-Status: 0009").removed
    assert flags().date == 1_704_103_200


def test_spans_say_where_messages_stand() -> None:
    file = written(b"Subject: 1\r\n\r\n") + written(b"Subject: 2\r\n\r\n")
    first, second = spans(io.BytesIO(file))
    assert first == Span(0, second.start - 1) and file[second.start:].startswith(b"From ")


class MboxTests(TransferCase):
    async def moved(self, path: Path, kind: str = "mbox") -> dict[str, list[Kept]]:
        store = await self.store(kind)
        self.report = await self.imported(store, MboxSource(path, reactor), kind=kind)
        self.assertEqual([], self.report.problems)
        return await contents(await store.open_account("alice", FRESH))

    async def test_what_pythons_mailbox_module_wrote(self) -> None:
        box = mailbox.mbox(self.folder / "Archive")
        for number in range(3):
            message = mailbox.mboxMessage(b"Subject: %d\n\nFrom here\nhello\n" % number)
            message.set_from("someone@example.org", (2024, 1, 1, 10, 0, number, 0, 1, 0))
            message.set_flags("RF" if number else "")
            box.add(message)
        box.close()
        found = await self.moved(self.folder / "Archive")
        self.assertEqual({"Archive": [
            Kept(b"Subject: %d\r\n\r\nFrom here\r\nhello\r\n" % number, frozenset({b"\\Seen", b"\\Flagged"} if number else ()),
                 1_704_103_200 + number) for number in range(3)]}, found)

    async def test_a_tree_as_thunderbird_has_it(self) -> None:
        tree, body = self.folder / "Mail", b"From - Mon Jan  1 10:00:00 2024\nSubject: x\n\nx\n\n"
        (tree / "Work.sbd" / "2026.sbd").mkdir(parents=True)
        for place in ("Inbox", "Work", "Work.sbd/2026", "Work.sbd/2026.sbd/May", "Lists.mbox"):
            (tree / place).write_bytes(body)
        (tree / "Empty").touch()
        (tree / "Inbox.msf").write_bytes(b"// <!-- mork -->")
        (tree / "readme").write_bytes(b"no mail")
        deleted = b"From - Mon Jan  1 10:00:00 2024\nX-Mozilla-Status: 0009\nSubject: gone\n\n\n"
        (tree / "Trash").write_bytes(deleted + body)
        found = await self.moved(tree)
        self.assertEqual({"INBOX", "Work", "Work/2026", "Work/2026/May", "Lists", "Trash"}, set(found))
        self.assertEqual(1, len(found["Trash"]))
        self.assertEqual(7, self.report.folders)

    async def test_alike_messages_are_different_ones_and_none_comes_twice(self) -> None:
        path, one = self.folder / "inbox", b"From - Mon Jan  1 10:00:00 2024\nSubject: same\n\nx\n\n"
        path.write_bytes(one * 3)
        store = await self.store()
        self.assertEqual(3, (await self.imported(store, MboxSource(path, reactor))).copied)
        other = b"From - Mon Jan  1 10:00:00 2024\nSubject: other\n\nx\n\n"
        path.write_bytes(other + one * 2)           # compacted: one of them is gone, the others have moved
        report = await self.imported(store, MboxSource(path, reactor))
        self.assertEqual((3, 1, 2, []), (report.listed, report.copied, report.already, report.problems))

    async def test_a_large_message_comes_in_pieces(self) -> None:
        path = self.folder / "inbox"
        octets = b"Subject: large\r\n\r\n" + b">From me\r\nFrom you\r\n" * 60_000
        path.write_bytes(written(octets))
        self.assertEqual(octets, (await self.moved(path))["INBOX"][0].octets)
