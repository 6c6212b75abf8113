"""A server of every SMTP role as crowds and floods meet it, and a well-behaved client that goes on beside them."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

from .hostile import DOMAIN, PASSWORD
from .servers import MailServer
from .wires import Smtp, Wire, complaints

USERS = ("alice", "bob")
V1 = b"PROXY TCP4 198.51.100.7 203.0.113.1 40000 25\r\n"
_LISTENERS = (("mx", "mx", ""), ("submission", "submission", 'plaintext_login = "loopback"\n'), ("lmtp", "lmtp", ""),
              ("submissions", "submission", 'tls = "implicit"\n'), ("proxied", "mx", 'proxy_from = ["127.0.0.1"]\n'))
CONFIG = f"""
hostname = "mail.one.example"
data = "data"
domains = "{DOMAIN}"
[guards.sender]                     # nobody here has a DNS to ask
roles = []
[smtp]
xclient_from = ["127.0.0.1"]
""" + "".join(f"""
[{role}]
max_connections = 5000
max_connections_per_ip = 5000
""".replace("[smtp]\n", "") for role in ("smtp", "submission", "lmtp")) + "".join(
    f'[listeners.{name}]\nrole = "{role}"\nendpoint = "127.0.0.1:0"\n{more}' for name, role, more in _LISTENERS)


class Place:
    """The server."""

    def __init__(self, folder: Path) -> None:
        (folder / "data").mkdir(mode=0o700)
        hashed = hash_password(PASSWORD)
        for user in USERS:
            add(folder / "data" / "accounts", f"{user}@{DOMAIN}", hashed)
        (folder / "mailframe.toml").write_text(CONFIG)
        self.child = MailServer(folder, "--config", "mailframe.toml")
        self.ports = self.child.ports

    def wire(self, name: str) -> Smtp:
        """Connected, and nothing read."""
        wire = Smtp(self.ports[name], tls=name == "submissions")
        assert isinstance(wire, Smtp)
        return wire

    def ready(self, name: str) -> Smtp:
        """Greeted, and logged in where that is needed."""
        wire = self.wire(name)
        if name == "proxied":
            wire.send(V1)
        code, text = wire.reply()
        assert code == 220, text
        wire.expect(250, b"LHLO client.example" if name == "lmtp" else b"EHLO client.example")
        return wire.login(f"alice@{DOMAIN}", PASSWORD) if name.startswith("submission") else wire

    def begun(self, name: str, *, parameter: bytes = b"") -> Smtp:
        """With a sender and a recipient."""
        wire = self.ready(name)
        wire.expect(250, b"MAIL FROM:<alice@one.example>" + parameter)
        wire.expect(250, b"RCPT TO:<bob@one.example>")
        return wire

    def rss_mib(self) -> float:
        """Memory of its process."""
        return int(Path(f"/proc/{self.child.process.pid}/statm").read_text().split()[1]) * 4096 / 2**20

    def assert_clean(self) -> None:
        assert self.child.process.poll() is None, "the server has ended"
        assert not complaints(self.child.lines), "\n".join(self.child.lines[-60:])


class Beside:
    """As a context: a client that sends message after message, each of which must be taken; its pace is printed."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._over = threading.Event()
        self._fault: BaseException | None = None
        self._took: list[float] = []
        self._thread = threading.Thread(target=self._work)
        self._before = place.rss_mib()
        self._lines = len(place.child.lines)

    def _work(self) -> None:
        try:
            with self._place.ready("mx") as wire:
                assert isinstance(wire, Smtp)
                while not self._over.wait(0.002) or not self._took:
                    begun = time.monotonic()
                    code, text = wire.mail("good@far.example", [f"alice@{DOMAIN}"], b"Subject: good\r\n\r\nHello\r\n")
                    assert code == 250, text
                    self._took.append(time.monotonic() - begun)
        except BaseException as fault:
            self._fault = fault

    def __enter__(self) -> Beside:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        if self._fault is not None and error is None:
            raise AssertionError("the well-behaved client was not served") from self._fault
        took = sorted(self._took)
        print(f"{len(took)} good messages beside: median {took[len(took) // 2] * 1e3:.1f} ms, worst {took[-1] * 1e3:.1f} ms; "
              f"memory {self.grown():+.1f} MiB, {len(self._place.child.lines) - self._lines - len(took)} lines of log")

    def grown(self) -> float:
        """MiB since the beginning."""
        return self._place.rss_mib() - self._before

    def logged(self) -> int:
        """Lines in the log since the beginning that are not of its own messages."""
        return sum("from=<good@far.example>" not in line for line in self._place.child.lines[self._lines:])


def pump(wire: Wire, octets: bytes, times: int) -> bytes:
    """Send them so often, and QUIT, while a thread reads what is answered; all of that, up to the end.

    What is sent once goes out whole, before anything is read: octets that reach a server which has closed make the kernel
    forget what it had to say, and one TLS connection is not for two threads at once.
    """
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(wire.rest()))
    try:
        if times == 1:
            wire.send(octets + b"QUIT\r\n")
        reader.start()
        if times > 1:
            for _ in range(times):
                wire.send(octets)
            wire.send(b"QUIT\r\n")
    except (ConnectionError, OSError):
        pass                            # the server has had enough
    reader.join()
    return found[0]
