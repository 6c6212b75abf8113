"""Bad input gets a right protocol answer, never "internal error", and the session lives on (I7, I8)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bare_store import BareStore
from support.imap_world import World, run
from support.inline_engine import InlineEngine

from mailframe.stores.memory import MemoryStore
from mailframe.stores.urlkeys import MailboxKeys

SETS = [b"1", b"2", b"1:*", b"*", b"$", b"4294967295:1", b"99", b"2,1", b"*:*"]
NAMES = [b"INBOX", b"inbox/x", b"Sent", b"&AOQ-", b"&", b'""', b"%", b"*%*", b'"a\\"b"', b"NIL", b"a/b", b"{3+}\r\nabc", b"x/"]
ITEMS = [
    b"FLAGS", b"(FLAGS UID)", b"BODY[]", b"BODY.PEEK[1.2.MIME]<0.5>", b"BODY[HEADER.FIELDS (A B)]", b"(ENVELOPE BODYSTRUCTURE)",
    b"FULL", b"BODY", b"RFC822.SIZE", b"(INTERNALDATE MODSEQ)", b"BODY[1]<3.4>", b"BODY[TEXT]", b"RFC822.HEADER", b"BODY[9]",
]
KEYS = [
    b"ALL", b"NOT", b"OR", b"UNSEEN", b"TEXT x", b"SINCE 1-Jan-2026", b"CHARSET UTF-8", b"RETURN (ALL)", b"RETURN (MIN SAVE)",
    b"UID 1", b"HEADER From a", b"MODSEQ 1", b"1:*", b"$", b"(NOT SEEN)", b"KEYWORD $kw", b"LARGER 3", b"BODY {1+}\r\nx", b"NEW",
]
MODIFIERS = [
    b"(CHANGEDSINCE 1)", b"(CHANGEDSINCE 1 VANISHED)", b"(UNCHANGEDSINCE 0)", b"(QRESYNC (1 1))", b"(CONDSTORE)",
    b"(QRESYNC (1760000001 1 1:9 (1 2)))", b"(USE (\\Sent))", b"(MESSAGES SIZE)", b"(SUBSCRIBED RECURSIVEMATCH)",
    b"RETURN (STATUS (UNSEEN) SUBSCRIBED)",
]
FLAGS = [b"FLAGS (\\Seen)", b"+FLAGS.SILENT (\\Deleted $kw)", b"-FLAGS \\Deleted", b"FLAGS ()", b"+FLAGS (\\Deleted)"]
ODD = [b"(", b")", b"{0+}\r\n", b"{5+}\r\n(((((", b"\xff\xfe", b"\0", b'"', b"]", b"<0>", b"7"]
WORDS = st.sampled_from([*SETS, *NAMES, *ITEMS, *KEYS, *MODIFIERS, *FLAGS, *ODD])
COMMANDS = st.sampled_from([
    b"FETCH", b"UID FETCH", b"STORE", b"UID STORE", b"SEARCH", b"UID SEARCH", b"COPY", b"UID MOVE", b"EXPUNGE", b"UID EXPUNGE",
    b"SELECT", b"EXAMINE", b"CREATE", b"DELETE", b"RENAME", b"SUBSCRIBE", b"LIST", b"LSUB", b"STATUS", b"APPEND", b"ENABLE", b"ID",
    b"CLOSE", b"NOOP", b"NAMESPACE", b"AUTHENTICATE", b"LOGIN", b"STARTTLS", b"UNSELECT", b"CAPABILITY",
    b"REPLACE", b"UID REPLACE", b"GENURLAUTH", b"URLFETCH", b"RESETKEY",
])
MADE = [
    b"{1+}\r\nx", b"(\\Seen $kw) {0+}\r\n", b"(\\Seen $kw) {1+}\r\nx", b"{1+}\r\nx {2+}\r\nyz", b"~{2+}\r\n\0x", b"{2+}\r\n\0x",
    b'CATENATE (URL "/INBOX/;UID=1/;SECTION=1" TEXT {1+}\r\nx)', b"CATENATE (TEXT {1+}\r\nx URL {8+}\r\n;UID=1/x)",
    b'CATENATE (TEXT {1+}\r\nx) CATENATE (URL ";UID=2")', b"CATENATE (TEXT", b"UTF8 (~{1+}\r\nx)",
    b"CATENATE (URL {9+}\r\n/INBOX/\xff\0)",
]
URLS = [
    b'"imap://alice@localhost/INBOX/;UID=1;URLAUTH=authuser"', b'"/INBOX/;UID=1"', b"INTERNAL", b'("x" BODY)',
    b'("x" BINARY BODYPARTSTRUCTURE)',
    b'"imap://alice@localhost/INBOX/;UID=1;URLAUTH=user+bob:internal:00112233445566778899aabbccddeeff"',
]


def said(*parts: list[bytes]) -> st.SearchStrategy[list[bytes]]:
    """One of each."""
    return st.tuples(*(st.sampled_from(part) for part in parts)).map(list)


LIKELY = st.one_of(
    said([b"FETCH", b"UID FETCH"], SETS, ITEMS), said([b"FETCH", b"UID FETCH"], SETS, ITEMS, MODIFIERS),
    said([b"STORE", b"UID STORE"], SETS, FLAGS), said([b"STORE", b"UID STORE"], SETS, MODIFIERS, FLAGS),
    said([b"SEARCH", b"UID SEARCH"], KEYS), said([b"SEARCH", b"UID SEARCH"], KEYS, KEYS, KEYS),
    said([b"COPY", b"UID COPY", b"MOVE", b"UID MOVE"], SETS, NAMES), said([b"RENAME", b"LIST", b"LSUB"], NAMES, NAMES),
    said([b"CREATE", b"DELETE", b"SUBSCRIBE", b"SELECT", b"EXAMINE"], NAMES),
    said([b"SELECT", b"EXAMINE", b"STATUS", b"CREATE"], NAMES, MODIFIERS), said([b"LIST"], MODIFIERS, NAMES, NAMES, MODIFIERS),
    said([b"EXPUNGE", b"CLOSE", b"UNSELECT", b"SELECT INBOX", b"NOOP"]), said([b"UID EXPUNGE"], SETS),
    said([b"APPEND"], NAMES, MADE), said([b"REPLACE", b"UID REPLACE"], SETS, NAMES, MADE),
    said([b"GENURLAUTH", b"URLFETCH", b"RESETKEY"], URLS), said([b"GENURLAUTH", b"URLFETCH"], URLS, URLS),
)
SAID = st.lists(LIKELY | st.tuples(COMMANDS, st.lists(WORDS, max_size=5)).map(lambda pair: [pair[0], *pair[1]]), max_size=14)
STATUS = re.compile(r"(f\d+|\*) (OK|NO|BAD) ")
MESSAGE = b"From: a@example.org\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhello\r\n--x--\r\n"


@pytest.mark.parametrize("store", [MemoryStore, BareStore])
@settings(max_examples=50, deadline=None)
@given(SAID)
def test_whatever_is_said_is_answered(store: type, commands: list[list[bytes]]) -> None:
    async def talk(world: World) -> None:
        client = await world.login()
        await client.command(b"a APPEND INBOX {%d+}\r\n%b {1+}\r\nx" % (len(MESSAGE), MESSAGE))
        await client.command("b ENABLE QRESYNC")
        await client.command("c SELECT INBOX")
        for number, words in enumerate(commands):
            client.send(b" ".join([b"f%d" % number, *words]) + b"\r\n")
            world.clock.pump([3] * 3)
            answers = client.pending()
            assert "Internal error" not in "\n".join(answers), (words, answers)
            assert any(STATUS.match(line) for line in answers), (words, answers)
        assert (await client.command("z NOOP"))[-1] == "z OK NOOP completed"

    made, engine = store(), InlineEngine()
    run(talk, World(made, keys=MailboxKeys(engine, made)))      # type: ignore[arg-type]
