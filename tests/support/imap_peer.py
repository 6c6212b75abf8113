"""One IMAP client among several: what it says, what it believes of its mailbox, and what is asked of every answer (I6)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from random import Random
from typing import Any

from .imap_mirror import Known, Mirror
from .imap_said import Answer, Said, pieces
from .imap_strict import Response
from .imap_truth import Box, Key, Truth, numbers
from .imap_world import Client

#: Commands by number: what no EXPUNGE may come before once they were sent (RFC 9051 section 5.5).
BY_NUMBER = re.compile(r"(?:FETCH|STORE|COPY|MOVE|REPLACE) |(?:UID )?SEARCH (?:RETURN \([^)]*\) )?(?:NOT )?[\d*]")
EXPUNGES = re.compile(r"EXPUNGE|(?:UID )?(?:EXPUNGE|MOVE|REPLACE) |RENAME INBOX ")
OPENS = re.compile(r"(?:SELECT|EXAMINE) ")
REFUSED = re.compile(
    rb"CANNOT|EXPUNGEISSUED|NONEXISTENT|TRYCREATE|ALREADYEXISTS|BADURL|MESSAGELIMIT|LIMIT|HASCHILDREN")


class Peer:
    """A client of its kind: what it ENABLEs, and how it wants to be notified ("", "selected", "selected-delayed")."""

    def __init__(self, number: int, truth: Truth, enables: Sequence[str], notify: str) -> None:
        self.number, self.truth, self.notify = number, truth, notify
        self.enables = [word for word in enables if truth.modseqs or word not in ("CONDSTORE", "QRESYNC")]
        self.mirror = Mirror()
        self.box: Box | None = None     # the one selected
        self.read_only = False
        self.saved: set[int] | None = set()         # "$", where it is known
        self.wanted: dict[bytes, Key] = {}          # what the mirror's contexts are of
        self._tags = 0
        self._queue: list[Said] = []

    @property
    def name(self) -> str:
        return str(self.number + 1)

    @property
    def idle(self) -> bool:
        return bool(self._queue) and self._queue[0].text == "IDLE"

    @property
    def whole(self) -> bool:
        """Whether it knows the UIDs of all its messages."""
        return all(known.uid for known in self.mirror.messages)

    # -- coming and going

    async def start(self) -> None:
        self.client: Client = self.truth.world.connect()
        self._seen = len(self.client.responses)
        self.client.overheard = lambda octets: self.truth.told.append((f"to {self.name}", octets))
        enabled = set(self.enables)
        self.mirror = Mirror(
            condstore=bool(enabled & {"CONDSTORE", "QRESYNC"}), qresync="QRESYNC" in enabled, uid_only="UIDONLY" in enabled)
        self.mirror.pushed = self.notify == "selected"
        self.leave()
        await self.say(f"LOGIN {self.truth.user(self)} secret")
        if self.enables:
            await self.say("ENABLE " + " ".join(self.enables))
        if self.notify:
            await self.say(f"NOTIFY SET ({self.notify} (MessageNew (UID FLAGS) MessageExpunge FlagChange)) "
                           "(personal (MessageNew MessageExpunge FlagChange))")

    def leave(self) -> None:
        """No mailbox is selected."""
        self.mirror.forget()
        self.box, self.saved = None, set()

    async def select(self, command: str) -> None:
        await self.say(command)
        if self.box is not None:
            await self.know_all()

    async def know_all(self) -> None:
        """Ask for all that a picture needs; where a limit gives only the last ones, again."""
        command = "UID FETCH 1:* (FLAGS)" if self.mirror.uid_only else "FETCH 1:* (UID FLAGS)"
        while self.mirror.messages and self.box is not None:
            said = Said(command)
            final = await self.say_all([said])
            lowest = Answer(self, said.told, final, None, None).lowest if final is not None else 0
            if lowest <= 1:
                return
            command = f"UID FETCH 1:{lowest - 1} (FLAGS)"

    async def resync(self, uids: bool) -> None:
        """As a client that was away and kept what it knew (RFC 7162 section 3.2.5)."""
        known, validity, modseq = self.mirror.messages, self.mirror.uidvalidity, self.mirror.highest_modseq
        name = await self.selected_name()
        if name is None or not modseq:
            return
        await self.say("UNSELECT")
        # Up to the first one that it has never fetched: what lies behind is new to it.
        kept = list(takewhile(lambda message: message.uid and message.flags is not None, known))
        told = ",".join(str(message.uid) for message in kept)
        self.read_only = False
        await self.say_all(
            [Said(f"SELECT {name} (QRESYNC ({validity} {modseq}{' ' + told if told and uids else ''}))")], kept=(validity, kept))
        if self.truth.alone and self.box is not None:
            self.truth.agrees(self, await self.truth.state(self.box), expunges=True)

    def follows(self, tag: bytes, keys: Key) -> None:
        """A context begins with the ESEARCH of this tag."""
        self.wanted[tag] = keys

    async def selected_name(self) -> str | None:
        """What it calls the mailbox now."""
        for name, number in (await self.truth.names()).items():
            if self.box is not None and number == self.box.mailbox.id:
                return self.truth.spelled(self, name)
        return None

    # -- speaking

    async def say(self, text: str, **more: Any) -> Response | None:
        return await self.say_all([Said(text, **more)])

    async def say_all(
        self, commands: list[Said], cuts: Random | None = None, kept: tuple[int, list[Known]] | None = None,
    ) -> Response | None:
        """Send these in one write, or in pieces, and take in all answers; the last one's, None if the connection was lost.

        The pieces begin within the last command: who sends a command by number ahead must send it before the answer comes."""
        await self.absorb()
        octets, start = b"", 0
        for said in commands:
            self._tags += 1
            said.tag, said.within = b"t%d" % self._tags, self.box is not None
            start = len(octets) + len(said.tag)
            octets += said.tag + b" " + said.text.encode() + said.literal + b"\r\n"
        if self.truth.alone and self.box is not None:
            commands[0].before = await self.truth.state(self.box)
        self._queue += commands
        self._begin()
        self.truth.told.append((f"from {self.name}", octets))
        for piece in pieces(octets, start, cuts):
            self.client.send(piece)
            if cuts is not None:
                await self.client.turn(coming=False)
        return await self._answers(commands, kept)

    async def listen(self) -> None:
        """IDLE, until `done`."""
        await self.absorb()
        self._tags += 1
        self._queue.append(Said("IDLE", tag=b"t%d" % self._tags))
        self._begin()
        self.truth.told.append((f"from {self.name}", b"IDLE\r\n"))
        self.client.send(b"t%d IDLE\r\n" % self._tags)
        while not self.client.transcript.endswith(b"\r\n") or not any(
                response.tag == b"+" for response in self.client.responses[self._seen:]):
            if self.client.closed or self.truth.world.faults:
                break
            await self.client.turn(coming=True)
        await self.absorb()

    async def done(self) -> None:
        """End IDLE."""
        await self.absorb()
        if self.idle:
            self.truth.told.append((f"from {self.name}", b"DONE\r\n"))
            self.client.send(b"DONE\r\n")
            await self._answers(self._queue[:], None)

    async def _answers(self, commands: list[Said], kept: tuple[int, list[Known]] | None) -> Response | None:
        last = commands[-1]
        if kept is not None:            # then one answer, taken as a whole
            while not self.client.closed and not any(each.tag == last.tag for each in self.client.responses[self._seen:]):
                await self.client.turn(coming=True)
        await self.absorb(kept)
        while self._queue:
            await self.client.turn(coming=True)
            await self.absorb(kept)
        return last.told[-1] if last.told and last.told[-1].tag == last.tag else None

    def _begin(self) -> None:
        """The first in the queue, if any, runs now."""
        said = self._queue[0] if self._queue else None
        self.mirror.begin(said.text if said else "")
        if said is not None:
            said.box = self.box
        if said is not None and OPENS.match(said.text):
            if not (self.notify or self.mirror.qresync or "IMAP4rev2" in self.enables):
                self.leave()        # others are told CLOSED: what comes before is of the old mailbox (RFC 7162 section 3.2.11)
            self.read_only = said.text.startswith("EXAMINE")
        if said is not None and said.begins is not None:
            said.begins()

    # -- listening

    async def absorb(self, kept: tuple[int, list[Known]] | None = None) -> None:
        """Believe what came."""
        faults = self.truth.world.faults
        if faults:
            raise faults[0]
        responses, self._seen = self.client.responses[self._seen:], len(self.client.responses)
        if kept is not None and responses:
            responses = self._remembering(responses, *kept)
        for response in responses:
            await self._believe(response)
        if self.client.closed:
            await self._lost()

    def _remembering(self, responses: list[Response], validity: int, known: list[Known]) -> list[Response]:
        """A client that comes back applies VANISHED (EARLIER) to what it kept, before EXISTS tells it how much it does not know."""
        if any(each.code == b"UIDVALIDITY" and each.code_value == validity for each in responses):
            self.mirror.messages = known
        return sorted(responses, key=lambda response: not (response.kind == b"VANISHED" and response.value[0]))

    async def _believe(self, response: Response) -> None:
        said = self._queue[0] if self._queue else None
        if response.kind in (b"EXPUNGE", b"VANISHED") and not (response.kind == b"VANISHED" and response.value[0]):
            later = [each.text for each in self._queue[1:] if BY_NUMBER.match(each.text)]
            assert not later or EXPUNGES.match(self._queue[0].text), f"{response} told to a client that has sent {later}"
        if response.kind == b"BYE" or response.code == b"CLOSED":
            self.leave()
        if response.kind == b"ESEARCH" and b"UPDATES" not in response.value and response.value.get(b"TAG") in self.wanted:
            self.mirror.contexts[response.value[b"TAG"]] = set(numbers(response.value.get(b"ALL", b"")))
        self.mirror.told(response)
        if said is not None:
            said.told.append(response)
        if response.code == b"COPYUID" and said is not None:
            await self.truth.same(said.box, *response.code_value)
        if response.code == b"APPENDUID" and said is not None:
            await self.truth.appended(said.appends, *response.code_value)
        if response.code == b"UIDVALIDITY":
            self.box = await self.truth.of_validity(response.code_value)
        if response.tag not in (b"*", b"+"):
            await self._ended(response)

    async def _ended(self, response: Response) -> None:
        """A command has been answered."""
        said = self._queue.pop(0)
        self.truth.answered += 1
        assert response.tag == said.tag, (response, said.tag)
        if response.kind == b"BAD":
            assert self.box is None and b"select" in response.value, (said.text, response)
        elif response.kind == b"NO":
            assert REFUSED.fullmatch(response.code), (said.text, response)
            if OPENS.match(said.text):
                self.leave()
        elif said.text in ("CLOSE", "UNSELECT"):
            self.leave()
        await self._check(said, response)
        self._begin()

    async def _check(self, said: Said, response: Response) -> None:
        truth = self.truth
        if truth.modseqs and self.box is not None:
            await truth.promise_kept(self)
        if not truth.alone or self._queue or said.text == "IDLE":
            return
        after = await truth.state(self.box)
        expunges = bool(re.match(r"NOOP|CHECK|EXPUNGE|(?:UID )?(?:MOVE|EXPUNGE|REPLACE) ", said.text)) and response.kind == b"OK"
        if self.box is not None:
            assert after is not None, f"{said.text!r} told nothing of the mailbox being gone"
            truth.agrees(self, after, expunges=expunges)
            if said.text in ("NOOP", "CHECK"):
                truth.contexts_agree(self, after)
        if response.kind != b"OK" or (said.before is None and said.within):     # others were before it, or the mailbox was gone
            return
        answer = Answer(self, said.told, response, said.before, after)
        if said.expect is not None and said.before is not None:
            said.expect(answer)
        if said.check is not None:
            await said.check(answer)

    async def _lost(self) -> None:
        """Only a deleted mailbox ends the session of one that does not know IMAP4rev2's CLOSED; who is sent away comes back."""
        byes = [each for each in self.client.responses if each.kind == b"BYE"]
        assert [each.code for each in byes] == [b"NONEXISTENT"], byes
        assert "IMAP4rev2" not in self.enables
        self._queue = []
        await self.start()
