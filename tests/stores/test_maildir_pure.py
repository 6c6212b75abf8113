"""The Maildir store's pure parts: names, line ends, letters, times, lists of folders."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.model.flags import FLAGGED, SEEN, keyword_bit
from mailframe.model.refusal import Forbidden
from mailframe.stores.maildir import beside, names, octets, tree, words
from mailframe.stores.maildir.look import SURE_NS, Seen

QUICK = settings(max_examples=60, deadline=None)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=12)
LINES = st.lists(st.sampled_from([b"a", b"\r\n", b"\n", b"\r", b"bc"]), max_size=30).map(b"".join)


@QUICK
@given(TEXT)
def test_any_mailbox_name_has_one_folder_and_comes_back(name: str) -> None:
    folder = names.folder_of(name)
    if name != "INBOX":
        assert folder.startswith(".") and "/" not in folder and folder.isascii()
        assert all(folder[1:].split("."))
        assert names.mailbox_of(folder) == name


@QUICK
@given(st.lists(TEXT, unique=True))
def test_subscriptions_come_back(listed: list[str]) -> None:
    assert beside.subscribed(beside.subscriptions(listed)) == listed


def test_subscriptions_of_before_have_no_heading() -> None:
    assert beside.subscribed(b"INBOX\nLists.Python\nEntw&APw-rfe\n") == ["INBOX", "Lists/Python", "Entwürfe"]


@QUICK
@given(TEXT, st.sampled_from(["{account}", "{domain}/{local}", "home/{local}/Maildir"]))
def test_no_account_leads_out_of_the_folder(account: str, layout: str) -> None:
    parts = names.account_folder(layout, account).split("/")
    assert len(parts) == layout.count("/") + 1
    assert all(part and not part.startswith(".") for part in parts)


@pytest.mark.parametrize(("layout", "says"), [
    ("{user}", "may hold"), ("{}", "may hold"), ("{account", "may hold"), ("{account.x}", "may hold"),
    ("{domain}", "one folder"), ("mail", "one folder")])
def test_a_layout_that_cannot_be_used_is_one_sentence(layout: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        names.check_layout(layout)


def test_names_that_no_directory_can_have_are_refused_or_kept_in_it() -> None:
    assert not names.is_short(names.folder_of("x" * 256)) and names.is_short(names.folder_of("x" * 254))
    for ask in (lambda: names.folder_of("a\0b"), lambda: names.account_folder("{account}", "x" * 300)):
        with pytest.raises(Forbidden):
            ask()


@QUICK
@given(LINES, st.lists(st.integers(1, 9), max_size=8))
def test_line_ends_come_back_in_any_chunks(message: bytes, cuts: list[int]) -> None:
    shortener, written, rest = octets.Shortener(), b"", message
    for cut in cuts:
        written += shortener.feed(rest[:cut])
        rest = rest[cut:]
    written += shortener.feed(rest) + shortener.finish()
    assert shortener.lossless == octets.is_lossless(message)
    if shortener.lossless:
        assert written == octets.shortened(message)
        assert octets.expanded(written) == message
        assert len(written) + octets.growth(written) == len(message)


@QUICK
@given(LINES, st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=10), st.integers(1, 7))
def test_offsets_count_crlf_wherever_the_file_is_cut(file: bytes, reads: list[tuple[int, int]], chunk: int) -> None:
    whole, kept = octets.expanded(file), octets._CHUNK
    octets._CHUNK = chunk
    try:
        places = octets.Places(lambda size, offset: file[offset:offset + size], raw=False)
        for offset, size in reads:
            assert places.read(offset, size) == whole[offset:offset + size]
    finally:
        octets._CHUNK = kept


def test_reading_on_costs_a_chunk_and_not_the_file() -> None:
    file, asked = b"x" * 99 + b"\n", list[int]()

    def pread(size: int, offset: int) -> bytes:
        asked.append(offset)
        return (file * 40_000)[offset:offset + size]
    places = octets.Places(pread, raw=False)
    places.read(3_900_000, 10)
    asked.clear()
    assert len(places.read(2_000_000, 10)) == 10
    assert len(asked) <= 2


def test_letters_and_flags() -> None:
    letters = words.Letters({0: "$Forwarded", 3: "work"}, ("WORK", "$forwarded", "elsewhere"))
    assert letters.mask(b"FSPad?") == FLAGGED | SEEN | keyword_bit(0) | keyword_bit(1)
    assert sorted(letters.letters(SEEN | keyword_bit(0) | keyword_bit(2), b"FPaz")) == sorted(b"SdPz")
    assert words.parsed(b"0 a\n\nbad\n26 beyond\n5 b\n") == {0: "a", 5: "b"}
    assert words.missing({1: "one"}, ["ONE", "two", "three"]) == {1: "one", 0: "two", 2: "three"}
    assert len(words.missing({}, [f"w{n}" for n in range(40)])) == words.MAX_LETTERS


def test_what_a_file_is_called() -> None:
    assert names.with_letters(b"1.x,S=3:2,SF", b"TRS") == b"1.x,S=3:2,RST"
    assert names.with_letters(b"1.x", b"") == b"1.x:2,"
    assert names.virtual_size(b"1.x,S=10,W=12", 10) == 12
    assert names.virtual_size(b"1.x,S=10,W=12", 11) is None
    assert names.virtual_size(b"1.x,S=10,R=1", 10) == 10
    assert sorted([b"10.b", b"9.z", b"x", b"10.a"], key=names.arrival_order) == [b"x", b"9.z", b"10.a", b"10.b"]


def test_a_directory_that_changed_a_moment_ago_is_looked_at_once_more() -> None:
    seen, mtime = Seen(), 5 * SURE_NS
    assert seen.needs_listing(mtime, mtime)
    seen.listed(mtime, mtime + 1)
    assert (seen.lasting, seen.needs_listing(mtime, mtime + 2), seen.needs_listing(mtime, mtime + SURE_NS)) == (0, False, True)
    seen.listed(mtime, mtime + SURE_NS)
    assert (seen.lasting, seen.needs_listing(mtime, mtime + 9 * SURE_NS)) == (mtime, False)
    seen.changed_by_us(mtime, mtime + 7)
    assert not seen.needs_listing(mtime + 7, mtime + 8)
    assert seen.needs_listing(mtime + 7, mtime + 7 + SURE_NS)
    seen.changed_by_us(mtime + 8, mtime + 9)
    assert seen.needs_listing(mtime + 9, mtime + 9), "somebody else was there before us"


def test_folders_are_known_again_by_what_they_are() -> None:
    known = [(1, "", 10), (2, ".a", 20), (3, ".b", 30), (4, ".c", 40), (5, None, -1)]
    there = {"": 10, ".a": 30, ".b": 20, ".c": 41, ".new": 50}
    found = tree.compare(known, there)
    assert (found.gone, found.renamed, found.replaced, found.arrived) == ([5], [(2, ".b"), (3, ".a")], [(4, ".c")], [".new"])
    moved = tree.compare([(1, "", 10)], {"": 99, ".old": 10})
    assert (moved.renamed, moved.arrived) == ([(1, ".old")], [""])
