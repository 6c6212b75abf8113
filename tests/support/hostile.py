"""A whole server as hostile clients meet it, and the good ones beside them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support.servers import Child, MailServer
from support.wires import Imap, Pop3, Smtp, Wire, complaints

DOMAIN, PASSWORD = "one.example", "correct horse"
USERS = ("alice", "bob", "bystander", "victim", "filled")
_LISTENER = """
[listeners.{name}]
role = "{role}"
endpoint = "127.0.0.1:0"
tls = "{tls}"
plaintext_login = "loopback"
"""
_LIMITS = """
[{role}]
max_connections = 5000
max_connections_per_ip = 5000
{delay} = 0.05
"""
CONFIG = """
hostname = "mail.one.example"
data = "data"
domains = "one.example"
[relay.smarthost]
host = "127.0.0.1"
port = {sink}
tls = "none"
""" + "".join(
    _LISTENER.format(name=name, role=role, tls=tls) for name, role, tls in (
        ("smtp", "smtp", "starttls"), ("submission", "submission", "starttls"), ("submissions", "submission", "implicit"),
        ("imap", "imap", "starttls"), ("imaps", "imap", "implicit"), ("pop3", "pop3", "starttls"), ("pop3s", "pop3", "implicit"))
) + "".join(_LIMITS.format(role=role, delay=delay) for role, delay in (
    ("smtp", "auth_failure_delay_s"), ("imap", "login_failure_delay_s"), ("pop3", "auth_failure_delay_s"),
    ("submission", "auth_failure_delay_s"))) + 'bare_newlines = "normalise"\n'
KINDS: dict[str, type[Wire]] = {
    "smtp": Smtp, "submission": Smtp, "submissions": Smtp, "imap": Imap, "imaps": Imap, "pop3": Pop3, "pop3s": Pop3,
}
GOODBYE = {"smtp": b"QUIT\r\n", "submission": b"QUIT\r\n", "imap": b"zz LOGOUT\r\n", "pop3": b"QUIT\r\n"}


def client_hello() -> bytes:
    """What a TLS client says first."""
    outgoing = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()


class Bystander:
    """An IMAP session that has nothing to do with it."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.imap = target.imap("bystander")
        self.imap.ok("SELECT INBOX")

    def works(self) -> None:
        """Mail comes in, is told of, read and removed."""
        with self.target.smtp() as smtp:
            assert smtp.mail("a@elsewhere.example", [f"bystander@{DOMAIN}"], b"Subject: hello\r\n\r\nHello\r\n")[0] == 250
        assert any(response.endswith(b" EXISTS\r\n") for response in self.imap.ok("NOOP")[1])
        assert b"Subject: hello" in b"".join(self.imap.ok("FETCH * (BODY[])")[1])
        self.imap.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        self.imap.ok("EXPUNGE")


class Target:
    """The server, and ways to it."""

    def __init__(self, child: MailServer, sink: Child) -> None:
        self.child, self.sink = child, sink
        self.ports = child.ports

    def wire(self, name: str, *, tls: bool = False) -> Wire:
        """Connected, the greeting read, but where it is to come after TLS."""
        wire = KINDS[name](self.ports[name], tls=tls)
        if not name.endswith("s") or tls:
            wire.line()
        return wire

    def smtp(self) -> Smtp:
        return Smtp(self.ports["smtp"]).greet()

    def submission(self) -> Smtp:
        return Smtp(self.ports["submission"]).greet().login(f"alice@{DOMAIN}", PASSWORD)

    def imap(self, user: str = "alice") -> Imap:
        return Imap(self.ports["imap"]).greet().login(f"{user}@{DOMAIN}", PASSWORD)

    def pop3(self, user: str = "alice") -> Pop3:
        return Pop3(self.ports["pop3"]).greet().login(f"{user}@{DOMAIN}", PASSWORD)

    def count(self, user: str) -> int:
        """Messages in the user's INBOX."""
        with self.imap(user) as wire:
            assert isinstance(wire, Imap)
            answer = b"".join(wire.ok("STATUS INBOX (MESSAGES)")[1])
            return int(answer.split(b"MESSAGES ")[1].split(b")")[0])

    def texts(self, user: str) -> list[bytes]:
        """The messages in the user's INBOX."""
        with self.imap(user) as wire:
            assert isinstance(wire, Imap)
            wire.ok("EXAMINE INBOX")
            return [response for response in wire.ok("UID FETCH 1:* (BODY.PEEK[])")[1] if b"BODY[]" in response]

    def works(self) -> None:
        """Every service serves a new client."""
        for name in KINDS:
            with self.wire(name, tls=name.endswith("s")) as wire:
                wire.send(GOODBYE[name.removesuffix("s")])
                assert wire.line()[:3] in (b"221", b"* B", b"+OK")
        with self.pop3("bob") as pop3:
            assert isinstance(pop3, Pop3)
            pop3.ok("STAT")

    def assert_clean(self) -> None:
        assert self.child.process.poll() is None, "the server has ended"
        assert not complaints(self.child.lines), "\n".join(self.child.lines[-60:])

    @contextmanager
    def bystander(self) -> Iterator[Bystander]:
        bystander = Bystander(self)
        try:
            yield bystander
        finally:
            bystander.imap.close()

    def rss_mib(self) -> float:
        """Memory of the server's process."""
        pages = int(Path(f"/proc/{self.child.process.pid}/statm").read_text().split()[1])
        return pages * 4096 / 2**20
