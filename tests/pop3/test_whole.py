"""POP3 at a whole server: what people and their programs do with it, beside SMTP and IMAP on the same mailbox."""

from __future__ import annotations

import base64
import imaplib
import poplib
import re
import shutil
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.servers import ANY_PORTS, PATIENCE_S, MailServer

MIB = 1 << 20


class Mail:
    """A server in development mode with its one account."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = MailServer(folder, *ANY_PORTS)
        self.password = self.server.password
        self.clients: list[poplib.POP3] = []

    def again(self) -> None:
        assert self.server.stop() == 0, self.server.output
        self.server = MailServer(self.folder, *ANY_PORTS)

    def deliver(self, *messages: bytes) -> None:
        with smtplib.SMTP("127.0.0.1", self.server.ports["smtp"], timeout=PATIENCE_S) as client:
            for message in messages:
                client.sendmail("a@example.org", ["dev@localhost"], message)

    def pop(self) -> poplib.POP3:
        """Logged in; waits until the server has noticed that the connection before has gone."""
        for _ in range(1_000):
            client = poplib.POP3("127.0.0.1", self.server.ports["pop3"], timeout=PATIENCE_S)
            try:
                client.user("dev@localhost")
                client.pass_(self.password)
            except poplib.error_proto as error:
                client.close()
                if "IN-USE" not in str(error):
                    raise
            else:
                self.clients.append(client)
                return client
        raise AssertionError("the maildrop stays in use")

    def imap(self) -> imaplib.IMAP4:
        client = imaplib.IMAP4("127.0.0.1", self.server.ports["imap"], timeout=PATIENCE_S)
        client.login("dev@localhost", self.password)
        client.select()
        return client

    def raw(self) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.server.ports["pop3"]), timeout=PATIENCE_S)
        assert client.recv(100).startswith(b"+OK")
        return client

    def empty(self) -> None:
        while self.clients:
            self.clients.pop().close()
        client = self.pop()
        for number in range(1, client.stat()[0] + 1):
            client.dele(number)
        client.quit()
        self.clients.clear()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mail]:
    mail = Mail(tmp_path_factory.mktemp("pop3"))
    yield mail
    assert mail.server.stop() == 0, mail.server.output
    assert "Traceback" not in mail.server.output, mail.server.output


@pytest.fixture
def mail(whole: Mail) -> Iterator[Mail]:
    yield whole
    whole.empty()


def subjects(client: poplib.POP3) -> list[str]:
    found = []
    for number in range(1, client.stat()[0] + 1):
        found += [line.decode()[9:] for line in client.top(number, 0)[1] if line.startswith(b"Subject: ")]
    return found


def message(subject: str, body: bytes = b"Hello\r\n") -> bytes:
    return b"Subject: " + subject.encode() + b"\r\n\r\n" + body


def talk(client: socket.socket, words: bytes, until: bytes) -> bytes:
    client.sendall(words)
    got = b""
    while not re.search(until, got):
        more = client.recv(65536)
        assert more, got
        got += more
    return got


def test_download_and_delete_leaves_the_mailbox_empty(mail: Mail) -> None:
    mail.deliver(message("one"), message("two", b".a dot\r\n..two\r\n"))
    client = mail.pop()
    assert client.retr(2)[1][-2:] == [b".a dot", b"..two"]
    assert client.retr(1)[1][-1] == b"Hello"
    client.dele(1)
    client.dele(2)
    assert client.stat() == (0, 0)
    assert b"0 messages left" in client.quit()
    mail.again()                                 # on disk (I1)
    assert mail.pop().stat() == (0, 0)


def test_a_dropped_connection_leaves_everything(mail: Mail) -> None:
    mail.deliver(message("one"), message("two"))
    client = mail.pop()
    client.dele(1)
    client.dele(2)
    client.close()
    assert subjects(mail.pop()) == ["one", "two"]


def test_unique_ids_outlive_a_restart_and_are_never_used_again(mail: Mail) -> None:
    mail.deliver(message("one"), message("two"))
    client = mail.pop()
    one, two = (line.split()[1] for line in client.uidl()[1])
    client.quit()
    mail.again()
    client = mail.pop()
    assert [line.split()[1] for line in client.uidl()[1]] == [one, two]
    client.dele(2)
    client.quit()
    mail.deliver(message("three"))
    found = [line.split()[1] for line in mail.pop().uidl()[1]]
    assert found[0] == one and found[1] not in (one, two)


def test_the_maildrop_is_one_sessions_and_mail_that_comes_meanwhile_is_the_nexts(mail: Mail) -> None:
    mail.deliver(message("one"))
    first = mail.pop()
    with mail.raw() as second:
        assert b"[IN-USE]" in talk(second, f"USER dev\r\nPASS {mail.password}\r\n".encode(), rb"-ERR.*\n")
    mail.deliver(message("two"))
    assert first.stat()[0] == 1
    first.rset()
    assert first.stat()[0] == 1
    first.dele(1)
    first.quit()
    assert subjects(mail.pop()) == ["two"]


def test_imap_beside_it_sees_what_it_removes_and_the_other_way_round(mail: Mail) -> None:
    mail.deliver(message("one"), message("two"), message("three"))
    imap, pop = mail.imap(), mail.pop()
    imap.store("2", "+FLAGS", r"\Deleted")
    imap.expunge()
    assert pop.stat()[0] == 3, "the session's numbers stay"
    with suppress(poplib.error_proto):           # whole, or an error: a store keeps removed octets for as long as it likes
        assert pop.retr(2)[1][-1] == b"Hello"
    assert pop.retr(3)[1][-1] == b"Hello"
    pop.dele(1)
    pop.dele(2)                                  # gone already: that is what was wanted
    pop.quit()
    imap.noop()
    assert imap.search(None, "ALL") == ("OK", [b"1"])
    assert imap.fetch("1", "(BODY[HEADER.FIELDS (SUBJECT)])")[1][0][1] == b"Subject: three\r\n\r\n"  # type: ignore[index]
    imap.logout()


def test_what_is_listed_is_what_is_sent(mail: Mail) -> None:
    mail.deliver(message("one"), message("dots", b".\r\n..\r\n.x\r\n"), message("empty", b""))
    imap = mail.imap()
    imap.append("INBOX", None, None, b"Subject: by imap\r\n\r\nends so\r\n")
    imap.logout()
    client = mail.pop()
    total = 0
    for line in client.list()[1]:
        number, size = map(int, line.split())
        octets = b"".join(each + b"\r\n" for each in client.retr(number)[1])
        assert len(octets) == size == int(client.list(number).split()[2])
        total += size
    assert client.stat() == (4, total)


def test_top_at_its_corners(mail: Mail) -> None:
    mail.deliver(message("one", b"1\r\n.2\r\n\r\n4\r\n"))
    client = mail.pop()
    whole = client.retr(1)[1]
    head = whole[: whole.index(b"") + 1]
    assert client.top(1, 0)[1] == head
    assert client.top(1, 1)[1] == [*head, b"1"]
    assert client.top(1, 2)[1] == [*head, b"1", b".2"]
    assert client.top(1, 4)[1] == client.top(1, 5)[1] == client.top(1, 9_999_999_999)[1] == whole
    for wrong in ("TOP 1", "TOP", "TOP 1 -1", "TOP 1 x", "TOP 2 0", "TOP 0 0", "TOP 1 99999999999999999999"):
        with pytest.raises(poplib.error_proto):
            client._shortcmd(wrong)  # type: ignore[attr-defined]
    assert client.noop()
    client.dele(1)
    with pytest.raises(poplib.error_proto):
        client.top(1, 0)
    client.rset()


def test_everything_in_one_breath(mail: Mail) -> None:
    """RFC 2449 section 6.6: commands sent together are answered in order, QUIT's removal last."""
    mail.deliver(message("one"), message("two"))
    with mail.raw() as client:
        words = (f"USER dev\r\nPASS {mail.password}\r\nSTAT\r\nRETR 1\r\nDELE 1\r\nRETR 2\r\nDELE 2\r\nLIST\r\nQUIT\r\n").encode()
        answer = talk(client, words, rb"\+OK Bye[^\n]*\r\n$")
        assert client.recv(100) == b""
    assert answer.count(b"+OK") == 9 and b"-ERR" not in answer
    assert b"\r\n+OK 0 messages (0 octets)\r\n.\r\n+OK Bye" in answer
    assert mail.pop().stat()[0] == 0


@pytest.mark.parametrize("how", ["initial response", "challenge", "empty initial response", "login", "cancelled", "not base64"])
def test_sasl_in_every_spelling(mail: Mail, how: str) -> None:
    plain = base64.b64encode(f"\0dev@localhost\0{mail.password}".encode())
    with mail.raw() as client:
        if how == "initial response":
            assert talk(client, b"AUTH PLAIN " + plain + b"\r\n", rb"\n").startswith(b"+OK")
        elif how == "challenge":
            assert talk(client, b"auth plain\r\n", rb"\n") == b"+ \r\n"
            assert talk(client, plain + b"\r\n", rb"\n").startswith(b"+OK")
        elif how == "empty initial response":    # RFC 5034 section 4: "=" is one of no octets
            assert talk(client, b"AUTH PLAIN =\r\n", rb"\n").startswith(b"-ERR")
            assert talk(client, b"NOOP\r\n", rb"\n").startswith(b"-ERR")
        elif how == "login":
            assert talk(client, b"AUTH LOGIN\r\n", rb"\n") == b"+ VXNlcm5hbWU6\r\n"
            assert talk(client, base64.b64encode(b"dev") + b"\r\n", rb"\n") == b"+ UGFzc3dvcmQ6\r\n"
            assert talk(client, base64.b64encode(mail.password.encode()) + b"\r\n", rb"\n").startswith(b"+OK")
        else:
            assert talk(client, b"AUTH PLAIN\r\n", rb"\n") == b"+ \r\n"
            assert talk(client, b"*\r\n" if how == "cancelled" else b"?!\r\n", rb"\n").startswith(b"-ERR")
            assert talk(client, b"AUTH PLAIN " + plain + b"\r\n", rb"\n").startswith(b"+OK"), "nothing is spoilt"


def test_outlooks_way(mail: Mail) -> None:
    """CAPA, a bare AUTH, AUTH LOGIN or USER, then STAT, UIDL, LIST, RETR one after the other, DELE, QUIT."""
    mail.deliver(message("one"))
    with mail.raw() as client:
        assert b"UIDL" in talk(client, b"CAPA\r\n", rb"\r\n\.\r\n")
        assert b"LOGIN" in talk(client, b"AUTH\r\n", rb"\r\n\.\r\n")
        assert talk(client, b"USER dev@localhost\r\n", rb"\n").startswith(b"+OK")
        assert talk(client, f"PASS {mail.password}\r\n".encode(), rb"\n").startswith(b"+OK")
        assert talk(client, b"STAT\r\n", rb"\n").startswith(b"+OK 1 ")
        assert talk(client, b"UIDL \r\n", rb"\r\n\.\r\n").count(b"\r\n") == 3
        assert talk(client, b"LIST \r\n", rb"\r\n\.\r\n").count(b"\r\n") == 3
        assert talk(client, b"LIST 1 \r\n", rb"\n").startswith(b"+OK 1 "), "a blank too many is no harm"
        assert b"Hello" in talk(client, b"RETR 1 \r\n", rb"\r\n\.\r\n")
        assert b"Hello" not in talk(client, b"TOP 1  0 \r\n", rb"\r\n\.\r\n")
        assert talk(client, b"DELE 1 \r\n", rb"\n").startswith(b"+OK")
        assert talk(client, b"QUIT \r\n", rb"\n").startswith(b"+OK")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("options", [
    ["--sasl-ir"], [], ["--login-options", "AUTH=LOGIN"], ["--ssl-reqd", "-k"], ["-l"], ["-X", "UIDL"], ["-X", "TOP 1 0"],
], ids=" ".join)
def test_curl_reads_it(mail: Mail, options: list[str]) -> None:
    mail.deliver(message("one"))
    number = "1" if "-l" not in options and "UIDL" not in options and "TOP 1 0" not in options else ""
    done = subprocess.run(["curl", "-sS", *options, "-u", f"dev@localhost:{mail.password}",
                           f"pop3://127.0.0.1:{mail.server.ports['pop3']}/{number}"],
                          capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    assert ("Subject: one" in done.stdout) if number or "TOP 1 0" in options else done.stdout.startswith("1 ")


@pytest.mark.skipif(shutil.which("fetchmail") is None, reason="fetchmail is not installed")
@pytest.mark.parametrize("keep", [True, False], ids=["keep", "remove"])
def test_fetchmail_collects_it(mail: Mail, tmp_path: Path, keep: bool) -> None:
    mail.deliver(message("one"), message("two"))
    settings = tmp_path / "fetchmailrc"
    settings.touch(0o600)
    settings.write_text(
        f'poll 127.0.0.1 protocol pop3 port {mail.server.ports["pop3"]} uidl\n'
        f'  user "dev@localhost" password "{mail.password}" {"keep" if keep else "nokeep"} sslproto ""\n'
        f'  mda "cat >> {tmp_path}/got"\n')
    done = subprocess.run(
        ["fetchmail", "-f", str(settings), "-i", str(tmp_path / "ids"), "--pidfile", str(tmp_path / "pid")],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "got").read_text().count("Hello") == 2
    assert mail.pop().stat()[0] == (2 if keep else 0)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system has no /proc")
def test_a_large_message_is_streamed_with_little_memory(mail: Mail) -> None:
    size = 20 * MIB
    body = (b"." + b"x" * 70 + b"\r\n") * (size // 73)
    mail.deliver(message("large", body))
    mail.pop().quit()
    with mail.raw() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        talk(client, f"USER dev\r\nPASS {mail.password}\r\n".encode(), rb"Maildrop")
        before = _high_water(mail)
        client.sendall(b"RETR 1\r\nNOOP\r\n")
        got, last = 0, b""
        while not last.endswith(b"\r\n.\r\n+OK\r\n"):
            more = client.recv(256 * 1024)
            assert more
            got += len(more)
            last = (last + more)[-16:]
        assert got > size
        assert _high_water(mail) - before < 6 * MIB


def _high_water(mail: Mail) -> int:
    """The most memory that the server had so far, in octets."""
    text = Path(f"/proc/{mail.server.process.pid}/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+) kB", text)
    assert match
    return int(match[1]) * 1024
