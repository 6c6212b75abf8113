"""Random grants, revocations and commands against a plain model of rights: nobody ever sees or changes what his rights do not
allow, whatever he tries and whatever he has open (RFC 4314 section 4)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bare_store import BareStore
from support.imap_world import NOW, Client, World, run
from support.sharing import shared_over_sqlite, sharing
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from mailframe.model.flags import DELETED, FLAGGED, SEEN
from mailframe.model.mailbox import FRESH_ACCOUNT, MAX_UID, Field, New

BOXES = ("Xred", "Xred/Xgreen", "Xred/Xgreen/Xblue", "Xgrey")
LETTERS = "lrswikxtea"
WHO = ("bob", "bob", "bob", "bob", "bob", "-bob", "anyone", "anyone", "-anyone", "authenticated", "carol")
COMMANDS = (
    "SELECT {b}", "SELECT {b}", "SELECT {b}", "EXAMINE {b}", "NOOP", "NOOP", "CLOSE", "UNSELECT", "IDLE",
    "FETCH 1:* (UID FLAGS)", "FETCH 1:* (FLAGS BODY[])", "UID FETCH 1:* (BODY.PEEK[TEXT] ENVELOPE)", "SEARCH TEXT token",
    "STORE 1 +FLAGS (\\Seen)", "STORE 1:* +FLAGS (\\Deleted)", "STORE 1:2 -FLAGS.SILENT (\\Deleted \\Flagged)",
    "UID STORE 1:* FLAGS (\\Flagged $Odd)", "STORE 1 FLAGS ()", "STORE 1:* +FLAGS ($Word{n})",
    "EXPUNGE", "UID EXPUNGE 1:*", "COPY 1 {b}", "UID COPY 1:* {b}", "MOVE 1 {b}", "UID MOVE 1:* {b}", "COPY 1:* INBOX",
    "MOVE 1 INBOX", "REPLACE 1 {b} (\\Seen) {{5+}}\r\nguest",
    "APPEND {b} (\\Seen \\Deleted $App{n}) {{5+}}\r\nguest", "APPEND {b} {{5+}}\r\nguest",
    "STATUS {b} (MESSAGES UNSEEN UIDNEXT)", 'LIST "" "*"', 'LIST "" "*" RETURN (STATUS (MESSAGES) MYRIGHTS)', 'LSUB "" "*"',
    "SUBSCRIBE {b}", "CREATE {c}", "CREATE {c}/Deep", "DELETE {c}", "DELETE {b}", "RENAME {c} {b}New", "RENAME {b} {c}",
    "GETACL {b}", "MYRIGHTS {b}", "LISTRIGHTS {b} bob", "SETACL {b} bob +{l}", "SETACL {b} carol {l}", "DELETEACL {b} -bob",
    "GETQUOTAROOT {b}", "UNAUTHENTICATE",
)
SELECTED = ("FETCH", "UID", "SEARCH", "STORE", "EXPUNGE", "COPY", "MOVE", "REPLACE", "CLOSE", "UNSELECT")
OK_IFF = {"SELECT": "r", "EXAMINE": "r", "STATUS": "r", "APPEND": "i", "GETACL": "a", "LISTRIGHTS": "a", "SUBSCRIBE": "l",
          "GETQUOTAROOT": "r"}
TOKEN = re.compile(r"token-(\w+)-")


@dataclass
class Box:
    """One of alice's mailboxes as it is: messages by UID as (octets, flags)."""

    name: str
    acl: dict[str, str]
    words: tuple[str, ...]
    messages: dict[int, tuple[bytes, int]] = field(default_factory=dict)

    def rights(self) -> set[str]:
        """What bob may, said as simply as the RFC says it."""
        mine = ("bob", "anyone", "authenticated")
        granted = {letter for who in mine for letter in self.acl.get(who, "")}
        return granted - {letter for who in mine for letter in self.acl.get("-" + who, "")}


Truth = dict[str, Box]      # by mailbox id


class Story:
    """alice grants, bob tries; after each command the truth before is compared with the truth behind."""

    def __init__(self, world: World, store: Any) -> None:
        self.world, self.store = world, store
        self.bob: Client
        self.selected: str | None = None        # the id of alice's mailbox that bob has selected
        self.count = 0
        self.owners: dict[str, str] = {}        # of a token, the id of the mailbox where it is

    async def start(self) -> None:
        self.alice: Any = await self.store.open_account("alice", FRESH_ACCOUNT)
        owner = await self.world.login()
        for name in BOXES:
            await owner.command(f"c CREATE {name}")
            for _ in range(2):
                await self.deliver(name)
        self.owner = owner
        self.bob = await self.world.login("bob")

    async def deliver(self, name: str) -> None:
        info = await self.alice.find_mailbox(name)
        if info is not None:
            self.count += 1
            octets = b"Subject: token-%d-\r\n\r\ntoken-%d-\r\n" % (self.count, self.count)
            mailbox = await self.alice.open_mailbox(info.id)
            await mailbox.append([New(octets, flags=DELETED * (self.count % 2), date=NOW, size=len(octets))])

    async def truth(self) -> Truth:
        found: Truth = {}
        for info in (await self.alice.mailboxes()).mailboxes:
            if info.owner is None and info.name.startswith("X"):
                mailbox = await self.alice.open_mailbox(info.id)
                rows = await mailbox.rows([(1, MAX_UID)], 1_000, Field.FLAGS)
                found[info.id] = Box(info.name, dict(await self.alice.acl(info.id)), await mailbox.keywords(()), {
                    uid: (await mailbox.read(uid, 0, 1_000), flags) for uid, flags in zip(rows.uids, rows.flags)})
        return found

    async def step(self, kind: int, box: int, number: int) -> None:
        random = Random(number)
        name = BOXES[box % len(BOXES)]
        if kind % 7 == 0:
            who, sign = random.choice(WHO), random.choice(("", "+", "+", "-"))
            many = 0.2 if who.startswith("-") or sign == "-" else 0.6
            letters = "".join(letter for letter in LETTERS if random.random() < many)
            await self.owner.command(f'c SETACL {name} {who} "{sign}{letters}"')
        elif kind % 11 == 1:
            await self.deliver(name)
        else:
            pattern = COMMANDS[kind % len(COMMANDS)]
            if self.selected is None and pattern.startswith(SELECTED):
                await self.attempt("SELECT {b}", name, random)
            if self.selected is not None or not pattern.startswith(SELECTED):
                await self.attempt(pattern, BOXES[random.randrange(4)], random)

    async def attempt(self, pattern: str, name: str, random: Random) -> None:
        command = pattern.format(b=f'"Other Users/alice/{name}"', c=f'"Other Users/alice/{name}/Xnew"', n=random.randrange(3),
                                 l=random.choice(LETTERS)).replace('"New', 'New"').replace('"/Deep', '/Deep"')
        before = await self.truth()
        if command == "IDLE":
            self.bob.send(b"t IDLE\r\n")
            await self.bob.until(rb"(?:\+|t) [^\r\n]*\r\n")
            command = "DONE"
            self.bob.send(b"DONE\r\n")
            answers = await self.bob.until(rb"t [^\r\n]*\r\n")
        else:
            answers = await self.bob.command("t " + command)
        behind = await self.truth()
        self.nothing_leaked(command, answers, before)
        self.nothing_forbidden(command, before, behind)
        self.as_the_rights_say(command, name, answers, before)
        await self.remember(command, name, answers, before)

    # -- what is looked at

    def nothing_leaked(self, command: str, answers: list[str], before: Truth) -> None:
        """Octets of a message only where it may be read, or the guest put them himself; names only where they may be seen."""
        readable = {token for box in before.values() if "r" in box.rights() for octets, _ in box.messages.values()
                    for token in TOKEN.findall(octets.decode())}
        told = set(TOKEN.findall("\r\n".join(answers))) - self.taken()
        assert told <= readable, (command, answers, told)
        if self.selected in before and "r" not in before[self.selected].rights() and not command.startswith(("SELECT", "EXAMINE")):
            assert not [line for line in answers if re.match(r"\* \d+ (FETCH|EXISTS)|\* SEARCH \d", line)], (command, answers)
        if command.startswith("LIST"):
            seen = [box.name for box in before.values() if "l" in box.rights()]
            for line in answers:
                shown = re.search(r'"Other Users/alice/([^"]+)"$', line)
                if shown is not None and line.startswith("* LIST"):
                    assert any((name + "/").startswith(shown[1] + "/") for name in seen), (command, line)

    def taken(self) -> set[str]:
        """Tokens of messages that bob has copied, when he might."""
        return set(self.owners)

    def nothing_forbidden(self, command: str, before: Truth, behind: Truth) -> None:
        for number, box in before.items():
            after, rights = behind.get(number), box.rights()
            if after is None or after.name != box.name:
                assert "x" in rights, (command, box)
            if after is None:
                continue
            assert after.acl == box.acl or "a" in rights, (command, box, after)
            assert after.words == box.words or "w" in rights, (command, box, after)
            for uid, (_, flags) in box.messages.items():
                if uid not in after.messages:
                    assert {"e", "r"} <= rights and (flags & DELETED or "t" in rights), (command, box)
                else:
                    self.flags_by_right(command, flags ^ after.messages[uid][1], rights)
            for uid in after.messages.keys() - box.messages.keys():
                assert "i" in rights, (command, box, after)
                self.flags_by_right(command, after.messages[uid][1], rights)
        for number in behind.keys() - before.keys():
            parents = [box for box in before.values() if behind[number].name.startswith(box.name + "/")]
            nearest = max(parents, key=lambda box: len(box.name))
            assert "k" in nearest.rights() and behind[number].acl == nearest.acl, (command, behind[number])

    def flags_by_right(self, command: str, flags: int, rights: set[str]) -> None:
        assert not flags & SEEN or "s" in rights, command
        assert not flags & DELETED or "t" in rights, command
        assert not flags & ~(SEEN | DELETED) or "w" in rights, (command, FLAGGED)

    def as_the_rights_say(self, command: str, name: str, answers: list[str], before: Truth) -> None:
        """And what they allow is not refused."""
        word = command.split(" ")[0]
        box = next((box for box in before.values() if box.name == name), None)
        rights = set() if box is None else box.rights()
        last = answers[-1] if answers else ""
        if word in OK_IFF and last.startswith("t ") and not last.startswith("t BAD"):
            below = [each for each in before.values() if each.name.startswith(name + "/")]
            implied = word == "SUBSCRIBE" and any("l" in each.rights() for each in below)
            assert last.startswith("t OK") == (OK_IFF[word] in rights or implied), (command, rights, answers)
            if last.startswith("t NO"):
                assert last.startswith("t NO [NOPERM]") == ("l" in rights), (command, rights, answers)

    async def remember(self, command: str, name: str, answers: list[str], before: Truth) -> None:
        last = answers[-1] if answers else ""
        if self.bob.closed or command == "UNAUTHENTICATE":
            self.bob.hang_up()
            self.bob, self.selected = await self.world.login("bob"), None
        elif command.startswith(("SELECT", "EXAMINE")):
            self.selected = next(number for number, box in before.items() if box.name == name) if last.startswith("t OK") else None
        elif command.split(" ")[0] in ("CLOSE", "UNSELECT", "DELETE"):
            self.selected = None if command != "DELETE" else self.selected
        elif " INBOX" in command and self.selected in before and "r" in before[self.selected].rights():
            for octets, _ in before[self.selected].messages.values():
                self.owners.update(dict.fromkeys(TOKEN.findall(octets.decode()), ""))


Steps = list[tuple[int, int, int]]
STEPS = st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 3), st.integers(0, 1_000)), max_size=40)


async def live(world: World, steps: Steps) -> None:
    story = Story(world, world.store)
    await story.start()
    for step in steps:
        await story.step(*step)


def told(seed: int, length: int) -> Steps:
    random = Random(seed)
    return [(random.randrange(1_000), random.randrange(4), random.randrange(1_000)) for _ in range(length)]


@pytest.mark.parametrize("store", [None, BareStore])
@settings(max_examples=30, deadline=None)
@given(STEPS)
def test_nobody_does_what_he_may_not(store: Any, steps: Steps) -> None:
    run(lambda world: live(world, steps), World(sharing(store and store())))


def test_long_stories(request: pytest.FixtureRequest) -> None:
    for seed in range(1_500 if request.config.getoption("--long") else 10):
        try:
            run(lambda world, seed=seed: live(world, told(seed, 150)), World(sharing()))    # type: ignore[misc]
        except BaseException:
            print(f"seed {seed}")
            raise


class OverSqlite(TestCase):
    """The same over the durable store, with the grants on its engine."""

    timeout = 120

    async def test_stories(self) -> None:
        clock: Any = reactor
        for seed in range(3):
            async with shared_over_sqlite(clock) as (world, _):
                await live(world, told(seed, 100))
