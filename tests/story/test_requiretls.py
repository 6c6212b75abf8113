"""REQUIRETLS from a mail program over two servers with validated MX records, and back as a report where the third lacks TLS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from support import stories
from support.certificates import pem_pair
from support.servers import MailServer, common_port, listeners
from support.smtptalk import Talk

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

ONE, TWO, FAR = "127.0.0.51", "127.0.0.52", "127.0.0.53"
PASSWORD = "correct horse"
HASH = hash_password(PASSWORD)
TEXT = b"Subject: sure\r\nMessage-ID: <sure@one.example>\r\n\r\nSecret.\r\n"
CONFIG = """
hostname = "mail.{domain}"
data = "data"
domains = ["{domain}"]
""" + listeners("smtp", "submission", "imap", host="{ip}", smtp_port="{port}") + """
[tls]
certificate = "certificate.pem"
key = "key.pem"
[relay]
port = {port}
nameservers = ["127.0.0.1:{dns}"]
"""
RECORDS = {
    "one.example": {"MX": ["10 mail.one.example."]}, "mail.one.example": {"A": [ONE]},
    "two.example": {"MX": ["10 mail.two.example."]}, "mail.two.example": {"A": [TWO]},
    "far.example": {"MX": ["10 mx.far.example."]}, "mx.far.example": {"A": [FAR]},
}


class World:
    """Servers one and two, who believe each other's certificates, and far, by other people, without TLS."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.port = common_port(ONE, TWO, FAR)
        self.dns = stories.names(stack, folder, RECORDS, "authenticated")
        self.pairs = {domain: pem_pair(f"mail.{domain}") for domain in ("one.example", "two.example")}
        (folder / "believed.pem").write_bytes(b"".join(certificate for certificate, _ in self.pairs.values()))
        far = Controller(Sink(), hostname=FAR, port=self.port, server_hostname="mx.far.example")
        far.start()
        stack.callback(far.stop)

    def start(self, domain: str, ip: str, *users: str, aliases: str = "") -> MailServer:
        folder = self.folder / domain
        (folder / "data").mkdir(parents=True, mode=0o700)
        for name, octets in zip(("certificate.pem", "key.pem"), self.pairs[domain], strict=True):
            (folder / name).write_bytes(octets)
            (folder / name).chmod(0o600)
        (folder / "mailframe.toml").write_text(CONFIG.format(domain=domain, ip=ip, port=self.port, dns=self.dns))
        for user in users:
            add(folder / "data" / "accounts", f"{user}@{domain}", HASH)
        with (folder / "data" / "accounts").open("a") as file:
            file.write(aliases)
        server = MailServer(folder, "--config", "mailframe.toml", env={"SSL_CERT_FILE": str(self.folder / "believed.pem")})
        self.stack.callback(server.stop)
        return server


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(tmp_path, stack)


def submit(server: MailServer, *to: str) -> str:
    """Under TLS with REQUIRETLS; returns the id."""
    with Talk(ONE, server.ports["submission"], None) as talk:
        assert "REQUIRETLS" not in talk.say("EHLO client.example")
        talk.start_tls()
        assert "REQUIRETLS" in talk.say("EHLO client.example")
        assert talk.log_in("alice@one.example", PASSWORD).startswith("235")
        answer = talk.mail("alice@one.example", list(to), TEXT, " REQUIRETLS RET=FULL")
    assert answer.startswith("250"), answer
    return answer.rpartition(" ")[2]


def inbox(server: MailServer, ip: str, user: str) -> list[Message]:
    """The INBOX once there is something in it."""
    return [message_from_bytes(octets) for octets in stories.inbox(ip, server.ports["imap"], user, PASSWORD)]


def test_tls_all_the_way_or_not_at_all(world: World) -> None:
    """RFC 8689 sections 4.1 (an alias's addresses as well), 4.2.1 and 5."""
    one = world.start("one.example", ONE, "alice")
    two = world.start("two.example", TWO, "bob", aliases="away@two.example -> carol@far.example\n")
    number = submit(one, "bob@two.example")
    one.wait_for(rf"{number} handed to mail\.two\.example\[{TWO}\].* \(TLSv1\.3 .*1 of 1")
    [message] = inbox(two, TWO, "bob@two.example")
    assert "with ESMTPS" in message.get_all("Received", [])[0]
    submit(one, "away@two.example")
    two.wait_for(r"for carol@far\.example failed: .*TLS is required")
    two.wait_for(r"handed to mail\.one\.example.*1 of 1")        # the report
    [report] = inbox(one, ONE, "alice@one.example")
    assert "Status: 5.7.10" in str(report.get_payload(1))
    assert "Secret" not in str(report) and "Subject: sure" in str(report)
    assert "with ESMTPS" in report.get_all("Received", [])[0]


def test_a_server_that_promises_nothing_further_on_is_not_given_it(world: World) -> None:
    one = world.start("one.example", ONE, "alice")
    number = submit(one, "carol@far.example")
    one.wait_for(rf"{number} .*carol@far\.example failed: .*TLS is required")
    [report] = inbox(one, ONE, "alice@one.example")
    assert "Status: 5.7.10" in str(report.get_payload(1)) and "Secret" not in str(report)
