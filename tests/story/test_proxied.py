"""A whole server behind a proxy: every protocol, with TLS from the first octet and on demand, sees the client itself."""

from __future__ import annotations

import imaplib
import poplib
import smtplib
import socket
import struct
from collections.abc import Iterator

import pytest
from support.announced import anybody
from support.proxy import proxy
from support.servers import PATIENCE_S, MailServer

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

USER, PASSWORD = "alice@one.example", "correct horse"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1 = b"PROXY TCP4 198.51.100.7 203.0.113.1 40000 25\r\n"
V2 = SIGNATURE + b"\x21\x11" + struct.pack("!H4s4sHH", 12, bytes((198, 51, 100, 7)), bytes((203, 0, 113, 1)), 40_000, 25)
ROLES = {"smtp": "mx", "submission": "submission", "submissions": "submission", "imap": "imap", "imaps": "imap", "pop3": "pop3",
         "pop3s": "pop3"}
CONFIG = 'hostname = "mail.one.example"\ndata = "data"\ndomains = ["one.example"]\n' + "".join(
    f'[listeners.{name}]\nrole = "{role}"\nendpoint = "127.0.0.1:0"\nproxy_from = ["127.0.0.1"]\n'
    + ('tls = "implicit"\n' if name.endswith("s") else "") for name, role in ROLES.items()) + """
[listeners.closed]
role = "mx"
endpoint = "127.0.0.1:0"
proxy_from = ["192.0.2.0/24"]
[guards.sender]                     # nobody here has a DNS to ask
roles = []
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    folder = tmp_path_factory.mktemp("one")
    (folder / "data").mkdir(mode=0o700)
    (folder / "mailframe.toml").write_text(CONFIG)
    add(folder / "data" / "accounts", USER, hash_password(PASSWORD))
    server = MailServer(folder, "--config", "mailframe.toml")
    yield server
    assert server.stop() == 0, server.output


def test_mail_from_others_with_starttls(server: MailServer) -> None:
    with proxy(server.ports["smtp"], V1) as port, smtplib.SMTP("127.0.0.1", port, "far.example", PATIENCE_S) as client:
        client.starttls(context=anybody())
        client.sendmail("bob@far.example", [USER], "Subject: one\r\n\r\n")
    server.wait_for(r"accepted id=\w+ from=<bob@far\.example> .*ip=198\.51\.100\.7 ")


def test_submission_with_tls_from_the_first_octet(server: MailServer) -> None:
    """The header comes before the handshake."""
    with proxy(server.ports["submissions"], V2) as port, smtplib.SMTP_SSL(
            "127.0.0.1", port, "laptop", timeout=PATIENCE_S, context=anybody()) as client:
        client.login(USER, PASSWORD)
        client.sendmail(USER, [USER], "Subject: two\r\n\r\n")
    server.wait_for(r"login ip=198\.51\.100\.7 user='alice@one\.example' protocol=smtp")


def test_reading_by_imap_and_pop3(server: MailServer) -> None:
    with proxy(server.ports["imap"], V1) as port, imaplib.IMAP4("127.0.0.1", port, PATIENCE_S) as client:
        client.starttls(anybody())
        client.login(USER, PASSWORD)
    server.wait_for(r"login ip=198\.51\.100\.7 user='alice@one\.example' protocol=imap")
    with proxy(server.ports["imaps"], V2.replace(b"\xc6", b"\xc7", 1)) as port, imaplib.IMAP4_SSL(
            "127.0.0.1", port, ssl_context=anybody(), timeout=PATIENCE_S) as secure:
        secure.login(USER, PASSWORD)
        assert secure.select()[0] == "OK"
    server.wait_for(r"login ip=199\.51\.100\.7 .*protocol=imap")
    with proxy(server.ports["pop3s"], V2) as port:
        pop = poplib.POP3_SSL("127.0.0.1", port, timeout=PATIENCE_S, context=anybody())
        pop.user(USER)
        pop.pass_(PASSWORD)
        pop.quit()
    server.wait_for(r"login ip=198\.51\.100\.7 user='alice@one\.example' protocol=pop3")


def test_who_guesses_is_the_client_and_not_the_proxy(server: MailServer) -> None:
    with proxy(server.ports["pop3s"], V2) as port:
        pop = poplib.POP3_SSL("127.0.0.1", port, timeout=PATIENCE_S, context=anybody())
        pop.user(USER)
        with pytest.raises(poplib.error_proto):
            pop.pass_("wrong")
        pop.quit()
    server.wait_for(r"login failed ip=198\.51\.100\.7 ")


@pytest.mark.parametrize("name", ["smtp", "submissions", "imap", "imaps", "pop3"])
def test_a_client_that_comes_by_itself_is_cut_off(server: MailServer, name: str) -> None:
    with socket.create_connection(("127.0.0.1", server.ports[name]), PATIENCE_S) as client:
        client.sendall(b"EHLO client.example\r\n")
        assert ended(client)
    server.wait_for(rf"proxy refused ip=127\.0\.0\.1 listener={name}: no PROXY header")


def test_a_proxy_that_is_not_trusted_is_cut_off(server: MailServer) -> None:
    with socket.create_connection(("127.0.0.1", server.ports["closed"]), PATIENCE_S) as client:
        assert ended(client)
    server.wait_for(r"proxy refused ip=127\.0\.0\.1 listener=closed: is not in proxy_from")


def ended(client: socket.socket) -> bool:
    try:
        return client.recv(100) == b""
    except ConnectionResetError:
        return True
