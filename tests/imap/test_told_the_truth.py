"""Several sessions on one mailbox: whatever they do, each client's picture, made only of what it is told, comes true (I6)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bare_store import BareStore
from support.imap_world import Client, World, run

from mailframe.stores.memory import MemoryStore

ANSWER = re.compile(r"\* (\d+) (EXISTS|EXPUNGE|RECENT|FETCH \((.*)\))")


class Believer:
    """A client that knows of the mailbox what it was told: for each message its UID, if told, and its flags, if told."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.messages: list[dict[str, str]] = []
        self._tag = 0

    async def say(self, command: str) -> str:
        self._tag += 1
        *untagged, status = await self.client.command(f"t{self._tag} {command}")
        sequence = re.match(r"(FETCH|STORE|SEARCH) ", command)
        for line in untagged:
            assert not (sequence and line.endswith(" EXPUNGE")), line       # RFC 3501 section 7.4.1
            self._believe(line)
        return status.split(" ", 1)[1]

    def _believe(self, line: str) -> None:
        match = ANSWER.fullmatch(line)
        if match is None:
            return
        number, what = int(match[1]), match[2]
        if what == "EXISTS":
            assert number >= len(self.messages)
            self.messages += [{} for _ in range(number - len(self.messages))]
        elif what == "EXPUNGE":
            del self.messages[number - 1]
        elif match[3] is not None:
            known = self.messages[number - 1]
            uid = re.search(r"UID (\d+)", match[3])
            if uid:
                assert known.setdefault("uid", uid[1]) == uid[1]            # V2: a number never changes its message unsaid
            flags = re.search(r"FLAGS \(([^)]*)\)", match[3])
            if flags:
                known["flags"] = " ".join(sorted(flag for flag in flags[1].split() if flag != "\\Recent"))


STEPS = st.lists(st.tuples(
    st.integers(0, 2),
    st.sampled_from([
        "NOOP", "CHECK", "EXPUNGE", "FETCH {n} (UID FLAGS)", "UID FETCH 1:* FLAGS", "STORE {n} +FLAGS (\\Deleted)",
        "STORE {n} FLAGS (\\Seen $Odd)", "STORE {n} -FLAGS.SILENT (\\Seen)", "SEARCH ALL", "APPEND INBOX {{1+}}\r\nx",
        "UID STORE 1:* +FLAGS (\\Flagged)", "COPY {n} INBOX", "MOVE {n} INBOX", "UID EXPUNGE 1:*", "UNSELECT+",
        "REPLACE {n} INBOX (\\Draft) {{1+}}\r\ny",
    ]),
    st.integers(0, 9),
), max_size=25)


async def live(world: World, steps: list[tuple[int, str, int]]) -> None:
    clients = [Believer(await world.login()) for _ in range(3)]
    await clients[0].say("APPEND INBOX {1+}\r\na (\\Seen) {1+}\r\nb {1+}\r\nc")
    for client in clients:
        await client.say("SELECT INBOX")
    for who, command, number in steps:
        client = clients[who]
        if command == "UNSELECT+":
            await client.say("UNSELECT")
            client.messages = []
            command = "SELECT INBOX"
        if "{n}" in command and not client.messages:
            continue
        if client.messages:
            number = number % len(client.messages) + 1
        status = await client.say(command.format(n=number))
        if ".SILENT" in command:
            client.messages[number - 1].pop("flags", None)                  # it knows what it asked for, and is told no more
        assert status.startswith(("OK", "NO [EXPUNGEISSUED]", "NO [NONEXISTENT]")), (command, status)
    truth = await picture(Believer(await world.login()))
    for client in clients:
        await client.say("NOOP")
        told = [message.get("flags") for message in client.messages]
        assert await picture(client) == truth
        for before, (_, now) in zip(told, truth, strict=True):
            assert before in (None, now)                                    # what it had been told was true


async def picture(client: Believer) -> list[tuple[str, str]]:
    """UID and flags of each message, as FETCH says and therefore as was believed."""
    if not client.messages:
        await client.say("SELECT INBOX")
    if client.messages:
        await client.say("FETCH 1:* (UID FLAGS)")
    return [(message["uid"], message["flags"]) for message in client.messages]


@pytest.mark.parametrize("store", [MemoryStore, BareStore])
@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_each_client_is_told_the_truth(store: type, steps: list[tuple[int, str, int]]) -> None:
    run(lambda world: live(world, steps), World(store()))
