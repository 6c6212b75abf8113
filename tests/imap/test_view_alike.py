"""Many views of one mailbox that take in the same changes share what they tell of them; each tells what it would by itself (I6)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.imap.alike import alike
from mailframe.imap.view import Telling, View
from mailframe.model.mailbox import Rows

UIDS = range(1, 9)
WAYS = (Telling(), Telling((), True), Telling((), True, True), Telling((), flags=False), Telling(("word",), True))

#: Of one view: "take" in the changes; be "told" one by its own command; find a message "gone"; "tell", with expunges or without.
STEP = st.tuples(st.sampled_from(["take", "take", "told", "gone", "tell", "hush"]), st.integers(0, 2), st.integers(0, 7))
CHANGES = st.lists(st.dictionaries(st.sampled_from(UIDS), st.integers(0, 511), min_size=1), min_size=1, max_size=3)


def rows(uids: Sequence[int], flags: Sequence[int], modseqs: Sequence[int]) -> Rows:
    return Rows(array("I", uids), array("Q", flags), array("Q", modseqs))


def view(number: int, kept: bool) -> View:
    """The last one lacks a message, is told mod-sequences or has given up numbers, as `number` and `kept` have it."""
    uids = [uid for uid in UIDS if number < 2 or uid != 3]
    made = View(rows(uids, [0] * len(uids), [1] * len(uids) if kept else []), recent_from=8 if number == 1 else 1 << 32)
    made.watch_modseq = number != 1
    made.uid_only = number == 2
    return made


@settings(max_examples=60, deadline=None)
@given(CHANGES, st.lists(STEP, max_size=25), st.sampled_from(WAYS), st.booleans())
def test_each_view_tells_what_it_would_alone(changes: list[dict[int, int]], steps: list[tuple[str, int, int]], how: Telling,
                                             kept: bool) -> None:
    logs = [rows(sorted(each), [each[uid] for uid in sorted(each)], [2 + number] * len(each) if kept else [])
            for number, each in enumerate(changes)]
    crowd, alone = ([view(number, kept) for number in range(3)] for _ in range(2))
    for step, which, number in steps:
        one, other = crowd[which], alone[which]
        if step == "take":
            log = logs[number % len(logs)]
            one.apply(log)
            for place in range(len(log)):           # one by one nothing is shared
                part = slice(place, place + 1)
                other.apply(Rows(log.uids[part], log.flags[part], log.modseqs[part]))
        elif step == "told":
            for each in (one, other):
                each.told(rows([number + 1], [number], [9] if kept else []))
        elif step == "gone":
            for each in (one, other):
                each.apply(rows([], [], []), [number + 1])
        else:
            assert one.has_news == other.has_news
            assert one.tell(how, step == "tell") == other.tell(how, step == "tell")
        assert (one.uids, one.flags, one.modseqs) == (other.uids, other.flags, other.modseqs)
        assert one.changed_mask() & other.changed_mask() == other.changed_mask()


def test_what_is_told_is_rendered_once_for_all() -> None:
    log = rows([2, 5], [1, 8], [7, 8])
    lines = []
    for _ in range(3):
        each = view(0, True)
        each.apply(log)
        lines.append(each.tell(WAYS[1], True))
    assert lines[0] == [b"* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n", b"* 5 FETCH (UID 5 FLAGS (\\Deleted))\r\n"]
    assert all(first is second for told in lines for first, second in zip(told, lines[0]))
    assert alike(rows([2, 5], [1, 8], [7, 8])) is alike(log)


def test_changes_that_were_changed_are_other_changes() -> None:
    """A store may hand out the same object again, with other things in it."""
    first, second, log = view(0, True), view(0, True), rows([2, 5], [1, 8], [7, 8])
    first.apply(log)
    log.flags[0] = 2
    second.apply(log)
    assert second.tell(Telling(), True)[0] == b"* 2 FETCH (FLAGS (\\Answered))\r\n"
