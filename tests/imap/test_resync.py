"""A client that comes back with what it knew is told exactly what it missed (RFC 7162 section 3.2.5)."""

from __future__ import annotations

import re
from array import array
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.imap_world import NOW, Client, World, run
from support.stumbling import Stumbling, StumblingStore
from twisted.internet.task import Clock

from mailframe.imap.extensions.qresync import missing
from mailframe.imap.view import View
from mailframe.model.mailbox import Rows
from mailframe.stores.memory import MemoryStore

UIDS = st.sets(st.integers(1, 40)).map(sorted)


@settings(max_examples=60, deadline=None)
@given(UIDS, st.lists(st.tuples(st.integers(1, 20), st.integers(0, 9)), max_size=3), st.integers(1, 45))
def test_missing_uids_are_found_as_ranges(uids: list[int], steps: list[tuple[int, int]], below: int) -> None:
    chosen, start = [], 1
    for gap, length in steps:
        chosen.append((start + gap, start + gap + length))
        start += gap + length + 1
    uids = [uid for uid in uids if uid < below]
    view = View(Rows(array("I", uids), array("Q", [0] * len(uids))))
    found = [uid for low, high in missing(chosen, view, below) for uid in range(low, high + 1)]
    assert found == [uid for low, high in chosen for uid in range(low, high + 1) if uid not in uids and uid < below]


async def value(client: Client, code: str) -> str:
    """SELECT's `code`, with QRESYNC on."""
    await client.command("e ENABLE QRESYNC")
    text = "\n".join(await client.command("s SELECT INBOX"))
    found = re.search(rf"\[{code} (\d+)\]", text)
    assert found, text
    return found[1]


def test_what_happened_while_away_is_told_in_select() -> None:
    async def talk(world: World) -> None:
        one, two = await world.login(), await world.login()
        await one.command("a APPEND INBOX" + " {1+}\r\nx" * 6)
        await one.command("b SELECT INBOX")
        uidvalidity = await value(two, "UIDVALIDITY")
        modseq = await value(two, "HIGHESTMODSEQ")
        await two.command("c UNSELECT")
        back = f"SELECT INBOX (QRESYNC ({uidvalidity} {modseq}))"
        assert not [line for line in await two.command("d " + back) if "VANISHED" in line or "FETCH" in line]
        await two.command("f UNSELECT")
        await one.command("g STORE 2:3 +FLAGS (\\Deleted)")
        await one.command("h EXPUNGE")
        await one.command("i STORE 3 +FLAGS (\\Flagged)")
        await one.command("j APPEND INBOX {1+}\r\ny")
        told = [re.sub(r"MODSEQ \(\d+\)", "MODSEQ", line) for line in await two.command("k " + back)]
        assert [line for line in told if "VANISHED" in line or "FETCH" in line] == [
            "* VANISHED (EARLIER) 2:3",
            "* 3 FETCH (UID 5 FLAGS (\\Flagged) MODSEQ)",
            "* 5 FETCH (UID 7 FLAGS () MODSEQ)",
        ]
        await two.command("l UNSELECT")
        told = await two.command(f"m SELECT INBOX (QRESYNC ({uidvalidity} {modseq} 3:4 (1,2 3,4)) CONDSTORE)")
        assert [line for line in told if "VANISHED" in line or "FETCH" in line] == ["* VANISHED (EARLIER) 3"]

    run(talk)


def test_what_goes_while_the_mailbox_is_listed_is_not_missed() -> None:
    """The client's mod-sequence is that of the status, but not that of the listing (I6)."""
    clock = Clock()
    clock.rightNow = float(NOW)

    async def talk(world: World) -> None:
        client, other = await world.login(), await world.login()
        await client.command(b"a APPEND INBOX {1+}\r\na {1+}\r\nb {1+}\r\nc")
        await client.command("b ENABLE QRESYNC")
        await client.command("c SELECT INBOX")
        codes = {response.code: response.code_value for response in client.responses}
        await client.command("d UNSELECT")
        await other.command("e SELECT INBOX")
        gap.armed = True
        answer = await client.command(
            f"f SELECT INBOX (QRESYNC ({codes[b'UIDVALIDITY']} {codes[b'HIGHESTMODSEQ']}))")
        assert "* 2 EXISTS" in answer and "* VANISHED (EARLIER) 2" in answer, answer

    class Gap(Stumbling):
        armed = False

        def __getattr__(self, name: str) -> Any:
            value = super().__getattr__(name)
            if name != "rows" or not gap.armed:
                return value

            async def rows(*arguments: Any) -> Any:
                gap.armed = False
                await self._inner.expunge([2], False)
                return await value(*arguments)

            return rows

    class Store(StumblingStore):
        async def open_account(self, name: str, fresh: Any) -> Any:
            return Account(await self._inner.open_account(name, fresh), self._random, clock, 0)

    class Account(Stumbling):
        async def open_mailbox(self, mailbox_id: str) -> Any:
            return Gap(await self._inner.open_mailbox(mailbox_id), self._random, clock, 0)

    gap = Gap
    run(talk, World(Store(MemoryStore(lambda: NOW), Random(1), clock, 0), clock=clock))
