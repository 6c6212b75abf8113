"""What a sender asked for, from MAIL and RCPT to the octets that other servers get, and back as reports read by IMAP."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from support import stories
from support.servers import PATIENCE_S, Child, MailServer, common_port, listeners, until
from support.smtptalk import Talk
from support.stories import helper, names

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

ONE, RICH, BARE = "127.0.0.61", "127.0.0.62", "127.0.0.63"
PASSWORD = "correct horse"
HASH = hash_password(PASSWORD)
ALICE = "alice@one.example"
TEXT = (b"From: alice@one.example\r\nDate: Fri, 1 Jan 2027 08:00:00 +0000\r\nMessage-ID: <m@one.example>\r\nSubject: promised\r\n"
        b"\r\n.dot\r\n..\r\nend\r\n")
KEYWORDS = ("PIPELINING", "SIZE 5000000", "8BITMIME", "SMTPUTF8", "DSN", "DELIVERBY 2", "MT-PRIORITY", "RRVS", "NO-SOLICITING")
CONFIG = """
hostname = "mail.one.example"
data = "data"
domains = ["one.example"]
""" + listeners("submission", "imap", host=ONE) + """
[queue]
first_delay_s = 0.3
factor = 1.0
jitter = 0.0
{queue}
[relay]
port = {port}
nameservers = ["127.0.0.1:{dns}"]
connect_timeout_s = 5.0
"""
BARE_MX, ASKED = "dns; mx.bare.example", "rfc822;all@one.example"
ALIASES = "all@one.example -> alice@one.example, bob@rich.example, carol@bare.example, nobody@bare.example\n"


class World:
    """Server one; rich.example, whose server offers all there is, and bare.example, whose server offers nothing."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.port = common_port(RICH, BARE)
        records = {
            "rich.example": {"MX": ["10 mx.rich.example."]}, "mx.rich.example": {"A": [RICH]},
            "bare.example": {"MX": ["10 mx.bare.example."]}, "mx.bare.example": {"A": [BARE]},
        }
        self.dns = names(stack, folder, records)
        (folder / "data").mkdir(mode=0o700)
        add(folder / "data" / "accounts", ALICE, HASH)
        with (folder / "data" / "accounts").open("a") as file:
            file.write(ALIASES)

    def start(self, queue: str = "") -> MailServer:
        (self.folder / "mailframe.toml").write_text(CONFIG.format(port=self.port, dns=self.dns, queue=queue))
        server = MailServer(self.folder, "--config", "mailframe.toml")
        self.stack.callback(server.stop)
        return server

    def capture(self, address: str, *keywords: str) -> Child:
        child = helper(self.stack, self.folder, "support.capturechild", address, str(self.port), *keywords)
        child.wait_for("capturing")
        return child


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(tmp_path, stack)


def taken(child: Child, count: int) -> list[dict[str, Any]]:
    """What the server got, once these are `count` messages."""
    until(lambda: sum(line.startswith("took ") for line in child.lines) >= count, f"{count} messages at the server")
    return [json.loads(line[5:]) for line in child.lines if line.startswith("took ")]


def submit(server: MailServer, *rcpts: str, mail: str = "", octets: bytes = TEXT) -> None:
    """`rcpts` as behind RCPT TO:, with parameters."""
    with Talk(ONE, server.ports["submission"]) as talk:
        assert talk.log_in(ALICE, PASSWORD).startswith("235")
        for line in (f"MAIL FROM:<{ALICE}>{mail}", *(f"RCPT TO:{rcpt}" for rcpt in rcpts)):
            assert talk.say(line).startswith("250")
        if "BINARYMIME" in mail:
            talk.send(b"BDAT %d LAST\r\n" % len(octets) + octets)
            assert talk.reply().startswith("250")
        else:
            assert talk.message(octets).startswith("250")


def inbox(server: MailServer, count: int) -> list[bytes]:
    """Alice's INBOX once it holds `count` messages, octet for octet."""
    return stories.inbox(ONE, server.ports["imap"], ALICE, PASSWORD, count)


def groups(report: bytes) -> tuple[Message, dict[str, Message]]:
    """A report's fields about the message, and those about each recipient by its address."""
    parsed = message_from_bytes(report)
    assert parsed.get_content_type() == "multipart/report" and parsed["Return-Path"] == "<>" and not parsed.defects
    about, *each = parsed.get_payload()[1].get_payload()      # type: ignore[union-attr, index]
    return about, {one["Final-Recipient"].partition("; ")[2]: one for one in each}


def facts(one: Message) -> tuple[str, ...]:
    return tuple(one[name] or "" for name in ("Action", "Status", "Remote-MTA", "Diagnostic-Code", "Original-Recipient"))


def test_all_at_once_arrives_as_it_was_asked(world: World) -> None:
    """RFC 3461 section 5.2.1, 2852, 4865, 6710, 7293: each parameter once, with the time that is left; HOLDFOR is over."""
    rich, one = world.capture(RICH, *KEYWORDS), world.start()
    begun = time.time()
    submit(
        one, "<bob@rich.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bo@rich.example RRVS=2020-01-01T00:00:00Z",
        "<nobody@rich.example> NOTIFY=SUCCESS", "<nobody2@rich.example> NOTIFY=FAILURE",
        mail=" BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb HOLDFOR=1 BY=100;NT MT-PRIORITY=3")
    about, each = groups(inbox(one, 1)[0])
    [message] = taken(rich, 1)
    assert time.time() >= begun + 1
    words = message["mail"].split()
    [left] = [int(match[1]) for word in words if (match := re.fullmatch(r"BY=(\d+);NT", word))]
    assert 100 - PATIENCE_S < left <= 99
    assert words[:2] == ["MAIL", f"FROM:<{ALICE}>"] and set(words[2:]) == {
        f"SIZE={len(message['data'])}", "BODY=8BITMIME", "SMTPUTF8", "RET=HDRS", "ENVID=a+2Bb", f"BY={left};NT", "MT-PRIORITY=3"}
    assert message["rcpts"] == [
        "RCPT TO:<bob@rich.example> NOTIFY=DELAY,SUCCESS ORCPT=rfc822;b+2Bo@rich.example RRVS=2020-01-01T00:00:00Z"]
    head, _, rest = message["data"].partition("From: ")
    assert head.count("Received: ") == 1 and "with UTF8SMTPA\r\n" in head and "\tPRIORITY 3;\r\n" in head and "for <" not in head
    assert ("From: " + rest).encode("latin-1") == TEXT
    assert (about["Original-Envelope-Id"], about["Deliver-By-Date"] is None, about["Future-Release-Request"] is None) == (
        "a+b", False, False)
    assert {address: facts(fields) for address, fields in each.items()} == {
        "bob@rich.example": ("relayed", "2.0.0", "dns; mx.rich.example", "smtp; 250 2.0.0 Ok taken", "rfc822;b+o@rich.example"),
        "nobody2@rich.example": ("failed", "5.1.1", "dns; mx.rich.example", "smtp; 550 5.1.1 Who is that?", ""),
    }


def test_an_alias_that_leads_to_three_domains(world: World) -> None:
    """RFC 3461 section 5.2.7.3: one report of the expansion; from there on only failures and delays are asked for."""
    rich, bare, one = world.capture(RICH, *KEYWORDS), world.capture(BARE), world.start()
    submit(one, "<all@one.example> NOTIFY=SUCCESS,FAILURE,DELAY", mail=" RET=FULL ENVID=E1 BY=90;N")
    copy, report = inbox(one, 2)
    assert copy.startswith(b"Return-Path: <alice@one.example>\r\nReceived: ") and copy.endswith(TEXT)
    [message] = taken(rich, 1)
    assert " RET=FULL ENVID=E1 BY=" in message["mail"]
    assert message["rcpts"] == ["RCPT TO:<bob@rich.example> NOTIFY=DELAY,FAILURE ORCPT=rfc822;all@one.example"]
    [message] = taken(bare, 1)
    assert (message["mail"], message["rcpts"]) == (f"MAIL FROM:<{ALICE}>", ["RCPT TO:<carol@bare.example>"])
    about, each = groups(report)
    assert about["Original-Envelope-Id"] == "E1"
    assert {address: facts(fields) for address, fields in each.items()} == {
        "all@one.example": ("expanded", "2.0.0", "", "", ""),
        "carol@bare.example": ("relayed", "2.1.9", BARE_MX, "smtp; 250 2.0.0 Ok taken", ASKED),     # nobody keeps the time
        "nobody@bare.example": ("failed", "5.1.1", BARE_MX, "smtp; 550 5.1.1 Who is that?", ASKED),
    }
    assert b"\r\n" + TEXT[:6] in report and TEXT + b"\r\n--" in report        # whole


def test_what_is_to_be_done_where_a_word_is_not_known_is_done(world: World) -> None:
    """RFC 7293 section 5.1.1: C goes on, R comes back; RFC 2852 section 4.1.4.1; RFC 6710 section 4.2; RFC 8689 section 4.2.2."""
    rich, bare, one = world.capture(RICH, *KEYWORDS), world.capture(BARE), world.start()
    since = "RRVS=2020-01-01T00:00:00Z"
    optional = b"TLS-Required: No\r\n" + TEXT
    submit(one, f"<bob@rich.example> {since};C", f"<dave@bare.example> {since};C", f"<eve@bare.example> {since};R",
           f"<frank@bare.example> {since}", octets=optional)
    _, each = groups(inbox(one, 1)[0])
    assert {address: facts(fields)[:2] for address, fields in each.items()} == {
        "eve@bare.example": ("failed", "5.7.19"), "frank@bare.example": ("failed", "5.7.19")}
    [message] = taken(rich, 1)
    assert message["rcpts"] == [f"RCPT TO:<bob@rich.example> {since};C"] and message["mail"].endswith(" MT-PRIORITY=0")
    [message] = taken(bare, 1)
    assert message["rcpts"] == ["RCPT TO:<dave@bare.example>"] and message["data"].encode("latin-1").endswith(optional)
    submit(one, "<carol@bare.example>", mail=" BY=100;R")
    _, each = groups(inbox(one, 2)[1])
    assert facts(each["carol@bare.example"])[:2] == ("failed", "5.3.3")


def test_a_later_message_overtakes_and_a_kill_changes_nothing(world: World) -> None:
    """RFC 6710 section 5, I1: the order is kept in the queue."""
    one = world.start()
    for number, priority in ((1, -4), (2, -4), (3, 0), (4, 4)):
        submit(one, f"<n{number}@rich.example>", mail=f" MT-PRIORITY={priority}")
    one.kill()
    rich = world.capture(RICH, *KEYWORDS)
    world.start("max_running = 1")
    order = [message["rcpts"][0][9:11] for message in taken(rich, 4)]
    assert order[:2] == ["n4", "n3"] and sorted(order[2:]) == ["n1", "n2"]


def test_both_deadlines(world: World) -> None:
    """RFC 2852 section 4.1: one message comes back at its time, of the other its sender hears once that it is late."""
    world.capture(RICH, *KEYWORDS)
    one = world.start()
    begun = time.time()
    submit(one, "<late@rich.example>", mail=" BY=1;N")
    _, each = groups(inbox(one, 1)[0])
    assert facts(each["late@rich.example"])[:4] == (
        "delayed", "4.4.7", "dns; mx.rich.example", "smtp; 451 4.2.1 Come again") and time.time() >= begun + 1
    begun = time.time()
    submit(one, "<late2@rich.example>", mail=" BY=3;R")
    _, each = groups(inbox(one, 2)[1])
    assert facts(each["late2@rich.example"])[:2] == ("failed", "5.4.7")      # the other wants 2 seconds
    assert len(inbox(one, 2)) == 2


def test_binary_mail_for_a_bare_host(world: World) -> None:
    """RFC 3030 section 3: it is converted; a report about it has nothing in it that would end it on its way (I5)."""
    bare, one = world.capture(BARE), world.start()
    raw = (b"MIME-Version: 1.0\r\nSubject: raw\r\nContent-Type: application/octet-stream\r\n"
           b"Content-Transfer-Encoding: binary\r\n\r\n"
           b"\0\n.\r\nQUIT\r\n\n.\nMAIL FROM:<x>\r\n\r")
    submit(one, "<carol@bare.example>", "<nobody@bare.example>", mail=" BODY=BINARYMIME RET=FULL", octets=raw)
    [message] = taken(bare, 1)
    parsed = message_from_bytes(message["data"].encode("latin-1"))
    assert parsed["Content-Transfer-Encoding"] == "base64" and parsed.get_payload(decode=True) == raw.partition(b"\r\n\r\n")[2]
    [report] = inbox(one, 1)
    assert b"Subject: raw\r\n" in report and b"QUIT" not in report and not set(b"\r\n\0").intersection(report.replace(b"\r\n", b""))
