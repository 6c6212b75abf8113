"""The view: the client's picture is told true, whatever happens in the store and in whatever order (V1-V3, I6)."""

from __future__ import annotations

import re
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.imap import numset
from mailframe.imap.cursor import BadSyntax
from mailframe.imap.numset import MessageSet
from mailframe.imap.view import Telling, View
from mailframe.model.mailbox import Rows


def rows(flags: dict[int, int]) -> Rows:
    uids = sorted(flags)
    return Rows(array("I", uids), array("Q", [flags[uid] for uid in uids]), array("Q", [1] * len(uids)))


class Picture:
    """A client that believes what it is told."""

    def __init__(self, flags: dict[int, int]) -> None:
        self.seen = [flags[uid] & 1 for uid in sorted(flags)]

    def hear(self, lines: list[bytes], truth: dict[int, int], uids: array[int]) -> None:
        for line in lines:
            match = re.fullmatch(rb"\* (\d+) (EXPUNGE|EXISTS|RECENT|FETCH \(FLAGS \((.*)\)\))\r\n", line)
            assert match, line
            number = int(match[1])
            if match[2] == b"EXPUNGE":
                assert 1 <= number <= len(self.seen)
                del self.seen[number - 1]
            elif match[2] == b"EXISTS":
                assert number >= len(self.seen)         # RFC 3501: only EXPUNGE makes it smaller
                self.seen += [truth.get(uid, 0) & 1 for uid in uids[len(self.seen):number]]
            elif match[3] is not None:
                self.seen[number - 1] = int(b"\\Seen" in match[3])


STEPS = st.lists(st.tuples(st.sampled_from(["new", "flag", "expunge", "tell", "hush", "compare"]), st.integers(0, 30)), max_size=30)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_after_being_told_the_client_knows_the_truth(steps: list[tuple[str, int]]) -> None:
    truth = {1: 0, 2: 1, 5: 0}
    view, picture, next_uid = View(rows(truth)), Picture(truth), 6
    fresh: dict[int, int] = {}
    gone: list[int] = []
    for step, number in [*steps, ("tell", 0)]:
        if step == "new":
            truth[next_uid] = fresh[next_uid] = number & 1
            next_uid += 1
        elif step in ("flag", "expunge") and truth:
            uid = sorted(truth)[number % len(truth)]
            if step == "flag":
                truth[uid] ^= 1
                fresh[uid] = truth[uid]
            else:
                del truth[uid]
                fresh.pop(uid, None)
                gone.append(uid)
        elif step in ("tell", "hush", "compare"):
            if step == "compare":
                view.apply(*view.differs(rows(truth)))
            else:
                view.apply(rows(fresh), gone)
            fresh, gone = {}, []
            picture.hear(view.tell(Telling(), expunge=step != "hush"), truth, view.uids)
            assert list(view.uids) == sorted(set(view.uids))                # V1
            assert len(picture.seen) == len(view)                           # V2
    assert picture.seen == [truth[uid] & 1 for uid in sorted(truth)]
    assert list(view.uids) == sorted(truth)


def test_a_uid_leaves_only_when_its_expunge_is_told() -> None:
    """V3."""
    view = View(rows({1: 0, 2: 0, 3: 0}))
    view.apply(rows({}), [2])
    assert view.tell(Telling(), expunge=False) == []
    assert view.number(3) == 3
    assert view.is_gone(2)
    assert view.tell(Telling(), expunge=True) == [b"* 2 EXPUNGE\r\n"]
    assert view.number(3) == 2


def test_numbers_out_of_range_are_bad_and_uids_out_of_range_are_passed_over() -> None:
    view = View(rows({10: 0, 20: 0}))
    with pytest.raises(BadSyntax):
        view.resolve(MessageSet(numset.parse(b"3"), False))
    assert list(view.resolve(MessageSet(numset.parse(b"2,1:*"), False))) == [10, 20]
    assert list(view.resolve(MessageSet(numset.parse(b"5:15,99"), True))) == [10]
    assert list(view.resolve(MessageSet(numset.parse(b"100:*"), True))) == [20]         # "*" is 20 (RFC 3501 section 9)
    with pytest.raises(BadSyntax):
        View(rows({})).resolve(MessageSet(numset.parse(b"1:*"), False))


def test_recent_is_told_of_new_messages() -> None:
    view = View(rows({1: 0, 2: 0}), recent_from=2)
    assert view.recent == 1
    view.apply(rows({3: 0}))
    view.claim(3)
    assert view.tell(Telling(), expunge=True) == [b"* 3 EXISTS\r\n", b"* 2 RECENT\r\n"]
    assert view.is_recent(3)
    assert not view.is_recent(1)


def test_a_message_costs_20_octets() -> None:
    view = View(rows(dict.fromkeys(range(1, 1_001), 0)))
    assert sum(column.itemsize for column in (view.uids, view.flags, view.modseqs)) <= 24


def test_expunging_a_hundred_thousand_messages_is_one_pass() -> None:
    view = View(rows(dict.fromkeys(range(1, 100_001), 0)))
    view.apply(rows({}), range(1, 100_001, 2))
    lines = view.tell(Telling(), expunge=True)
    assert lines[0] == b"* 99999 EXPUNGE\r\n"
    assert lines[-1] == b"* 1 EXPUNGE\r\n"
    assert len(view) == 50_000
