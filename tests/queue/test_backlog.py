"""What waits for a free place, fairly."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.model.address import Address
from mailframe.model.envelope import Recipient
from mailframe.queue.backlog import Backlog
from mailframe.queue.item import DELIVERED, Waiting


def waiting(number: int, message: int, domain: str, head: bytes = b"", final: bool = False) -> Waiting:
    return Waiting(number, message, Recipient(Address("x", domain)), domain, head, problem=DELIVERED if final else None)


def anywhere(_: str) -> bool:
    return True


def test_domains_take_turns() -> None:
    backlog = Backlog(100, 100, 100)
    backlog.add([waiting(n, n, "a") for n in range(3)] + [waiting(9, 9, "b")], ())
    order = [group[0].domain for group in iter(lambda: backlog.take(anywhere), None)]
    assert order == ["a", "b", "a", "a"]


def test_recipients_of_one_message_go_together_if_their_heads_and_states_are_alike() -> None:
    backlog = Backlog(100, 100, 2)
    backlog.add([waiting(1, 1, "a"), waiting(2, 1, "a"), waiting(3, 1, "a"), waiting(4, 1, "a", b"X: 1\r\n"),
                 waiting(5, 1, "a", final=True)], ())
    groups = [[one.id for one in group] for group in iter(lambda: backlog.take(anywhere), None)]
    assert groups == [[1, 2], [3], [4], [5]]


def test_one_domain_cannot_fill_it() -> None:
    backlog = Backlog(100, 10, 100)
    assert backlog.add([waiting(n, n, "a") for n in range(50)] + [waiting(99, 99, "b")], ())
    assert backlog.clogged == {"a"} and len(backlog) == 11 and backlog.holds("b")


def test_it_says_when_it_is_full() -> None:
    backlog = Backlog(5, 10, 100)
    assert not backlog.add([waiting(n, n, f"d{n}") for n in range(6)], ())
    assert backlog.full


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3), st.sampled_from("abc")), max_size=60), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_each_recipient_comes_out_once_and_those_in_hand_never(rows: list[tuple[int, int, str]], group: int) -> None:
    backlog = Backlog(1_000, 1_000, group)
    found = list({number: waiting(number, message, domain) for number, message, domain in rows}.values())
    in_hand = {0, 7}
    backlog.add(found, in_hand)
    backlog.add(found, in_hand)
    out = [one.id for some in iter(lambda: backlog.take(anywhere), None) for one in some]
    assert sorted(out) == sorted(one.id for one in found if one.id not in in_hand)
    assert len(backlog) == 0 and not backlog.holds("a") and backlog.take(anywhere) is None
