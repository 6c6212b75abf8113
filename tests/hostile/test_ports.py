"""Hostile clients at every port of a whole server: the protocol's own error or a closed connection, and no harm to others."""

from __future__ import annotations

import re
import resource
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.hostile import CONFIG, DOMAIN, GOODBYE, KINDS, PASSWORD, USERS, Target, client_hello
from support.servers import PATIENCE_S, Child, MailServer
from support.wires import Imap, Pop3, Smtp, Wire

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

LONG = b"x" * 100_000
MEGABYTES = b"y" * 3_000_000
GARBAGE = bytes(range(128, 256)) * 20

@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "data").mkdir(mode=0o700)
    hashed = hash_password(PASSWORD)
    for user in USERS:
        add(folder / "data" / "accounts", f"{user}@{DOMAIN}", hashed)
    with ExitStack() as stack:
        sink = Child([sys.executable, "-m", "support.sinkchild"], folder, {"PYTHONPATH": str(Path(__file__).parents[1])})
        stack.callback(sink.stop)
        (folder / "mailframe.toml").write_text(CONFIG.format(sink=sink.wait_for(r"sink on (\d+)")[1]))
        child = MailServer(folder, "--config", "mailframe.toml")
        stack.callback(child.stop)
        target = Target(child, sink)
        yield target
        target.works()


@pytest.fixture(autouse=True)
def unharmed(server: Target) -> Iterator[None]:
    """A session that was there before still works after, mail comes in, and the log holds no fault of ours."""
    with server.bystander() as bystander:
        yield
        bystander.works()
    server.assert_clean()


#: (port, what, octets, what the answers to it must look like; a goodbye follows the octets, unless the answer is "closed").
CASES = [
    ("smtp", "oversized line", LONG + b"\r\n", rb"500 5\.5\.2 .*\r\n221 "),
    ("smtp", "oversized line in MAIL", b"EHLO x\r\nMAIL FROM:<" + LONG + b"@x>\r\n", rb"\r\n50[01] 5\.5\.\d .*\r\n221 "),
    ("smtp", "megabytes without a line end", MEGABYTES + b"\r\n", rb"500 5\.5\.2 .*\r\n221 "),
    ("smtp", "unknown command", b"FROB\r\n", rb"500 5\.5\.1 .*\r\n221 "),
    ("smtp", "empty line", b"\r\n", rb"500 .*\r\n221 "),
    ("smtp", "DATA before MAIL", b"EHLO x\r\nDATA\r\n", rb"\r\n503 5\.5\.1 .*\r\n221 "),
    ("smtp", "RCPT before MAIL", b"EHLO x\r\nRCPT TO:<alice@one.example>\r\n", rb"\r\n503 5\.5\.1 .*\r\n221 "),
    ("smtp", "MAIL before EHLO", b"MAIL FROM:<>\r\n", rb"503 5\.5\.1 .*\r\n221 "),
    ("smtp", "NUL in a verb", b"NO\0OP\r\n", rb"500 .*\r\n221 "),
    ("smtp", "NUL in an address", b"EHLO x\r\nMAIL FROM:<a\0b@x.example>\r\n", rb"\r\n50[01] .*\r\n221 "),
    ("smtp", "bare LF", b"EHLO x\nMAIL FROM:<>\nRCPT TO:<alice@one.example>\n\r\n", rb"50[01] .*\r\n221 "),
    ("smtp", "bare CR", b"EHLO x\rMAIL FROM:<>\r\r\n", rb"50[01] .*\r\n221 "),
    ("smtp", "8-bit garbage", GARBAGE + b"\r\n", rb"500 .*\r\n221 "),
    ("smtp", "8-bit garbage in EHLO", b"EHLO " + GARBAGE[:90] + b"\r\n", rb"50[01] .*\r\n221 "),
    ("smtp", "HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "closed"),
    ("submission", "MAIL before AUTH", b"EHLO x\r\nMAIL FROM:<alice@one.example>\r\n", rb"\r\n530 5\.7\.0 .*\r\n221 "),
    ("submission", "AUTH with bad base64", b"EHLO x\r\nAUTH PLAIN !!!!\r\n", rb"\r\n501 5\.5\.2 .*\r\n221 "),
    ("submission", "AUTH with garbage for an answer", b"EHLO x\r\nAUTH PLAIN\r\n" + GARBAGE + b"\r\n",
     rb"\r\n334 .*\r\n501 .*\r\n221 "),
    ("submission", "AUTH with a huge answer", b"EHLO x\r\nAUTH PLAIN\r\n" + LONG + b"\r\n", rb"\r\n334 .*\r\n500 .*\r\n221 "),
    ("submission", "AUTH with NULs", b"EHLO x\r\nAUTH PLAIN AAAAAAAA\r\n", rb"\r\n5\d\d .*\r\n221 "),
    ("submission", "AUTH of an unknown mechanism", b"EHLO x\r\nAUTH FROB\r\n", rb"\r\n504 5\.5\.4 .*\r\n221 "),
    ("submission", "oversized line", LONG + b"\r\n", rb"500 5\.5\.2 .*\r\n221 "),
    ("imap", "oversized line", b"a NOOP " + LONG + b"\r\n", rb"a BAD .*\r\n\* BYE"),
    ("imap", "megabytes without a line end", MEGABYTES + b"\r\n", rb"\* BAD .*\r\n\* BYE"),
    ("imap", "unknown command", b"a FROB\r\n", rb"a BAD .*\r\n\* BYE"),
    ("imap", "no tag", b"\r\n", rb"\* BAD .*\r\n\* BYE"),
    ("imap", "FETCH before LOGIN", b"a FETCH 1 FLAGS\r\n", rb"a BAD .*\r\n\* BYE"),
    ("imap", "literal that is no number", b"a LOGIN {abc}\r\n", rb"a BAD .*\r\n\* BYE"),
    ("imap", "literal of negative size", b"a LOGIN {-1}\r\n", rb"a BAD .*\r\n\* BYE"),
    ("imap", "literal of endless size", b"a LOGIN {" + b"9" * 40 + b"}\r\n", rb"a BAD .*\r\n\* BYE"),
    ("imap", "huge literal before login", b"a LOGIN {1000000000}\r\n", rb"a BAD .*\r\n\* BYE"),
    ("imap", "huge APPEND before login", b"a APPEND INBOX {1000000000}\r\n", rb"a BAD .*\r\n\* BYE"),
    ("imap", "NUL", b"a NO\0OP\r\n", rb"(a|\*) BAD .*\r\n\* BYE"),
    ("imap", "NUL in a literal", b"a LOGIN {3+}\r\na\0b x\r\n", rb"a BAD .*\r\n\* BYE"),
    ("imap", "bare CR", b"a NOOP\rb NOOP\r\n", rb"a BAD .*\r\n\* BYE"),
    ("imap", "8-bit garbage", GARBAGE + b"\r\n", rb"\* BAD .*\r\n\* BYE"),
    ("imap", "8-bit garbage after a tag", b"a " + GARBAGE + b"\r\n", rb"a BAD .*\r\n\* BYE"),
    ("imap", "brackets without end", b"a FETCH 1 " + b"(" * 8_000 + b"\r\n", rb"a BAD .*\r\n\* BYE"),
    ("imap", "AUTHENTICATE with garbage", b"a AUTHENTICATE PLAIN\r\n" + GARBAGE[:100] + b"\r\n", rb"\+ ?\r\na BAD .*\r\n\* BYE"),
    ("imap", "HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", rb"GET BAD .*\r\n\* BYE"),
    ("pop3", "oversized line", b"USER " + LONG + b"\r\n", rb"-ERR .*\r\n\+OK"),
    ("pop3", "megabytes without a line end", MEGABYTES + b"\r\n", rb"-ERR .*\r\n\+OK"),
    ("pop3", "unknown command", b"FROB\r\n", rb"-ERR .*\r\n\+OK"),
    ("pop3", "empty line", b"\r\n", rb"-ERR .*\r\n\+OK"),
    ("pop3", "RETR before PASS", b"RETR 1\r\n", rb"-ERR .*\r\n\+OK"),
    ("pop3", "PASS before USER", b"PASS x\r\n", rb"-ERR .*\r\n\+OK"),
    ("pop3", "NUL", b"US\0ER\r\n", rb"-ERR .*\r\n\+OK"),
    ("pop3", "NUL in a name", b"USER a\0b\r\nPASS x\r\n", rb"-ERR .*\r\n\+OK"),
    ("pop3", "bare CR", b"CAPA\rCAPA\r\n", rb"-ERR .*\r\n\+OK"),
    ("pop3", "8-bit garbage", GARBAGE + b"\r\n", rb"-ERR .*\r\n\+OK"),
    ("pop3", "AUTH with garbage", b"AUTH PLAIN\r\n" + GARBAGE[:100] + b"\r\n", rb"\+ ?\r\n-ERR .*\r\n\+OK"),
    ("pop3", "HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", rb"-ERR .*\r\n\+OK"),
]
PLAIN = ("smtp", "submission", "imap", "pop3")
IMPLICIT = ("submissions", "imaps", "pop3s")


@pytest.mark.parametrize(("port", "octets", "expected"), [
    pytest.param(port, octets, expected, id=f"{port}-{what}") for port, what, octets, expected in CASES])
def test_bad_input_gets_the_protocols_own_error(server: Target, port: str, octets: bytes, expected: bytes | str) -> None:
    with server.wire(port) as wire:
        if isinstance(expected, str):
            wire.send(octets)
            assert len(wire.rest()) < 1_000, "closed without much ado"
        else:
            wire.send(octets + GOODBYE[port])
            answer = wire.rest()
            assert re.search(expected, answer, re.S), answer


@pytest.mark.parametrize("port", PLAIN)
def test_a_client_hello_on_a_plain_port_does_no_harm(server: Target, port: str) -> None:
    with server.wire(port) as wire:
        wire.send(client_hello() + b"\r\n" + GOODBYE[port])
        assert wire.rest()
    with KINDS[port](server.ports[port]) as wire, pytest.raises((ssl.SSLError, ConnectionError)):
        wire.encrypt()


@pytest.mark.parametrize("port", IMPLICIT)
def test_plain_text_on_a_tls_port_is_cut(server: Target, port: str) -> None:
    for octets in (b"EHLO client.example\r\n", b"GET / HTTP/1.0\r\n\r\n", GARBAGE, b"\0" * 1_000):
        with KINDS[port](server.ports[port]) as wire:
            wire.send(octets)
            assert len(wire.rest()) < 100, "at most a TLS alert"


UPGRADE = {
    "smtp": (b"EHLO x\r\n", b"STARTTLS\r\n", b"MAIL FROM:<a@x.example>\r\n"),
    "submission": (b"EHLO x\r\n", b"STARTTLS\r\n", b"EHLO y\r\n"),
    "imap": (b"", b"a STARTTLS\r\n", b"b CAPABILITY\r\n"),
    "pop3": (b"", b"STLS\r\n", b"CAPA\r\n"),
}


@pytest.mark.parametrize("port", PLAIN)
def test_what_follows_starttls_in_the_clear_is_never_obeyed(server: Target, port: str) -> None:
    """I5."""
    before, upgrade, injected = UPGRADE[port]
    with server.wire(port) as wire:
        wire.send(before + upgrade + injected)
        answer = wire.rest()
        assert not re.search(rb"b OK|\* CAPABILITY|\+OK.*\r\n(USER|SASL)|250 2\.1\.0", answer), answer


@pytest.mark.parametrize("port", PLAIN)
@pytest.mark.parametrize("instead", [b"MAIL FROM:<a@x.example>\r\n" * 20, GARBAGE, b"\x16\x03\x01\x00\x05hello"],
                         ids=["commands", "garbage", "a broken hello"])
def test_garbage_instead_of_a_handshake_ends_the_connection(server: Target, port: str, instead: bytes) -> None:
    before, upgrade, _ = UPGRADE[port]
    with server.wire(port) as wire:
        wire.send(before + upgrade)
        while not re.match(rb"220|a OK|\+OK", wire.line()):
            pass
        wire.send(instead)
        assert b"250" not in wire.rest()


@pytest.mark.parametrize("port", PLAIN)
def test_a_session_starts_afresh_after_starttls(server: Target, port: str) -> None:
    before, upgrade, _ = UPGRADE[port]
    with server.wire(port) as wire:
        wire.send(before + upgrade)
        while not re.match(rb"220|a OK|\+OK", wire.line()):
            pass
        wire.encrypt()
        wire.send(upgrade + GOODBYE[port])
        answer = wire.rest()
        assert re.search(rb"50[23]|a BAD|-ERR", answer), "a second STARTTLS is refused"


def _smtp_data(server: Target) -> Wire:
    smtp = server.smtp()
    smtp.expect(250, b"MAIL FROM:<a@x.example>")
    smtp.expect(250, b"RCPT TO:<victim@one.example>")
    smtp.expect(354, b"DATA")
    smtp.send(b"Subject: half\r\n\r\n" + b"half a message\r\n" * 50_000 + b"\r\n.")
    return smtp


def _smtp_auth(server: Target) -> Wire:
    smtp = Smtp(server.ports["submission"]).greet()
    smtp.expect(334, b"AUTH LOGIN")
    return smtp


def _smtp_password(server: Target) -> Wire:
    """While the password is being judged."""
    smtp = Smtp(server.ports["submission"]).greet()
    smtp.send(b"AUTH PLAIN AGFsaWNlQG9uZS5leGFtcGxlAHdyb25n\r\n")
    return smtp


def _imap_append(server: Target) -> Wire:
    imap = server.imap("victim")
    imap.send(b"a APPEND INBOX {1000000+}\r\n" + b"half a message\r\n" * 50_000)
    return imap


def _imap_small_literal(server: Target) -> Wire:
    imap = server.imap("victim")
    imap.send(b"a CREATE {10+}\r\nhalf")
    return imap


def _imap_idle(server: Target) -> Wire:
    imap = server.imap("victim")
    imap.ok("SELECT INBOX")
    imap.send(b"a IDLE\r\n")
    assert imap.line().startswith(b"+")
    return imap


def _imap_authenticate(server: Target) -> Wire:
    wire = server.wire("imap")
    wire.send(b"a AUTHENTICATE LOGIN\r\n")
    assert wire.line().startswith(b"+")
    return wire


def _imap_login(server: Target) -> Wire:
    wire = server.wire("imap")
    wire.send(b"a LOGIN victim@one.example wrong\r\n")
    return wire


def _imap_fetch(server: Target) -> Wire:
    """While a long answer is on its way."""
    imap = filled(server)
    imap.send(b"a FETCH 1:* (BODY.PEEK[])\r\n")
    imap.line()
    return imap


def _pop3_retr(server: Target) -> Wire:
    filled(server).close()
    pop3 = server.pop3("filled")
    pop3.send(b"RETR 1\r\nRETR 2\r\nDELE 1\r\n")
    pop3.line()
    return pop3


def _pop3_password(server: Target) -> Wire:
    wire = server.wire("pop3")
    wire.send(b"USER victim@one.example\r\nPASS wrong\r\n")
    return wire


def _pop3_half(server: Target) -> Wire:
    pop3 = server.pop3("victim")
    pop3.send(b"QUI")
    return pop3


def filled(server: Target) -> Imap:
    """A session on a mailbox with 8 messages of a megabyte each."""
    if server.count("filled") == 0:
        message = b"Subject: x\r\n\r\n" + b"z" * 76 + b"\r\n" * 500_000
        with server.smtp() as smtp:
            for _ in range(8):
                assert smtp.mail("a@x.example", [f"filled@{DOMAIN}"], message)[0] == 250
    imap = server.imap("filled")
    imap.ok("SELECT INBOX")
    return imap


@pytest.mark.parametrize("way", ["FIN", "RST"])
@pytest.mark.parametrize("begin", [
    _smtp_data, _smtp_auth, _smtp_password, _imap_append, _imap_small_literal, _imap_idle, _imap_authenticate, _imap_login,
    _imap_fetch, _pop3_retr, _pop3_password, _pop3_half], ids=lambda begin: begin.__name__[1:])
def test_going_in_the_middle_leaves_nothing_behind(server: Target, begin: object, way: str) -> None:
    before = server.count("filled")
    assert callable(begin)
    wire = begin(server)
    if way == "RST":
        wire.reset()
    else:
        wire.close()
    assert server.count("victim") == 0
    assert server.count("filled") in (before, 8)
    with server.pop3("victim") as pop3:
        pop3.ok("STAT")


@pytest.mark.parametrize("port", PLAIN)
@pytest.mark.parametrize("way", ["FIN", "RST"])
def test_half_a_command_and_gone(server: Target, port: str, way: str) -> None:
    for octets in (b"", b"E", b"EHLO x", b"EHLO x\r", b"a LOGIN {5}\r\nali", b"USER x\r\nPA"):
        with server.wire(port) as wire:
            wire.send(octets)
            if way == "RST":
                wire.reset()


def _ask_without_reading(wire: Wire, octets: bytes, at_most: int) -> int:
    """Send again and again until the server takes no more; returns how much it took."""
    taken = 0
    wire.socket.settimeout(0.3)
    try:
        while taken < at_most:
            taken += wire.socket.send(octets * 100)
    except TimeoutError:
        pass
    return taken


@pytest.mark.parametrize("port", PLAIN)
def test_who_reads_no_answers_is_held_back(server: Target, port: str) -> None:
    """I3: before login, answers are small: the commands must back up."""
    asked = {"smtp": b"HELP\r\n", "submission": b"HELP\r\n", "imap": b"a CAPABILITY\r\n", "pop3": b"CAPA\r\n"}[port]
    before = server.rss_mib()
    with server.wire(port) as wire:
        taken = _ask_without_reading(wire, asked, 100_000_000)
        assert taken < 100_000_000, "it went on reading though its answers were not taken"
        assert server.rss_mib() - before < 30
        server.works()
        wire.reset()


def test_who_reads_no_mail_is_held_back(server: Target) -> None:
    with filled(server) as imap, server.pop3("filled") as pop3:
        before = server.rss_mib()
        _ask_without_reading(imap, b"a FETCH 1:* (BODY.PEEK[])\r\n", 1_000_000)
        _ask_without_reading(pop3, b"RETR 1\r\n", 1_000_000)
        assert server.rss_mib() - before < 40, "answers that nobody takes are not made"
        server.works()
        imap.reset()
        pop3.reset()


def _dribble(wire: Wire, octets: bytes) -> None:
    for position in range(len(octets)):
        wire.send(octets[position:position + 1])


def test_byte_by_byte_is_as_good_as_at_once(server: Target) -> None:
    """I4."""
    with server.smtp() as smtp:
        _dribble(smtp, b"MAIL FROM:<a@x.example>\r\nRCPT TO:<bob@one.example>\r\nDATA\r\n")
        assert [smtp.reply()[0] for _ in range(3)] == [250, 250, 354]
        _dribble(smtp, b"Subject: slow\r\n\r\n..dot\r\n\r\n.\r\n")
        assert smtp.reply()[0] == 250
    with server.wire("imap") as wire:
        assert isinstance(wire, Imap)
        _dribble(wire, b'a LOGIN {15+}\r\nbob@one.example "correct horse"\r\nb SELECT INBOX\r\n')
        assert wire.answer(b"a")[0].startswith(b"OK") and wire.answer(b"b")[0].startswith(b"OK")
        _dribble(wire, b"c APPEND INBOX {20+}\r\nSubject: slow two\r\n\r\n\r\nd FETCH 1:* (BODY.PEEK[])\r\n")
        assert wire.answer(b"c")[0].startswith(b"OK")
        assert b"Subject: slow\r\n\r\n.dot" in b"".join(wire.answer(b"d")[1])
    with server.wire("pop3") as wire:
        assert isinstance(wire, Pop3)
        _dribble(wire, f"USER bob@{DOMAIN}\r\nPASS {PASSWORD}\r\nRETR 1\r\nDELE 1\r\nDELE 2\r\nQUIT\r\n".encode())
        answer = wire.rest()
        assert answer.count(b"+OK") == 6 and b"Subject: slow" in answer, answer
    assert server.count("bob") == 0


@pytest.mark.parametrize("port", [*PLAIN, "imaps"])
def test_a_thousand_idle_connections_delay_nobody(server: Target, port: str) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < 4_000:
        pytest.skip(f"only {most} file descriptors to be had")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    before = server.rss_mib()
    count = 200 if port.endswith("s") else 1_000
    idle = []
    try:
        for _ in range(count):
            idle.append(socket.create_connection(("127.0.0.1", server.ports[port]), timeout=PATIENCE_S))
        greeted = [Wire.adopt(connection, tls=port.endswith("s")) for connection in idle]
        for wire in greeted:
            wire.line()
        print(f"{port}: {(server.rss_mib() - before) / count * 1024:.1f} KiB for each of {count} idle connections")
        with server.bystander() as bystander:
            bystander.works()
        server.works()
    finally:
        for connection in idle:
            connection.close()


SMUGGLED = b"MAIL FROM:<smuggler@x.example>\r\nRCPT TO:<victim@one.example>\r\nDATA\r\nX-Key: smuggled\r\n\r\nsmuggled\r\n"
FALSE_ENDS = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r\r\n.\r\r\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n",
    b"\r\n.\r\r\n",
    b"\n\n.\n\n", b"\r\n.\x0b\r\n", b"\r\n. \r\n", b"\xe2\x80\xa8.\xe2\x80\xa8",
]


@pytest.mark.parametrize("slow", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("end", FALSE_ENDS, ids=repr)
def test_nothing_is_smuggled_in(server: Target, end: bytes, slow: bool) -> None:
    """I5: only CR LF . CR LF ends a message, whatever stands in it."""
    octets = b"Subject: outer\r\n\r\nouter" + end + SMUGGLED + b"\r\n.\r\n"
    with server.smtp() as smtp:
        for command, code in ((b"MAIL FROM:<a@x.example>", 250), (b"RCPT TO:<alice@one.example>", 250), (b"DATA", 354)):
            smtp.expect(code, command)
        if slow:
            _dribble(smtp, octets)
        else:
            smtp.send(octets)
        code, text = smtp.reply()
        assert code in (250, 550, 554), text
        smtp.send(b"QUIT\r\n")
        assert smtp.rest().startswith(b"221"), "one message, one answer"
    assert server.count("victim") == 0


def test_nothing_is_smuggled_through(server: Target) -> None:
    """What we take with bare line ends from our users, set to repair them, arrives as one message at the next hop."""
    for number, end in enumerate(FALSE_ENDS):
        with server.submission() as smtp:
            for command, code in ((b"MAIL FROM:<alice@one.example>", 250), (b"RCPT TO:<friend@far.example>", 250), (b"DATA", 354)):
                smtp.expect(code, command)
            smtp.send(b"X-Key: outer%d\r\n\r\nouter" % number + end + SMUGGLED + b"\r\n.\r\n")
            code, text = smtp.reply()
            assert code in (250, 550, 554), text
            smtp.send(b"QUIT\r\n")
            assert smtp.rest().startswith(b"221")
        if code == 250:
            server.sink.wait_for(f"took outer{number} ")
    assert not [line for line in server.sink.lines if "smuggled" in line]
    assert server.count("victim") == 0
