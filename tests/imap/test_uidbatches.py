"""UIDBATCHES (RFC 10022): whatever the UIDs, the batches hold every message once, and as many as were asked for."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from support.imap_world import Client, World, run

from mailframe.imap.view import View
from mailframe.model.mailbox import Rows


def view_of(uids: list[int]) -> View:
    return View(Rows(array("I", uids), array("Q", bytes(8 * len(uids)))))


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(1, 300)).map(sorted), st.integers(1, 50), st.integers(1, 8), st.integers(0, 8))
def test_batches_part_a_mailbox(uids: list[int], size: int, first: int, more: int) -> None:
    view = view_of(uids)
    every = view.batches(size)
    held = [bisect_right(uids, high) - bisect_left(uids, low) for high, low in every]
    assert sum(held) == len(uids)
    assert all(count == size for count in held[:-1]) and all(0 < count <= size for count in held)
    assert not every or (every[0][0] == uids[-1] and every[-1][1] == 1)
    assert all(low == high + 1 for (_, low), (high, _) in pairwise(every))
    assert view.batches(size, first, first + more) == every[first - 1:first + more]


def test_a_million_messages() -> None:
    view = view_of(list(range(3, 3_000_003, 3)))
    batches = view.batches(500)
    assert len(batches) == 2_000
    assert batches[0] == (3_000_000, 2_998_503) and batches[-1] == (1_502, 1)


async def _asked(client: Client, request: str) -> str:
    *told, status = await client.command(f"a UIDBATCHES {request}")
    return " ".join(line.split('"a") ', 1)[-1] for line in told if "UIDBATCHES" in line) or status


async def _append(client: Client, count: int) -> None:
    assert (await client.command("b APPEND INBOX" + " {1+}\r\nx" * count))[-1].startswith("b OK")


def test_who_asks_again_needs_a_reason() -> None:
    """RFC 10022 section 3.1.1: half a batch more, or half a batch less."""

    async def talk(world: World) -> None:
        client = await world.login()
        await _append(client, 1_200)
        await client.command("c SELECT INBOX")
        assert await _asked(client, "500") == "1200:701,700:201,200:1"
        assert await _asked(client, "500 2:3") == "700:201,200:1"
        assert await _asked(client, "600") == "1200:601,600:1"
        assert (await _asked(client, "500")).startswith("a NO [LIMIT] ")
        await _append(client, 250)
        assert (await _asked(client, "500")).startswith("a NO [LIMIT] ")
        await _append(client, 1)
        assert await _asked(client, "500") == "1451:952,951:452,451:1"
        await client.command("d UID STORE 1:250 +FLAGS.SILENT (\\Deleted)")
        await client.command("e EXPUNGE")
        assert (await _asked(client, "500")).startswith("a NO [LIMIT] ")
        await client.command("f UID STORE 1000 +FLAGS.SILENT (\\Deleted)")
        await client.command("g EXPUNGE")
        assert await _asked(client, "500") == "1451:951,950:451,450:1"
        await client.command("h SELECT INBOX")
        assert await _asked(client, "500") == "1451:951,950:451,450:1"

    run(talk)
