"""Taking a message in: memory, staged content, and what is known of it at the end."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.coroutines import result_of

from mailframe.mime.attributes import attributes
from mailframe.mime.header import split_header
from mailframe.model.refusal import MessageTooBig
from mailframe.pipeline.holder import Holder
from mailframe.staging.intake import Intake

MESSAGE = (
    b"From: alice@example.org\r\nSubject: Hello\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\n\r\none\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>two\r\n--b--\r\n"
)
HEAD = b"Return-Path: <alice@example.org>\r\nReceived: by us\r\n"


def take(intake: Intake, octets: bytes, cuts: tuple[int, ...] = ()) -> Intake:
    async def all_of_it() -> None:
        last = 0
        for cut in (*sorted(cut % (len(octets) + 1) for cut in cuts), len(octets)):
            await intake.write(octets[last:cut])
            last = cut
        await intake.seal()

    result_of(all_of_it())
    return intake


def test_a_small_message_stays_in_memory_and_is_known_at_once() -> None:
    finished = take(Intake(Holder(), max_octets=1_000_000), MESSAGE).finished(HEAD)
    assert finished.content == MESSAGE and finished.head == HEAD and finished.size == len(HEAD) + len(MESSAGE)
    assert finished.attributes == attributes(HEAD + MESSAGE)
    assert finished.header == MESSAGE[:MESSAGE.index(b"\r\n\r\n") + 4]
    new = finished.new(flags=1, date=5)
    assert (new.content, new.head, new.flags, new.date, new.size) == (MESSAGE, HEAD, 1, 5, finished.size)


def test_one_message_under_several_heads_is_scanned_once() -> None:
    intake = take(Intake(None, max_octets=1_000_000), MESSAGE)
    for head in (HEAD, b"Delivered-To: bob@example.org\r\n" + HEAD, b""):
        assert intake.attributes_for(head) == attributes(head + MESSAGE)


@given(st.lists(st.integers(0, 10_000), max_size=6).map(tuple), st.integers(0, 300))
@settings(max_examples=60, deadline=None)
def test_the_cuts_of_the_wire_change_nothing(cuts: tuple[int, ...], memory: int) -> None:
    """I4; in memory or staged."""
    holder = Holder()
    intake = take(Intake(holder, max_memory_octets=memory, max_octets=1_000_000), MESSAGE, cuts)
    assert intake.header() == MESSAGE[:MESSAGE.index(b"\r\n\r\n") + 4]
    whole = attributes(HEAD + MESSAGE)
    assert intake.attributes_for(HEAD) == (whole if intake.in_memory else replace(whole, preview=b""))
    assert result_of(intake.read(0, 10_000)) == MESSAGE
    assert result_of(intake.read(7, 5)) == MESSAGE[7:12]
    assert intake.in_memory == (len(MESSAGE) <= memory)
    if intake.content_id is not None:
        holder.drop(intake.content_id)


def test_too_big_is_said_at_the_first_octet_too_many() -> None:
    intake = Intake(None, max_octets=10)
    assert intake.add(b"0123456789") is None
    with pytest.raises(MessageTooBig):
        intake.add(b"x")
    intake.abort()


def test_without_content_everything_stays_in_memory() -> None:
    intake = take(Intake(None, max_memory_octets=10, max_octets=1_000_000), MESSAGE)
    assert intake.whole() == MESSAGE


def test_an_empty_message_is_a_message() -> None:
    finished = take(Intake(Holder(), max_octets=10), b"").finished()
    assert (finished.content, finished.size, finished.header) == (b"", 0, b"")


def test_an_endless_header_is_shown_up_to_a_mebibyte() -> None:
    holder = Holder()
    octets = b"X: " + b"y" * 200_000 + b"\r\n"
    intake = Intake(holder, max_octets=1 << 30)
    for _ in range(8):
        waiting = intake.add(octets)
        if waiting is not None:
            result_of(_awaited(waiting))
    result_of(intake.seal())
    assert len(intake.header()) == 1_048_576
    assert intake.finished().attributes is None
    assert intake.content_id is not None
    holder.drop(intake.content_id)


async def _awaited(waiting: object) -> None:
    await waiting  # type: ignore[misc]


def test_a_head_that_ends_the_header_makes_all_content_text() -> None:
    text = b"Hello Bob\r\nFrom: me\r\n"
    head = HEAD + b"\r\n"
    assert take(Intake(None, max_octets=1_000), text).attributes_for(head) == attributes(head + text)


def test_octets_that_come_singly_take_no_more_memory_than_they_are() -> None:
    """A slow sender's droplets are not kept as an object each, in memory or on the way to the disk."""
    intake = Intake(Holder(), max_memory_octets=20_000, max_octets=1_000_000)
    octets = MESSAGE + b"ab" * 20_000
    tracemalloc.start()
    for at in range(0, len(octets), 2):
        result_of(intake.write(octets[at:at + 2]))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 150_000
    result_of(intake.seal())
    assert result_of(intake.read(0, len(octets))) == octets and intake.header() == MESSAGE[:MESSAGE.index(b"\r\n\r\n") + 4]


@given(st.lists(st.integers(0, 10_000), max_size=6).map(tuple), st.sampled_from([
    b"\r\nbody", b"\nbody", b"A: 1\r\n\r\nbody\r\n\r\nB: 2", b"A: 1\n\nbody", b"A: 1\r\nB", b"",
]))
@settings(max_examples=60, deadline=None)
def test_a_staged_header_is_whole_wherever_it_was_cut(cuts: tuple[int, ...], message: bytes) -> None:
    message += b"\r\n" + b"x" * 2_000
    assert take(Intake(Holder(), max_memory_octets=0, max_octets=10_000), message, cuts).header() == message[:split_header(message)]
