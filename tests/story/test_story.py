"""The story that mailframe must tell without a flaw, over real sockets: three servers, a DNS server, mail from alice to bob.

alice@one.example submits to server one; one finds two.example's MX, a relay host, and hands over; the relay host hands over
to server two; two knows bob as its own and keeps the message until he collects it.
"""

from __future__ import annotations

import imaplib
import json
import poplib
import smtplib
from collections.abc import Iterator
from contextlib import ExitStack
from email import message_from_bytes
from email.message import Message
from email.utils import make_msgid
from pathlib import Path

import pytest
from support.servers import PATIENCE_S, MailServer, common_port, listeners, until
from support.stories import names

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

ONE, HOP, TWO = "127.0.0.11", "127.0.0.12", "127.0.0.13"
PASSWORD = "correct horse"
HASH = hash_password(PASSWORD)

CONFIG = """
hostname = "{hostname}"
data = "data"
domains = {domains}
""" + listeners("smtp", "submission", "imap", "pop3", host="{ip}", smtp_port="{port}") + """
[queue]
first_delay_s = {retry_s}
[relay]
port = {port}
nameservers = ["127.0.0.1:{dns}"]
{more}
"""


class World:
    """Three servers' folders and settings; servers are started and killed as a test wants."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.port = common_port(ONE, HOP, TWO)
        records = {
            "one.example": {"MX": ["10 mail.one.example."]}, "mail.one.example": {"A": [ONE]},
            "two.example": {"MX": ["10 hop.two.example."]}, "hop.two.example": {"A": [HOP]}, "mail.two.example": {"A": [TWO]},
        }
        self.dns = names(stack, folder, records)
        self.prepare("one", ONE, "mail.one.example", "one.example", ("alice", "neighbour"))
        self.prepare("hop", HOP, "hop.two.example", "hop.example", ("hopmaster",),
                     f'[relay.routes."two.example"]\nhost = "{TWO}"\nport = {self.port}\ntls = "opportunistic"\n'
                     '[pipeline.route]\nrelay_domains = ["two.example"]')
        self.prepare("two", TWO, "mail.two.example", "two.example", ("bob", "carol"))

    def prepare(self, name: str, ip: str, hostname: str, domain: str, users: tuple[str, ...], more: str = "") -> None:
        folder = self.folder / name
        (folder / "data").mkdir(parents=True, mode=0o700)
        (folder / "mailframe.toml").write_text(CONFIG.format(
            hostname=hostname, domains=json.dumps(domain), ip=ip, port=self.port, dns=self.dns, retry_s=0.3, more=more))
        for user in users:
            add(folder / "data" / "accounts", f"{user}@{domain}", HASH)

    def start(self, name: str) -> MailServer:
        server = MailServer(self.folder / name, "--config", "mailframe.toml")
        self.stack.callback(server.stop)
        return server


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(tmp_path, stack)


def submit(server: MailServer, to: list[str], subject: str, sender: str = "alice@one.example") -> str:
    """Hand a message in as a mail program does; returns its Message-ID."""
    message_id = make_msgid(domain="one.example")
    text = f"From: {sender}\r\nTo: {', '.join(to)}\r\nSubject: {subject}\r\nMessage-ID: {message_id}\r\n\r\nHello.\r\n.dot\r\n"
    with smtplib.SMTP(ONE, server.ports["submission"], timeout=PATIENCE_S) as client:
        client.login(sender, PASSWORD)
        client.sendmail(sender, to, text)
    return message_id


def collect(ip: str, port: int, user: str) -> list[Message]:
    """Download and delete over POP3."""
    client = poplib.POP3(ip, port, timeout=PATIENCE_S)
    client.user(user)
    client.pass_(PASSWORD)
    messages = []
    for number in range(1, client.stat()[0] + 1):
        messages.append(message_from_bytes(b"\r\n".join(client.retr(number)[1])))
        client.dele(number)
    client.quit()
    return messages


class Reader:
    """IMAP, waiting with IDLE's elder brother NOOP."""

    def __init__(self, ip: str, port: int, user: str) -> None:
        self.client = imaplib.IMAP4(ip, port, timeout=PATIENCE_S)
        self.client.login(user, PASSWORD)
        self.client.select("INBOX")

    def count(self) -> int:
        self.client.noop()
        return int(self.client.select("INBOX")[1][0] or b"0")

    def all(self) -> list[Message]:
        self.count()
        return [message_from_bytes(part[1]) for part in self.client.fetch("1:*", "(BODY.PEEK[])")[1] if isinstance(part, tuple)]

    def close(self) -> None:
        self.client.logout()


def test_from_alice_to_bob_and_carol_over_a_relay_host(world: World) -> None:
    one, hop, two = world.start("one"), world.start("hop"), world.start("two")
    message_id = submit(one, ["bob@two.example", "carol@two.example"], "To both")
    carol = Reader(TWO, two.ports["imap"], "carol@two.example")
    until(carol.count, "mail for carol")
    bobs: list[Message] = []
    until(lambda: bobs or bobs.extend(collect(TWO, two.ports["pop3"], "bob@two.example")) or bobs, "mail for bob")
    assert [m["Message-ID"] for m in bobs] == [message_id]
    assert bobs[0]["Return-Path"] == "<alice@one.example>"
    received = bobs[0].get_all("Received")
    assert received is not None and len(received) == 3
    for line, host in zip(received, ("mail.two.example", "hop.two.example", "mail.one.example"), strict=True):
        assert f"by {host}" in line
    assert bobs[0].get_payload() == "Hello.\r\n.dot"
    assert collect(TWO, two.ports["pop3"], "bob@two.example") == [], "collected and deleted"
    assert [m["Message-ID"] for m in carol.all()] == [message_id]
    assert carol.count() == 1, "read over IMAP it stays"
    carol.close()
    number = one.wait_for(r"accepted id=(\w+) ")[1]         # one id from MAIL to the next hop's answer, which names its own
    for server, following in ((one, hop), (hop, two)):
        number = server.wait_for(rf"{number} handed to .*queued as (\w+)")[1]
        following.wait_for(rf"accepted id={number} ")
    assert not [line for line in (one.output + hop.output + two.output).splitlines() if "Traceback" in line]


def test_to_a_neighbour_never_leaves_server_one(world: World) -> None:
    one = world.start("one")
    message_id = submit(one, ["neighbour@one.example"], "Over the fence")
    reader = Reader(ONE, one.ports["imap"], "neighbour@one.example")
    until(reader.count, "mail for the reader")
    messages = reader.all()
    assert [m["Message-ID"] for m in messages] == [message_id]
    assert len(messages[0].get_all("Received") or []) == 1
    reader.close()


def test_to_nobody_comes_back_as_a_bounce(world: World) -> None:
    one, hop, two = world.start("one"), world.start("hop"), world.start("two")
    submit(one, ["nobody@two.example"], "Anybody there?")
    reader = Reader(ONE, one.ports["imap"], "alice@one.example")
    until(reader.count, "mail for the reader")
    bounce = reader.all()[0]
    assert bounce.get_content_type() == "multipart/report"
    assert bounce["Return-Path"] == "<>"
    _, status, _ = bounce.get_payload()
    fields = status.get_payload()[1]  # type: ignore[union-attr,index]
    assert fields["Final-Recipient"] == "rfc822; nobody@two.example"  # type: ignore[index]
    assert fields["Action"] == "failed" and fields["Status"] == "5.1.1"  # type: ignore[index]
    assert "No such user" in str(fields["Diagnostic-Code"])  # type: ignore[index]
    reader.close()
    assert hop.process.poll() is None and two.process.poll() is None


def test_kill_after_250_and_before_the_hand_over_loses_nothing(world: World) -> None:
    """I1"""
    one, two = world.start("one"), world.start("two")
    ids = [submit(one, ["bob@two.example"], f"Number {number}") for number in range(5)]
    one.kill()      # the relay host is not up yet: all five wait in the queue
    world.start("hop")
    world.start("one")
    bobs: list[Message] = []
    until(lambda: bobs.extend(collect(TWO, two.ports["pop3"], "bob@two.example")) or len(bobs) >= 5, "five messages for bob")
    assert sorted(str(m["Message-ID"]) for m in bobs) == sorted(ids)
