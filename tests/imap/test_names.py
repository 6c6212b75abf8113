"""Mailbox names: patterns match as RFC 3501 section 6.3.8 says, in linear time; bad names are refused."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.imap.names import Pattern, check_name, in_order
from mailframe.model.refusal import Forbidden, LimitReached


def naive(pattern: str, name: str) -> bool:
    wanted = "".join(".*" if c == "*" else "[^/]*" if c == "%" else re.escape(c) for c in pattern)
    return re.fullmatch(wanted, name, re.DOTALL) is not None


@settings(max_examples=60, deadline=None)
@given(st.text("ab/*%", max_size=8), st.text("ab/", max_size=8))
def test_patterns_match_as_a_naive_reading(pattern: str, name: str) -> None:
    assert Pattern(pattern).matches(name) == naive(pattern, name)


@pytest.mark.parametrize(("pattern", "name", "matches"), [
    ("inb*", "INBOX", True), ("INBOX", "INBOX", True), ("%", "INBOX", True), ("inbox", "inboxes", False),
    ("Sent", "sent", False), ("%/%", "a/b/c", False), ("%/*", "a/b/c", True),
])
def test_inbox_is_the_same_in_any_case(pattern: str, name: str, matches: bool) -> None:
    assert Pattern(pattern).matches(name) is matches


def test_a_hostile_pattern_costs_linear_time() -> None:
    begun = time.perf_counter()
    Pattern("*a" * 400 + "b").matches("a" * 1_000)
    assert time.perf_counter() - begun < 0.5


@pytest.mark.parametrize("name", [
    "", "/", "a//b", "/a", "a/", "a\tb", "a\x00", "a/ /b", "x*", "x%", "\x85", "\ud800", "e\u0301",
])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(Forbidden):
        check_name(name, 1_000, 20)


@pytest.mark.parametrize("name", ["é" * 501, "a/" * 20 + "b"])
def test_names_beyond_a_limit(name: str) -> None:
    with pytest.raises(LimitReached):
        check_name(name, 1_000, 20)


@pytest.mark.parametrize("name", ["Entwürfe", "a b", "日本/語", "'; DROP TABLE mailbox; --", "..", "a.b", "~root", "\\foo", '"'])
def test_awkward_names_are_names(name: str) -> None:
    check_name(name, 1_000, 20)


def test_inbox_comes_first_and_parents_before_children() -> None:
    assert in_order(["a/b", "a-", "a", "INBOX/x", "INBOX", "Z"]) == ["INBOX", "INBOX/x", "Z", "a", "a/b", "a-"]
