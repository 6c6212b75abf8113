"""What comes in as it is stays as it is: BINARYMIME and very long lines, from BDAT under TLS to IMAP and POP3 (RFC 3030)."""

from __future__ import annotations

import poplib
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.servers import PATIENCE_S, MailServer, listeners, running
from support.smtptalk import Talk

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

HOST, PASSWORD, BOB = "127.0.0.1", "correct horse", "bob@one.example"
CONFIG = """
hostname = "mail.one.example"
data = "data"
domains = ["one.example"]
storage = "{storage}"
""" + listeners("smtp", "imap", "pop3")
HEADER = (b"Subject: binary\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
          b"Content-Transfer-Encoding: binary\r\n\r\n")
BINARY = b"\n.\n\r\n.\r.\n.\r\n\0\0 OK\r\n)\r\n* BYE\r\n" + bytes(range(256)) + b"\r\n.\r\n\n.\r\nend\r"
LARGE = BINARY * 2_000      # staged, and not kept in memory


@pytest.fixture(scope="module", params=["sqlite", "maildir:mail", "memory"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    folder: Path = tmp_path_factory.mktemp("any")
    (folder / "data").mkdir(mode=0o700)
    (folder / "mailframe.toml").write_text(CONFIG.replace("{storage}", request.param))
    add(folder / "data" / "accounts", BOB, hash_password(PASSWORD))
    server = MailServer(folder, "--config", "mailframe.toml")
    with running(server):
        yield server
    assert "Traceback" not in server.output


def hand_in(server: MailServer, octets: bytes, chunk: int, body: str = "BINARYMIME") -> None:
    with Talk(HOST, server.ports["smtp"]) as talk:
        talk.start_tls()
        assert "BINARYMIME" in talk.say("EHLO client.example") and "CHUNKING" in talk.say("EHLO client.example")
        assert talk.say(f"MAIL FROM:<a@far.example> BODY={body}").startswith("250")
        assert talk.say(f"RCPT TO:<{BOB}>").startswith("250")
        for at in range(0, len(octets), chunk):
            piece = octets[at:at + chunk]
            talk.send(b"BDAT %d\r\n" % len(piece) + piece)
        for at in range(0, len(octets), chunk):
            assert talk.reply() == f"250 2.0.0 {min(chunk, len(octets) - at)} octets received"
        assert talk.say("BDAT 0 LAST").startswith("250 2.0.0 Ok: queued")


class Imap:
    """Octets by IMAP; a client that believes sizes and nothing else."""

    def __init__(self, server: MailServer) -> None:
        self.socket = socket.create_connection((HOST, server.ports["imap"]), PATIENCE_S)
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self.say(f'LOGIN {BOB} "{PASSWORD}"')
        self.say("SELECT INBOX")

    def say(self, command: str) -> bytes:
        """All of the untagged answers, with literals as they are."""
        self.socket.sendall(b"tag " + command.encode() + b"\r\n")
        answer = b""
        while True:
            line = self.file.readline()
            assert line, answer[-200:]
            if line.startswith(b"tag "):
                assert line.startswith(b"tag OK"), line
                return answer
            answer += line
            while literal := re.search(rb"\{(\d+)\}\r\n$", line):
                octets = self.file.read(int(literal[1]))
                line = self.file.readline()
                answer += octets + line

    def literal(self, item: str) -> bytes:
        answer = self.say(f"FETCH * {item}")
        found = re.search(rb"(~?)\{(\d+)\}\r\n", answer)
        assert found, answer[:200]
        octets = answer[found.end():found.end() + int(found[2])]
        assert bool(found[1]) == (b"\0" in octets), "NUL in a literal8 only (RFC 3516 section 4.2)"
        return octets

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture(autouse=True)
def _emptied(server: MailServer) -> Iterator[None]:
    yield
    imap = Imap(server)
    imap.say("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    imap.say("EXPUNGE")
    imap.close()


@pytest.mark.parametrize(("body", "chunk"), [(BINARY, 7), (BINARY, 100_000), (LARGE, 60_001)], ids=["drops", "small", "large"])
def test_a_binary_message_is_kept_as_it_is(server: MailServer, body: bytes, chunk: int) -> None:
    hand_in(server, HEADER + body, chunk)
    imap = Imap(server)
    size = int(re.search(rb"RFC822.SIZE (\d+)", imap.say("FETCH * RFC822.SIZE"))[1])      # type: ignore[index]
    whole = imap.literal("BODY.PEEK[]")
    assert len(whole) == size
    assert whole.endswith((HEADER + body).replace(b"\0", b"\x80")), "no literal holds a NUL (RFC 9051 section 9, CHAR8)"
    assert imap.literal("BINARY.PEEK[1]") == body and imap.literal("BINARY.PEEK[1]<5.50>") == body[5:55]
    assert b"BINARY.SIZE[1] %d" % len(body) in imap.say("FETCH * BINARY.SIZE[1]")
    assert b'"application" "octet-stream" nil nil nil "binary" %d' % len(body) in imap.say("FETCH * BODYSTRUCTURE").lower()
    imap.say("SEARCH BODY end")
    imap.close()
    pop3 = poplib.POP3(HOST, server.ports["pop3"], timeout=PATIENCE_S)
    pop3.user(BOB)
    pop3.pass_(PASSWORD)
    assert pop3.list(1) == b"+OK 1 %d" % size
    for command in (b"RETR 1", b"TOP 1 1000000"):
        pop3.sock.sendall(command + b"\r\nNOOP\r\n")
        assert pop3.file.readline().startswith(b"+OK")
        lines = [b"\r\n"]
        while lines[-1] != b".\r\n" or not lines[-2].endswith(b"\r\n"):
            lines.append(pop3.file.readline())
        wire = b"".join(lines[:-1])
        assert b"\n.\n" not in wire and b"\n.\r\n" not in wire, "nothing before the end looks like it, to whatever client"
        assert pop3.file.readline().startswith(b"+OK"), "the answer to NOOP"
        got = wire[2:].replace(b"\n..", b"\n.")
        assert got.endswith((HEADER + body + b"\r\n", HEADER + body))
    pop3.quit()


def test_a_line_of_megabytes_is_a_line(server: MailServer) -> None:
    """RFC 5321 section 4.5.3.1.6 asks for 1000 octets, and that more be taken where that is possible."""
    body = b"word " * 1_000_000 + b"\r\n"
    hand_in(server, b"Subject: long\r\n\r\n" + body, 1 << 20, "7BIT")
    imap = Imap(server)
    assert imap.literal("BODY.PEEK[TEXT]") == body
    assert b"(" in imap.say("FETCH * (ENVELOPE BODYSTRUCTURE PREVIEW)") and b"SEARCH" in imap.say('SEARCH TEXT "word word"')
    imap.close()
    pop3 = poplib.POP3(HOST, server.ports["pop3"], timeout=PATIENCE_S)
    pop3.user(BOB)
    pop3.pass_(PASSWORD)
    pop3.sock.sendall(b"RETR 1\r\n")
    assert pop3.file.readline().startswith(b"+OK")
    lines = []
    while lines[-1:] != [b".\r\n"]:
        lines.append(pop3.file.readline())
    assert lines[-2] == body
    pop3.quit()
