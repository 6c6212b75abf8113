"""LOGIN takes a name and a password in every form that the grammar has (RFC 3501 section 6.2.3, RFC 9755 section 5)."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.imap_world import World, run
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import Portal

from mailframe.auth.realm import MailRealm

USERS = {"alice": "secret", "quote": '\\pass "word\\\\', "jörg": "grüß 日本", "brace": "{5}x", "odd": "a]b%c*"}


def world() -> World:
    made = World()
    users = {user.encode(): password.encode() for user, password in USERS.items()}
    checker = InMemoryUsernamePasswordDatabaseDontUse()
    checker.users.update(users)
    made.factory.portal = Portal(MailRealm(made.store), [checker])
    return made


def quoted(text: str) -> bytes:
    return b'"' + text.encode().replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def synchronizing(text: str) -> bytes:
    return b"{%d}\r\n%b" % (len(text.encode()), text.encode())


def pushed(text: str) -> bytes:
    return b"{%d+}\r\n%b" % (len(text.encode()), text.encode())


FORMS = (quoted, synchronizing, pushed)


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("other", FORMS)
def test_every_form_of_a_string(user: str, form: object, other: object) -> None:
    assert callable(form) and callable(other)

    async def talk(world: World) -> None:
        client = world.connect()
        client.pending()
        answers = await client.command(b"a LOGIN " + form(user) + b" " + other(USERS[user]))
        waits = (form, other).count(synchronizing)
        assert [line for line in answers if line.startswith("+ ")] == answers[:-1] and len(answers) == 1 + waits
        assert answers[-1].startswith("a OK [CAPABILITY ")

    run(talk, world())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), max_size=8))
def test_wherever_the_network_cuts(cuts: list[int]) -> None:
    """I4; the client waits for each continuation only because it must."""

    async def talk(world: World) -> None:
        client = world.connect()
        client.pending()
        left = b"a LOGIN {5}\r\nalice {6+}\r\nsecret\r\n"
        for cut in cuts:
            client.send(left[:cut])
            left = left[cut:]
        client.send(left)
        assert client.pending()[-1].startswith("a OK")

    run(talk, world())


def test_a_client_that_waits_is_told_to_go_on() -> None:
    async def talk(world: World) -> None:
        client = world.connect()
        client.pending()
        client.send(b"a LOGIN {5}\r\n")
        assert client.pending()[0].startswith("+ ")
        client.send(b"alice {6}\r\n")
        assert client.pending()[0].startswith("+ ")
        client.send(b"secret\r\n")
        assert client.pending()[-1].startswith("a OK")

    run(talk, world())


@pytest.mark.parametrize("user", USERS)
def test_authenticate_takes_any_utf8(user: str) -> None:
    async def talk(world: World) -> None:
        proof = base64.b64encode(b"\0".join((b"", user.encode(), USERS[user].encode())))
        assert (await world.connect().command(b"a AUTHENTICATE PLAIN " + proof))[-1].startswith("a OK")

    run(talk, world())


@pytest.mark.parametrize("says", [
    b'LOGIN "alice" "secret', b"LOGIN alice", b"LOGIN alice secret more", b'LOGIN "al\\ice" secret', b'LOGIN alice"x" secret',
    b"LOGIN {5+}\r\nalice{6+}\r\nsecret", b"LOGIN (alice) secret", b"LOGIN alice {6+}\r\nsec\0et", b"LOGIN {5+}\r\nalice  secret",
])
def test_what_is_no_login(says: bytes) -> None:
    async def talk(world: World) -> None:
        client = world.connect()
        client.pending()
        assert (await client.command(b"a " + says))[-1].startswith("a BAD")
        assert (await client.command(b"b LOGIN alice secret"))[-1].startswith("b OK")       # it can still log in

    run(talk, world())


@pytest.mark.parametrize("name", [b'"\xff"', b'"Entw\xfcrfe"', b'"\xed\xa0\x80"', b"\xc3"])
def test_what_is_not_utf8_is_refused_by_who_was_promised_utf8(name: bytes) -> None:
    """RFC 9755 section 3: BAD, whatever the argument is for."""

    async def talk(world: World) -> None:
        client = await world.login()
        await client.command("a ENABLE UTF8=ACCEPT")
        await client.command("b SELECT INBOX")
        for command in (b"STATUS " + name + b" (MESSAGES)", b"SEARCH SUBJECT " + name, b"SEARCH HEADER X " + name,
                        b"CREATE " + name, b"LIST " + name + b" %"):
            client.send(b"c " + command + b"\r\n")
            assert client.pending()[-1].startswith("c BAD"), command

    run(talk)
