"""Every command that names or changes a mailbox, with each right it needs missing: refused with the right code, and nothing
has changed. Once through the session, once at the mailbox itself, which asks although somebody may have forgotten to (I8)."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from typing import Any

import pytest
from support.imap_world import NOW, Client, World, run
from support.sharing import sharing
from zope.interface import providedBy

from mailframe.imap.extensions.objectid import mailbox_id
from mailframe.interfaces.sharing import IRestricted
from mailframe.interfaces.store import ICopyable, IMailbox, IMovable
from mailframe.model.flags import DELETED, FLAGGED, SEEN, FlagChange
from mailframe.model.mailbox import FRESH_ACCOUNT, MAX_UID, Attributes, Field, New
from mailframe.model.refusal import NoPermission, NoSuchMailbox, Refusal
from mailframe.model.rights import EVERY, RightsChange, flags_by, has
from mailframe.stores.shared.names import Place, id_of

TEAM = '"Other Users/alice/Team"'
MESSAGE = b"Subject: one\r\n\r\nbody\r\n"


@dataclass(frozen=True)
class Case:
    """A command of bob's that needs `needs` on alice's Team; `selected`: in it, whose "r" is then his anyway."""

    command: str
    needs: str
    selected: bool = False
    changes: bool = True            # whether with all rights something is other than before

    @property
    def id(self) -> str:
        return self.command.partition(" {")[0]


CASES = [
    Case(f"SELECT {TEAM}", "r", changes=False), Case(f"EXAMINE {TEAM}", "r", changes=False),
    Case(f"STATUS {TEAM} (MESSAGES)", "r", changes=False), Case(f"SUBSCRIBE {TEAM}", "l", changes=False),
    Case(f"GETQUOTAROOT {TEAM}", "r", changes=False),
    Case(f"GETACL {TEAM}", "a", changes=False), Case(f"LISTRIGHTS {TEAM} carol", "a", changes=False),
    Case(f"SETACL {TEAM} carol lr", "a"), Case(f"DELETEACL {TEAM} dave", "a"),
    Case(f"APPEND {TEAM} {{3+}}\r\nx\r\n", "i"),
    Case('CREATE "Other Users/alice/Team/Sub"', "k"), Case('CREATE "Other Users/alice/Team/Sub/Deep"', "k"),
    Case(f"DELETE {TEAM}", "x"), Case(f'RENAME {TEAM} "Other Users/alice/Base/Team"', "x"),
    Case(f"COPY 1 {TEAM}", "i"), Case(f"UID COPY 1 {TEAM}", "i"), Case(f"MOVE 1 {TEAM}", "i"), Case(f"UID MOVE 1 {TEAM}", "i"),
    Case("STORE 1 +FLAGS (\\Seen)", "s", True), Case("UID STORE 1 +FLAGS.SILENT (\\Seen)", "s", True),
    Case("STORE 1 +FLAGS (\\Flagged)", "w", True), Case("STORE 1 +FLAGS ($New)", "w", True),
    Case("STORE 1 +FLAGS (\\Deleted)", "t", True), Case("STORE 2 -FLAGS (\\Deleted)", "t", True),
    Case("EXPUNGE", "e", True), Case("UID EXPUNGE 2", "e", True),
    Case(f"REPLACE 1 {TEAM} {{3+}}\r\nx\r\n", "i"), Case("UID REPLACE 1 INBOX {3+}\r\nx\r\n", "te", True),
    Case(f"APPEND {TEAM} CATENATE (TEXT {{3+}}\r\nx\r\n)", "i"),
    Case("MOVE 1 INBOX", "te", True), Case("UID MOVE 1 INBOX", "te", True),
]


class Shared:
    """alice's Team with two messages, of which the second is \\Deleted; her Base, in which bob may do all; bob."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.bob: Client

    async def start(self) -> None:
        store = self.world.store
        self.alice = await store.open_account("alice", FRESH_ACCOUNT)
        for name in ("Team", "Base"):
            await (await self.world.login()).command(f"c CREATE {name}")
        self.team = await self.alice.find_mailbox("Team")
        self.base = await self.alice.find_mailbox("Base")
        await self.alice.set_acl(self.base.id, "bob", RightsChange("", EVERY))
        await self.alice.set_acl(self.team.id, "dave", RightsChange("", "l"))
        self.mailbox = await self.alice.open_mailbox(self.team.id)
        await self.mailbox.append([New(MESSAGE, flags=flags, date=NOW, size=len(MESSAGE)) for flags in (0, DELETED)])
        self.bob = await self.world.login("bob")
        await self.bob.command("c APPEND INBOX {3+}\r\nx\r\n")

    async def grant(self, rights: str) -> None:
        await self.alice.set_acl(self.team.id, "bob", RightsChange("", rights))

    async def do(self, case: Case) -> str:
        await self.bob.command("s SELECT " + (TEAM if case.selected else "INBOX"))
        return (await self.bob.command("t " + case.command))[-1]

    async def truth(self) -> object:
        """All that a command of bob's might have changed in alice's account."""
        infos = [info for info in (await self.alice.mailboxes()).mailboxes if info.id != self.base.id]
        lists = [(info.name, tuple((await self.alice.acl(info.id)).items())) for info in infos]
        try:
            rows, words = await self.mailbox.rows([(1, MAX_UID)], 100, Field.FLAGS), await self.mailbox.keywords(())
        except NoSuchMailbox:
            return lists
        return lists, list(rows.uids), list(rows.flags), words


def without(case: Case, missing: str) -> str:
    return "".join(letter for letter in EVERY if letter not in missing)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_each_right_that_a_command_needs(case: Case) -> None:
    async def conversation(world: World) -> None:
        shared = Shared(world)
        await shared.start()
        for missing in case.needs:
            await shared.grant(without(case, missing))
            before = await shared.truth()
            code = "NONEXISTENT" if missing == "l" else "NOPERM"
            assert (await shared.do(case)).startswith(f"t NO [{code}]"), (case, missing)
            assert await shared.truth() == before
        await shared.grant("l" * (case.needs != "l") + case.needs + "r" * case.selected)
        before = await shared.truth()
        assert (await shared.do(case)).startswith("t OK"), case
        assert (await shared.truth() != before) == case.changes

    run(conversation, World(sharing()))


@pytest.mark.parametrize("case", [case for case in CASES if not case.selected], ids=lambda case: case.id)
def test_what_nobody_may_see_is_as_if_it_were_not_there(case: Case) -> None:
    """Octet for octet the answer about a mailbox that does not exist, whichever useless rights there are (RFC 4314 section 6)."""
    async def conversation(world: World) -> None:
        shared = Shared(world)
        await shared.start()
        answers = set()
        for rights in ("", "p", without(case, case.needs + "l")):
            await shared.grant(rights)
            answers.add(await shared.do(case))
        answers.add(await shared.do(Case(case.command.replace("alice/Team", "alice/Nothing"), "")))
        answers.add(await shared.do(Case(case.command.replace("alice/Team", "nobody/Team"), "")))
        assert len(answers) == 1, answers
        assert answers.pop().startswith(("t NO [NONEXISTENT]", "t NO [TRYCREATE]", "t NO [NOPERM]"))

    run(conversation, World(sharing()))


def test_flags_without_their_right_are_left_out() -> None:
    async def conversation(world: World) -> None:
        shared = Shared(world)
        await shared.start()
        await shared.bob.command("c SELECT INBOX")
        await shared.bob.command("c STORE 1 FLAGS (\\Seen \\Deleted \\Flagged $Work)")
        uid = 2
        for rights in ("li", "lis", "lit", "liw", "lirst", "listw"):
            await shared.grant(rights)
            assert (await shared.bob.command(f"c COPY 1 {TEAM}"))[-1].startswith("c OK")
            assert (await shared.bob.command(f"c APPEND {TEAM} (\\Seen \\Deleted \\Flagged $Work) {{3+}}\r\nx\r\n"))[-1].startswith(
                "c OK [APPENDUID" if "r" in rights else "c OK APPEND")
            words = await shared.mailbox.keywords(())
            work = 1 << 8 + words.index("$Work") if "$Work" in words else 0
            rows = await shared.mailbox.rows([(uid + 1, uid + 2)], 9, Field.FLAGS)
            assert list(rows.flags) == [(SEEN | DELETED | FLAGGED | work) & flags_by(rights)] * 2, rights
            uid += 2

    run(conversation, World(sharing()))


# -- the guard itself

NEW = ("$New",)         # each time another one
SEVERAL = FlagChange.add(SEEN | DELETED | FLAGGED)
GUARD: list[tuple[str, Any, tuple[str, ...]]] = [      # what is called, with what, and any of these rights is enough
    ("status", (), ("r",)), ("keywords", ((),), ("r", "iw")), ("keywords", (NEW,), ("rw", "iw")),
    ("rows", ([(1, MAX_UID)], 10, Field.FLAGS), ("r",)), ("read", (1, 0, 10), ("r",)), ("changes", (0,), ("r",)),
    ("append", ([New(b"x", date=NOW, size=1)],), ("i",)),
    ("set_flags", ([1], FlagChange.add(SEEN), None), ("rs",)), ("set_flags", ([1], FlagChange.add(DELETED), None), ("rt",)),
    ("set_flags", ([1], FlagChange.add(FLAGGED), None), ("rw",)), ("set_flags", ([1], SEVERAL, None), ("rs", "rt", "rw")),
    ("set_flags", ([1], FlagChange.replace(0), None), ("rs", "rt", "rw")),
    ("expunge", (None, True), ("re",)), ("expunge", ([1], False), ("rte",)),
    ("copy", ([1], "TARGET"), ("r",)), ("move", ([1], "TARGET"), ("rte",)),
    ("remember", ([1], [Attributes(1, b"", b"", b"")]), ("r",)),
]


@pytest.mark.parametrize(("method", "arguments", "enough"), GUARD, ids=lambda value: value if isinstance(value, str) else "")
def test_the_mailbox_asks_for_itself(method: str, arguments: tuple[Any, ...], enough: tuple[str, ...]) -> None:
    """Over all 2^7 sets of the rights that count: exactly those that are enough let the call through."""
    async def conversation(world: World) -> None:
        shared = Shared(world)
        await shared.start()
        bob = await world.store.open_account("bob", FRESH_ACCOUNT)
        await shared.grant(EVERY)
        guarded = await bob.open_mailbox((await bob.find_mailbox("Other Users/alice/Team")).id)
        target = await bob.find_mailbox("Other Users/alice/Base")
        for number in range(1 << 7):
            rights = "".join(letter for place, letter in enumerate("rswitel") if number >> place & 1)
            await shared.grant(rights)
            before = await shared.truth()
            given = ((f"$New{number}",) if each == NEW else target.id if each == "TARGET" else each for each in arguments)
            try:
                await getattr(guarded, method)(*given)
                done = True
            except Refusal as refusal:
                done = False
                assert isinstance(refusal, NoPermission if {"l", "r"} & set(rights) else NoSuchMailbox)
                assert await shared.truth() == before
            assert done == any(has(rights, each) for each in enough), (rights, enough)

    run(conversation, World(sharing()))


def test_no_method_of_a_guarded_mailbox_goes_unasked() -> None:
    """Whatever a guarded mailbox has to offer is in the table above, or says nothing."""
    async def conversation(world: World) -> None:
        shared = Shared(world)
        await shared.start()
        await shared.grant(EVERY)
        bob = await world.store.open_account("bob", FRESH_ACCOUNT)
        guarded = await bob.open_mailbox((await bob.find_mailbox("Other Users/alice/Team")).id)
        offered = {name for interface in providedBy(guarded) for name in interface.names(all=True)}
        assert offered - {method for method, _, _ in GUARD} == {"id", "rights"}
        assert IMailbox.providedBy(guarded) and IRestricted.providedBy(guarded)
        assert ICopyable.providedBy(guarded) and IMovable.providedBy(guarded)

    run(conversation, World(sharing()))


def test_a_copy_does_not_leave_the_owners_account() -> None:
    """The store would take another account's id for one of its own."""
    async def conversation(world: World) -> None:
        shared = Shared(world)
        await shared.start()
        await shared.grant(EVERY)
        bob = await world.store.open_account("bob", FRESH_ACCOUNT)
        guarded = await bob.open_mailbox((await bob.find_mailbox("Other Users/alice/Team")).id)
        inbox = await bob.find_mailbox("INBOX")
        for target in (inbox.id, "\0bob\0" + inbox.id, "\0alice\0nothing", "nothing"):
            with pytest.raises(NoSuchMailbox):
                await guarded.copy(array("I", [1]), target)
            with pytest.raises(NoSuchMailbox):
                await guarded.move(array("I", [1]), target)

    run(conversation, World(sharing()))


def test_mailboxes_of_an_owner_with_the_longest_name_have_ids_of_their_own() -> None:
    """RFC 8474 section 4: two mailboxes never have the same."""
    told = [mailbox_id(id_of(Place("a" * 255, str(number)))) for number in range(3)]
    assert len(set(told)) == 3
    assert all(re.fullmatch(rb"MAILBOXID \([A-Za-z0-9_-]{1,255}\)", each) for each in told)
    assert mailbox_id("7") == b"MAILBOXID (F7)"
