"""Mail from an own server by LMTP: a real client over TCP and a Unix socket, and a Postfix that has no mailboxes itself."""

from __future__ import annotations

import shutil
import smtplib
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import postfix as debian
from support.announced import anybody
from support.servers import PATIENCE_S, Child, MailServer, common_port
from support.smtptalk import Talk

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

ALICE, BOB, PASSWORD = "alice@one.example", "bob@one.example", "correct horse"
CONFIG = """
hostname = "store.one.example"
data = "data"
domains = ["one.example"]
[storage]
plugin = "sqlite"
max_octets = 20_000
[listeners.lmtp]
role = "lmtp"
endpoint = "127.0.0.1:0"
[listeners.socket]
role = "lmtp"
endpoint = "unix:{folder}/lmtp:mode=666"
tls = "none"
[listeners.own]
role = "relay-in"
endpoint = "127.0.0.1:0"
[listeners.strangers]
role = "mx"
endpoint = "127.0.0.1:0"
[relay_in]
networks = ["127.0.0.7"]
[smtp]
xclient_from = ["127.0.0.1"]
[guards.sender]                     # nobody here has a DNS to ask
roles = []
"""
SMALL = b"Subject: small\r\n\r\nHello\r\n"
LARGE = b"Subject: large\r\n\r\n" + (b"y" * 70 + b"\r\n") * 300      # more than anybody's quota


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="mailframe-lmtp-", dir="/tmp"))     # Postfix's own user must get in
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[MailServer]:
    (folder / "data").mkdir(mode=0o700)
    (folder / "mailframe.toml").write_text(CONFIG.format(folder=folder))
    for name in (ALICE, BOB):
        add(folder / "data" / "accounts", name, hash_password(PASSWORD))
    with (folder / "data" / "accounts").open("a") as file:
        file.write(f"both@one.example -> {ALICE}, joe@far.example\n")
    server = MailServer(folder, "--config", "mailframe.toml")
    yield server
    assert server.stop() == 0, server.output


def replies(client: smtplib.LMTP, octets: bytes, *recipients: str) -> list[int]:
    """The codes after the dot; smtplib reads one of them itself."""
    client.mail("carol@far.example")
    for one in recipients:
        assert client.rcpt(one)[0] == 250
    first = client.data(octets)[0]
    return [first, *(client.getreply()[0] for _ in recipients[1:])]


def test_smtplibs_client_over_tcp_and_a_unix_socket(server: MailServer, folder: Path) -> None:
    assert stat.S_IMODE((folder / "lmtp").stat().st_mode) == 0o666
    for where, port in (("127.0.0.1", server.ports["lmtp"]), (str(folder / "lmtp"), 0)):
        with smtplib.LMTP(where, port, "mta.example", timeout=PATIENCE_S) as client:
            client.ehlo_or_helo_if_needed()
            if port:
                client.starttls(context=anybody())
            assert client.ehlo()[0] == 250 and client.helo()[0] == 500
            assert client.rcpt("nobody@one.example")[0] == 503
            assert replies(client, SMALL, ALICE, BOB, ALICE) == [250, 250, 250]
            assert replies(client, SMALL, BOB) == [250]
            client.mail("carol@far.example")
            assert client.rcpt("nobody@one.example")[0] == 550 and client.rcpt("joe@far.example") == (550, b"5.7.1 Relaying denied")
            client.rset()


def test_a_full_mailbox_is_its_own_matter_and_what_an_alias_leads_out_is_the_queues(server: MailServer) -> None:
    with smtplib.LMTP("127.0.0.1", server.ports["lmtp"], "mta.example", timeout=PATIENCE_S) as client:
        client.ehlo()
        assert replies(client, LARGE, ALICE, BOB) == [452, 452]
        assert replies(client, SMALL, "both@one.example", BOB) == [250, 250]
    server.wait_for(r"to=<both@one\.example>,<bob@one\.example> failed=0")


def test_the_same_in_one_packet(server: MailServer) -> None:
    """PIPELINING: everything at once, everything answered in order."""
    said = (b"LHLO mta.example\r\nMAIL FROM:<>\r\nRCPT TO:<alice@one.example>\r\nRCPT TO:<nobody@one.example>\r\n"
            b"RCPT TO:<bob@one.example>\r\nDATA\r\n")
    with socket.create_connection(("127.0.0.1", server.ports["lmtp"]), PATIENCE_S) as raw, raw.makefile("rb") as file:
        raw.sendall(said)
        codes = []
        for line in file:
            codes += [int(line[:3])] if line[3:4] == b" " else []
            if codes[-1:] == [354]:
                raw.sendall(SMALL + b".\r\nQUIT\r\n")
    assert codes == [220, 250, 250, 250, 550, 250, 354, 250, 250, 221]


def test_relay_in_is_for_its_networks(server: MailServer) -> None:
    with Talk("127.0.0.1", server.ports["own"], None) as stranger:
        assert stranger.greeting.startswith("554 5.7.1") and stranger.say("QUIT").startswith("221")
    with Talk("127.0.0.1", server.ports["own"], source="127.0.0.7") as own:
        assert "AUTH" not in own.hello
        assert own.mail("app@one.example", ["joe@far.example", ALICE], SMALL).startswith("250 2.0.0")
    server.wait_for(r"from=<app@one\.example> to=<joe@far\.example>,<alice@one\.example> failed=0 .*ip=127\.0\.0\.7")


def test_xclient_over_a_real_socket(server: MailServer) -> None:
    with Talk("127.0.0.1", server.ports["strangers"]) as proxy:
        assert "XCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT" in proxy.hello
        assert proxy.say("XCLIENT ADDR=198.51.100.7 NAME=spike.far.example").startswith("220 store.one.example ESMTP")
        proxy.say("EHLO spike.far.example")
        assert proxy.mail("spike@far.example", [BOB], SMALL).startswith("250 2.0.0")
    server.wait_for(r"accepted id=\w+ from=<spike@far\.example> .*ip=198\.51\.100\.7 ")


# Postfix in front.

SETTINGS = """
virtual_mailbox_domains = one.example
virtual_mailbox_maps =
virtual_transport = lmtp:unix:{folder}/lmtp
"""


@pytest.fixture
def postfix(folder: Path, server: MailServer) -> Iterator[tuple[Child, int]]:
    port = common_port("127.0.0.1")
    settings = SETTINGS.format(folder=folder)
    with debian.postfix(folder / "postfix", "mx.one.example", {f"127.0.0.1:{port}": ""}, settings) as child:
        yield child, port


@pytest.mark.skipif(not debian.USABLE, reason=debian.UNUSABLE)
def test_postfix_hands_its_mail_to_our_mailboxes(server: MailServer, postfix: tuple[Child, int]) -> None:
    child, port = postfix
    with Talk("127.0.0.1", port) as talk:
        answer = talk.mail(ALICE, [ALICE, BOB, "nobody@one.example"], "Subject: Grüße\r\n\r\n.dot\r\n".encode())
        assert answer.startswith("250 2.0.0"), answer
    for name in ("alice", "bob"):
        child.wait_for(rf"to=<{name}@one\.example>, relay=mx\.one\.example\[.*/lmtp\].* dsn=2\.1\.5, status=sent "
                       rf"\(250 2\.1\.5 <{name}@one\.example> Ok: delivered as \w+\)")
    child.wait_for(r"to=<nobody@one\.example>.* dsn=5\.1\.1, status=bounced .*550 5\.1\.1 No such user here")
    server.wait_for(r"accepted .*from=<alice@one\.example> to=<alice@one\.example>,<bob@one\.example> failed=0 .*ip= account=-")
    with Talk("127.0.0.1", port) as talk:
        talk.mail(ALICE, [ALICE, BOB], LARGE)
    child.wait_for(r"to=<bob@one\.example>.* dsn=4\.2\.2, status=deferred .*452 4\.2\.2 <bob@one\.example> Mailbox is full")
