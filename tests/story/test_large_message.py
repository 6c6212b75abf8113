"""A message far larger than what a server may spend on it: submitted, relayed, kept and fetched, in little memory (I3)."""

from __future__ import annotations

import hashlib
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.servers import PATIENCE_S, MailServer, common_port, listeners, running
from support.smtptalk import Talk

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

ONE, TWO = "127.0.0.22", "127.0.0.23"
PASSWORD = "correct horse"
MIB = 1 << 20
MAY_GROW_MIB = 32
CONFIG = """
hostname = "mail.{domain}"
data = "data"
domains = ["{domain}"]
[pipeline]
max_octets = 200000000
[smtp]
max_message_octets = 200000000
[submission]
max_message_octets = 200000000
[relay]
port = {port}
[relay.routes."two.example"]
host = "{two}"
port = {port}
tls = "opportunistic"
""" + listeners("smtp", "submission", "imap", "pop3", host="{ip}", smtp_port="{port}")


def start(folder: Path, ip: str, port: int, domain: str, user: str) -> MailServer:
    (folder / "data").mkdir(parents=True, mode=0o700)
    (folder / "mailframe.toml").write_text(CONFIG.format(domain=domain, ip=ip, port=port, two=TWO))
    add(folder / "data" / "accounts", f"{user}@{domain}", hash_password(PASSWORD))
    return MailServer(folder, "--config", "mailframe.toml")


def peak_mib(server: MailServer) -> float:
    """The most memory it has used so far."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert match
    return int(match[1]) / 1024


def blocks(size: int) -> Iterator[bytes]:
    """Lines of 76 characters, a MiB at a time, none like another; some begin with a dot."""
    line = 0
    for _ in range(size // MIB):
        lines = []
        for _ in range(MIB // 78):
            lines.append((b".%075d\r\n" if line % 7 == 0 else b"%076d\r\n") % line)
            line += 1
        yield b"".join(lines)


def submit(talk: Talk, size: int) -> str:
    """Send it as a client does; returns the digest of what was said."""
    digest = hashlib.sha256()
    assert talk.say("MAIL FROM:<alice@one.example>").startswith("250")
    assert talk.say("RCPT TO:<alice@one.example>").startswith("250")
    assert talk.say("RCPT TO:<bob@two.example>").startswith("250")
    assert talk.say("DATA").startswith("354")
    talk.send(b"Subject: large\r\n\r\n")
    for block in blocks(size):
        digest.update(block)
        talk.send((b"\r\n" + block).replace(b"\r\n.", b"\r\n..")[2:])
    talk.send(b".\r\n")
    answer = talk.reply()
    assert answer.startswith("250"), answer
    return digest.hexdigest()


class Lines:
    """A line protocol over a socket, for octets by the hundred million."""

    def __init__(self, ip: str, port: int) -> None:
        self._socket = socket.create_connection((ip, port), PATIENCE_S)
        self.file = self._socket.makefile("rb", MIB)
        self.file.readline()

    def say(self, line: str) -> bytes:
        self._socket.sendall(line.encode() + b"\r\n")
        return self.file.readline()

    def until(self, tag: bytes) -> bytes:
        while not (line := self.file.readline()).startswith(tag):
            assert line
        return line

    def close(self) -> None:
        self.file.close()
        self._socket.close()


def over_imap(server: MailServer, ip: str, user: str) -> str:
    """The digest of the first message's text, fetched whole."""
    mail = Lines(ip, server.ports["imap"])
    assert mail.say(f'a LOGIN {user} "{PASSWORD}"')
    end = time.monotonic() + 3 * PATIENCE_S
    while b"(MESSAGES 1)" not in mail.say("b STATUS INBOX (MESSAGES)"):
        mail.until(b"b OK")
        assert time.monotonic() < end, "it never came"
    mail.until(b"b OK")
    mail.say("c SELECT INBOX")
    mail.until(b"c OK")
    first = mail.say("d FETCH 1 BODY.PEEK[TEXT]")
    match = re.search(rb"\{(\d+)\}\r\n$", first)
    assert match, first
    left, digest = int(match[1]), hashlib.sha256()
    while left:
        octets = mail.file.read(min(left, MIB))
        left -= len(octets)
        digest.update(octets)
    mail.until(b"d OK")
    mail.close()
    return digest.hexdigest()


def over_pop3(server: MailServer, ip: str, user: str) -> str:
    mail = Lines(ip, server.ports["pop3"])
    mail.say(f"USER {user}")
    assert mail.say(f"PASS {PASSWORD}").startswith(b"+OK Maildrop has 1 ")
    mail.say("RETR 1")
    while mail.file.readline() != b"\r\n":
        pass
    digest = hashlib.sha256()
    while (line := mail.file.readline()) != b".\r\n":
        assert line
        digest.update(line.removeprefix(b"."))
    mail.close()
    return digest.hexdigest()


def test_a_large_message_costs_little_memory_all_the_way(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    size = (100 if request.config.getoption("--long") else 20) * MIB
    port = common_port(ONE, TWO)
    with running(start(tmp_path / "one", ONE, port, "one.example", "alice")) as one, \
            running(start(tmp_path / "two", TWO, port, "two.example", "bob")) as two:
        assert isinstance(one, MailServer) and isinstance(two, MailServer)
        warm(one, ONE)
        warm(two, TWO)
        before = {one: peak_mib(one), two: peak_mib(two)}
        talk = Talk(ONE, one.ports["submission"])
        assert talk.log_in("alice@one.example", PASSWORD).startswith("235")
        digest = submit(talk, size)
        talk.close()
        assert over_imap(one, ONE, "alice@one.example") == digest
        assert over_imap(two, TWO, "bob@two.example") == digest
        assert over_pop3(two, TWO, "bob@two.example") == digest
        grown = {server: peak_mib(server) - before[server] for server in before}
        print(f"{size // MIB} MiB: the sender's server grew by {grown[one]:.1f} MiB, the receiver's by {grown[two]:.1f} MiB")
        assert max(grown.values()) < MAY_GROW_MIB


def warm(server: MailServer, ip: str) -> None:
    """One login, which loads what a password costs (argon2 takes 19 MiB for it)."""
    user = "alice@one.example" if ip == ONE else "bob@two.example"
    mail = Lines(ip, server.ports["imap"])
    assert mail.say(f'a LOGIN {user} "{PASSWORD}"').startswith(b"a OK")
    mail.close()
