"""Every refusal has the response code that says why (RFC 5530, RFC 9051 section 7.1, and the extensions' own)."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.imap_world import Client, World, run
from twisted.cred.portal import IRealm, Portal
from zope.interface import implementer

from mailframe.imap.settings import ImapSettings
from mailframe.model.mailbox import FRESH_ACCOUNT
from mailframe.model.refusal import TryAgainLater
from mailframe.stores.memory_mailbox import MemoryMailbox

AS_BOB = base64.b64encode(b"bob\0alice\0secret").decode()
BROKEN = "MIME-Version: 1.0\r\nContent-Transfer-Encoding: x-odd\r\n\r\nbody"
MANY = " ".join(f"word{number}" for number in range(70))


@dataclass(frozen=True)
class Case:
    """What alice's clients 1 and 2 say first; `says` is answered with `answer`."""

    answer: str
    says: str
    first: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)


MAIL = "1 APPEND INBOX {1+}\r\na {1+}\r\nb {1+}\r\nc"
OPEN = (MAIL, "1 SELECT INBOX")
GONE = (*OPEN, "2 SELECT INBOX", "1 STORE 2 +FLAGS (\\Deleted)", "1 EXPUNGE")
UIDS = ("1 ENABLE UIDONLY", *OPEN)
CASES = (
    # what is there, and what is not
    Case("NO [ALREADYEXISTS]", "CREATE Archive"),
    Case("NO [ALREADYEXISTS]", "CREATE inbox"),
    Case("NO [ALREADYEXISTS]", "RENAME Archive Trash"),
    Case("NO [ALREADYEXISTS]", "RENAME INBOX Trash"),
    Case("NO [NONEXISTENT]", "SELECT Nowhere"),
    Case("NO [NONEXISTENT]", "EXAMINE Nowhere"),
    Case("NO [NONEXISTENT]", "STATUS Nowhere (MESSAGES)"),
    Case("NO [NONEXISTENT]", "DELETE Nowhere"),
    Case("NO [NONEXISTENT]", "RENAME Nowhere Somewhere"),
    Case("NO [NONEXISTENT]", "SUBSCRIBE Nowhere"),
    Case("NO [TRYCREATE]", "APPEND Nowhere {1+}\r\na"),
    Case("NO [TRYCREATE]", "COPY 1 Nowhere", OPEN),
    Case("NO [TRYCREATE]", "UID MOVE 1 Nowhere", OPEN),
    Case("NO [HASCHILDREN]", "DELETE a", ("1 CREATE a/b", "1 DELETE a")),
    # what can never be
    Case("NO [CANNOT]", "DELETE INBOX"),
    Case("NO [CANNOT]", 'CREATE "a//b"'),
    Case("NO [CANNOT]", 'CREATE "a*"'),
    Case("NO [CANNOT]", 'CREATE ""'),
    Case("NO [CANNOT]", "RENAME Archive Archive/2026"),
    Case("NO [CANNOT]", "APPEND INBOX {0+}\r\n"),
    Case("NO [CANNOT]", "STORE 1 +FLAGS (\\Seen)", (MAIL, "1 EXAMINE INBOX")),
    Case("NO [CANNOT]", "EXPUNGE", (MAIL, "1 EXAMINE INBOX")),
    Case("NO [CANNOT]", "MOVE 1 Archive", (MAIL, "1 EXAMINE INBOX")),
    Case("NO [USEATTR]", "CREATE x (USE (\\Odd))"),
    Case("NO [UNKNOWN-CTE]", "FETCH 1 BINARY[1]", (f"1 APPEND INBOX {{{len(BROKEN)}+}}\r\n{BROKEN}", "1 SELECT INBOX")),
    Case("NO [BADCHARSET (US-ASCII UTF-8 ", "SEARCH CHARSET X-NONE ALL", OPEN),
    # limits
    Case("NO [LIMIT]", "CREATE " + "a/" * 20 + "b"),
    Case("NO [LIMIT]", "CREATE " + "a" * 1_001),
    Case("NO [LIMIT]", f"STORE 1 FLAGS ({MANY})", OPEN),
    Case("NO [LIMIT]", f"APPEND INBOX ({MANY}) {{1+}}\r\na"),
    Case("NO [LIMIT]", "UIDBATCHES 500", (*OPEN, "1 UIDBATCHES 500")),
    Case("NO [TOOFEW]", "UIDBATCHES 499", OPEN),
    Case("NO [TOOMANY]", "UIDBATCHES 500 1:201", OPEN),
    Case("NO [TOOBIG]", "APPEND INBOX {11+}\r\nhello world", (), {"max_message_octets": 10}),
    Case("NO [TOOBIG]", "APPEND INBOX {1+}\r\na {11+}\r\nhello world", (), {"max_message_octets": 10}),
    Case("NO [MESSAGELIMIT 2 2]", "COPY 1:3 Archive", ("1 APPEND INBOX {1+}\r\na", "1 APPEND INBOX {1+}\r\nb {1+}\r\nc",
                                                     "1 SELECT INBOX"), {"save_limit": 2}),
    Case("NO [MESSAGELIMIT 2]", MAIL[2:], (), {"save_limit": 2}),
    Case("NO [OVERQUOTA]", "COPY 1:2 Archive", ("quota 4", *OPEN)),
    Case("NO [OVERQUOTA]", "APPEND INBOX {1+}\r\nd {1+}\r\ne", ("quota 4", MAIL)),
    # other sessions
    Case("NO [EXPUNGEISSUED]", "FETCH 2 RFC822.SIZE", GONE),
    Case("OK [EXPUNGEISSUED]", "UID FETCH 2 RFC822.SIZE", GONE),
    Case("NO [EXPUNGEISSUED]", "STORE 2 +FLAGS (\\Seen)", GONE),
    Case("OK [EXPUNGEISSUED]", "UID STORE 2 +FLAGS (\\Seen)", GONE),
    Case("NO [EXPUNGEISSUED]", "COPY 2 Archive", GONE),
    Case("OK [EXPUNGEISSUED]", "SEARCH ALL", GONE),         # numbers that will change: a hint to ask
    Case("OK [EXPUNGEISSUED]", "FETCH 1 FLAGS", GONE),
    Case("OK UID SEARCH completed", "UID SEARCH ALL", GONE),    # it tells EXPUNGE itself
    Case("OK [MODIFIED 1]", "STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)", OPEN),
    # the client's faults
    Case("BAD [CLIENTBUG]", "UIDBATCHES 500 2:1", OPEN),
    Case("BAD [UIDREQUIRED]", "FETCH 1 FLAGS", UIDS),
    Case("BAD [UIDREQUIRED]", "UID SEARCH 1:3", UIDS),
    # what is told with success
    Case("OK [READ-WRITE]", "SELECT INBOX"),
    Case("OK [READ-ONLY]", "EXAMINE INBOX"),
    Case("OK [APPENDUID ", MAIL[2:]),
    Case("OK [COPYUID ", "COPY 1 Archive", OPEN),
    Case("OK [HIGHESTMODSEQ ", "EXPUNGE", ("1 ENABLE QRESYNC", *OPEN)),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.answer} {case.says[:30]}")
def test_what_a_command_is_answered(case: Case) -> None:
    async def talk(world: World) -> None:
        clients = {"1": await world.login(), "2": await world.login()}
        for number, line in enumerate(case.first):
            who, _, command = line.partition(" ")
            if who == "quota":
                await limit(world, int(command))
                continue
            answer = await clients[who].command(f"a{number} {command}")
            assert answer[-1].startswith(f"a{number} OK"), answer
        asking = clients["2" if any(line.startswith("2") for line in case.first) else "1"]
        answer = await asking.command(f"z {case.says}")
        assert answer[-1].startswith(f"z {case.answer}"), answer

    run(talk, World(settings=ImapSettings(**case.settings)))


async def limit(world: World, messages: int) -> None:
    account: Any = await world.store.open_account("alice", FRESH_ACCOUNT)
    await account.set_quota(None, messages)


@pytest.mark.parametrize(("says", "answer"), [
    ("LOGIN alice wrong", "NO [AUTHENTICATIONFAILED]"),
    ("LOGIN nobody secret", "NO [AUTHENTICATIONFAILED]"),
    (f"AUTHENTICATE PLAIN {AS_BOB}", "NO [AUTHORIZATIONFAILED]"),
    ("AUTHENTICATE NOPE", "NO [CANNOT]"),
    ("LOGIN alice secret", "OK [CAPABILITY "),
])
def test_what_a_login_is_answered(says: str, answer: str) -> None:
    async def talk(world: World) -> None:
        client = world.connect()
        client.pending()
        client.send(f"z {says}\r\n")
        world.clock.advance(2)
        assert client.pending()[-1].startswith(f"z {answer}")

    run(talk)


def test_what_a_login_in_the_clear_is_answered() -> None:
    async def talk(world: World) -> None:
        client = world.connect("192.0.2.1")
        assert "LOGINDISABLED" in client.pending()[0]
        assert (await client.command("z LOGIN alice secret"))[-1].startswith("z NO [PRIVACYREQUIRED]")

    run(talk)


@implementer(IRealm)
class Nothing:
    """No realm at all."""

    def requestAvatar(self, avatarId: object, mind: object, *interfaces: object) -> Any:
        raise TryAgainLater


def test_a_subsystem_that_is_down() -> None:
    async def talk(world: World) -> None:
        world.factory.portal = Portal(Nothing(), world.factory.portal.checkers.values())
        client = world.connect()
        client.pending()
        client.send("z LOGIN alice secret\r\n")
        world.clock.advance(2)
        assert client.pending()[-1].startswith("z NO [UNAVAILABLE]")

    run(talk)


async def _reader(world: World, octets: int) -> Client:
    client = await world.login()
    client.send(b"a APPEND INBOX {%d+}\r\n%b\r\nb SELECT INBOX\r\n" % (octets + 2, b"\r\n" + b"x" * octets))
    await client.until(rb"b OK")
    return client


def test_a_message_that_lost_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk(world: World) -> None:
        client = await _reader(world, 1_000_000)
        read = MemoryMailbox.read

        async def short(self: MemoryMailbox, uid: int, offset: int, size: int) -> bytes:
            return b"" if offset else await read(self, uid, offset, size)

        monkeypatch.setattr(MemoryMailbox, "read", short)
        assert (await client.command("z FETCH 1 BODY[]<500000.300000>"))[-1].startswith("z NO [CORRUPTION]")

    run(talk)


def test_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk(world: World) -> None:
        client = await _reader(world, 10)
        monkeypatch.setattr(MemoryMailbox, "read", None)
        assert (await client.command("z FETCH 1 BODY[]"))[-1].startswith("z NO [SERVERBUG]")

    run(talk)
