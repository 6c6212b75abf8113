"""Who takes too much, or guesses passwords, is told so and slows nobody else."""

from __future__ import annotations

import re
import resource
import select
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.hostile import DOMAIN, GOODBYE, KINDS, PASSWORD, Target
from support.servers import MailServer, running
from support.wires import Imap, Pop3, Smtp, Wire, complaints

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

CONFIG = """
hostname = "mail.one.example"
data = "data"
domains = "one.example"
[smtp]
max_connections_per_ip = 4
[submission]
max_connections_per_ip = 60
auth_failure_delay_s = {delay}
[imap]
max_connections = 60
login_failure_delay_s = {delay}
[pop3]
max_connections_per_ip = 60
auth_failure_delay_s = {delay}
""" + "".join(f"""
[listeners.{name}]
role = "{role}"
endpoint = "127.0.0.1:0"
tls = "{tls}"
plaintext_login = "loopback"
""" for name, role, tls in (
    ("smtp", "smtp", "starttls"), ("submission", "submission", "starttls"), ("submissions", "submission", "implicit"),
    ("imap", "imap", "starttls"), ("imaps", "imap", "implicit"), ("pop3", "pop3", "starttls"), ("pop3s", "pop3", "implicit")))
LONG_S = 60.0       # a delay that no test waits for
USERS = ("alice", "bob")


def start(folder: Path, delay: float) -> Target:
    (folder / "data").mkdir(mode=0o700)
    hashed = hash_password(PASSWORD)
    for user in USERS:
        add(folder / "data" / "accounts", f"{user}@{DOMAIN}", hashed)
    (folder / "mailframe.toml").write_text(CONFIG.format(delay=delay))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(200, hard), hard))       # inherited, as from a shell
    try:
        child = MailServer(folder, "--config", "mailframe.toml")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return Target(child, child)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Delays of nearly nothing."""
    target = start(tmp_path_factory.mktemp("hasty"), 0.001)
    with running(target.child):
        yield target
        assert not complaints(target.child.lines)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Delays that outlast every test."""
    target = start(tmp_path_factory.mktemp("patient"), LONG_S)
    with running(target.child):
        yield target
        assert not complaints(target.child.lines)


def test_it_takes_all_the_file_descriptors_it_may_have(hasty: Target) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert resource.prlimit(hasty.child.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)


@pytest.mark.parametrize(("port", "room", "words"), [
    ("smtp", 4, rb"421 4\.7\.0 Too many connections"), ("submission", 60, rb"421 4\.7\.0 Too many connections"),
    ("submissions", 60, rb"421 4\.7\.0 Too many connections"), ("imap", 60, rb"\* BYE \[LIMIT\] Too many connections"),
    ("imaps", 60, rb"\* BYE \[LIMIT\] Too many connections"), ("pop3", 60, rb"-ERR \[SYS/TEMP\] Too many connections"),
    ("pop3s", 60, rb"-ERR \[SYS/TEMP\] Too many connections"),
])
def test_one_connection_too_many_is_told_and_the_next_finds_room(hasty: Target, port: str, room: int, words: bytes) -> None:
    tls = port.endswith("s")
    with ExitStack() as stack:
        wires = [stack.enter_context(hasty.wire(port, tls=tls)) for _ in range(room)]
        one_more = stack.enter_context(KINDS[port](hasty.ports[port], tls=tls))
        assert re.match(words, one_more.rest())
        wires[0].send(GOODBYE[port.removesuffix("s")])
        wires[0].rest()
        wires[1].send(GOODBYE[port.removesuffix("s")])      # of those inside nobody is the worse for it
        assert wires[1].rest()
        with hasty.wire(port, tls=tls):
            pass


def wrong(server: Target, port: str, user: str) -> Wire:
    """A session whose wrong login is on its way."""
    if port == "submission":
        smtp = Smtp(server.ports[port]).greet()
        smtp.send(b"AUTH PLAIN AGFsaWNlQG9uZS5leGFtcGxlAHdyb25n\r\n")
        return smtp
    wire = server.wire(port)
    name = f"{user}@{DOMAIN}".encode()
    wire.send(b"a LOGIN " + name + b" wrong\r\n" if port == "imap" else b"USER " + name + b"\r\n")
    if port == "pop3":
        wire.line()
        wire.send(b"PASS wrong\r\n")
    return wire


@pytest.mark.parametrize(("port", "tries", "last"), [
    ("submission", 3, rb"535 5\.7\.8 .*\r\n421 4\.7\.0 "), ("imap", 5, rb"NO \[AUTHENTICATIONFAILED\] .*\r\n"),
    ("pop3", 3, rb"-ERR \[AUTH\] "),
])
def test_guessing_costs_a_connection(hasty: Target, port: str, tries: int, last: bytes) -> None:
    with wrong(hasty, port, "alice") as wire:
        for _ in range(tries * 2):
            if port == "submission":
                wire.send(b"AUTH PLAIN AGFsaWNlQG9uZS5leGFtcGxlAHdyb25n\r\n")
            elif port == "imap":
                wire.send(b"a LOGIN alice@one.example wrong\r\n")
            else:
                wire.send(b"USER alice@one.example\r\nPASS wrong\r\n")
        answer = wire.rest()
        assert re.search(last, answer, re.S), answer
        refusals = len(re.findall(rb"535 |AUTHENTICATIONFAILED|-ERR \[AUTH\]", answer))
        assert refusals == tries, answer


def right(server: Target, port: str, user: str) -> None:
    address = f"{user}@{DOMAIN}"
    with server.wire(port) as wire:
        if isinstance(wire, Smtp):
            wire.expect(250, b"EHLO x")
            wire.login(address, PASSWORD)
        elif isinstance(wire, Imap | Pop3):
            wire.login(address, PASSWORD)


@pytest.mark.parametrize("port", ["submission", "imap", "pop3"])
@pytest.mark.parametrize("user", ["alice", "nobody"])
def test_who_was_wrong_waits_and_who_is_right_does_not(patient: Target, port: str, user: str) -> None:
    with wrong(patient, port, user) as wire:
        right(patient, port, "alice")
        right(patient, port, "bob")
        assert not select.select([wire.socket], [], [], 0)[0], "the answer to a wrong password was not held back"


def test_many_wrong_logins_stop_no_right_one(patient: Target) -> None:
    with ExitStack() as stack:
        for kind in ("submission", "imap", "pop3"):
            for number in range(40):
                stack.enter_context(wrong(patient, kind, f"guess{number}" if number % 2 else "bob"))
        for kind in ("submission", "imap", "pop3"):
            right(patient, kind, "bob")
        with patient.smtp() as smtp:
            assert smtp.mail("a@x.example", [f"alice@{DOMAIN}"], b"Subject: x\r\n\r\nx\r\n")[0] == 250
