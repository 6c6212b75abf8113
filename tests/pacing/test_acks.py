"""A client that writes its command in pieces, and whose system holds the next back until the last is acknowledged."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest
from support.imap_world import World, run
from support.smtpworld import SmtpWorld

from mailframe.pacing.acks import Acks
from mailframe.smtp.session import SmtpSession

pytestmark = pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="only Linux can be told to acknowledge at once")


def patient(end: socket.socket) -> bool:
    """Whether this end would rather wait for an answer with which to send its acknowledgement."""
    return not end.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK)


@pytest.fixture
def ours() -> Iterator[socket.socket]:
    """The server's end of a connection on which answers have followed questions for a while."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        server, _ = listener.accept()
        with server:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
            yield server


def test_what_has_no_answer_yet_is_acknowledged(ours: socket.socket) -> None:
    acks = Acks(SimpleNamespace(transport=SimpleNamespace(socket=ours)))     # as TLS wraps TCP
    acks.settle()
    assert patient(ours), "nothing came"
    acks.came()
    acks.answered()
    acks.settle()
    assert patient(ours), "the answer carried it"
    acks.came()
    acks.settle()
    assert not patient(ours)


def test_a_closed_connection_and_one_without_tcp_are_let_be(ours: socket.socket) -> None:
    near, far = socket.socketpair()
    with near, far:
        for transport in (SimpleNamespace(socket=ours), SimpleNamespace(socket=near), object()):
            acks = Acks(transport)
            ours.close()
            acks.came()
            acks.settle()


def test_imap_acknowledges_part_of_a_command_or_message(ours: socket.socket) -> None:
    async def visit(world: World) -> None:
        client = await world.login()
        client.protocol._acks = Acks(SimpleNamespace(socket=ours))
        client.send(b"a NOOP\r\n")
        assert patient(ours), "answered"
        client.send(b"b APPEND INBOX {3}\r\n")
        assert patient(ours), "the continuation request carried it"
        client.send(b"abc")
        assert not patient(ours)

    run(visit)


def test_smtp_acknowledges_part_of_a_message(ours: socket.socket) -> None:
    client = SmtpWorld().connect()
    cast(SmtpSession, client.protocol)._acks = Acks(SimpleNamespace(socket=ours))
    client.send(b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n")
    assert patient(ours), "answered"
    client.send(b"Subject: one\r\n\r\nHello\r\n")
    assert not patient(ours)
