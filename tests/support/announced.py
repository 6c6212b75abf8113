"""What a real server says it can do, asked over real sockets: before TLS, under TLS, logged in."""

from __future__ import annotations

import imaplib
import poplib
import re
import smtplib
import ssl
from pathlib import Path

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password
from support.servers import PATIENCE_S, MailServer

USER, ADMIN, PASSWORD = "alice@example.org", "root@example.org", "correct horse battery"

_CONFIGURATION = """
hostname = "mail.example.org"
domains = ["example.org"]
[pipeline]
answer_vrfy = true
answer_expn = true
no_soliciting = ["net.example:ADV"]
[pipeline.route]
relay_domains = ["backup.example"]
[imap]
admins = ["root@example.org"]

[lmtp]
xclient_from = ["127.0.0.1"]
xforward_from = ["127.0.0.1"]

[storage]
plugin = "sqlite"
search_index = true
"""
_TIME = re.compile(r"\b\d{4}-\d\d-\d\dT[\d:]+Z")         # of FUTURERELEASE: another one at every connection
_LISTENER = '[listeners.{0}]\nrole = "{0}"\nendpoint = "127.0.0.1:0"\n'


def real_server(folder: Path) -> MailServer:
    """A server with an account and an administrator's, as one would run it for oneself (no development mode, mail indexed)."""
    config = folder / "mailframe.toml"
    config.write_text(_CONFIGURATION + "".join(_LISTENER.format(role) for role in ("smtp", "submission", "lmtp", "imap", "pop3")))
    (folder / "mailframe-data").mkdir(mode=0o700)
    for name in (USER, ADMIN):
        add(folder / "mailframe-data" / "accounts", name, hash_password(PASSWORD))
    return MailServer(folder, "--config", str(config))


def anybody() -> ssl.SSLContext:
    """Trusts a self-signed certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def announced(server: MailServer) -> dict[str, list[str]]:
    """The words of EHLO, CAPABILITY and CAPA in their order, by situation."""
    return {**_smtp(server), **_imap(server), **_pop3(server)}


def _smtp(server: MailServer) -> dict[str, list[str]]:
    found = {}
    for role, title in (("smtp", "SMTP from other servers"), ("submission", "Submission")):
        with smtplib.SMTP("127.0.0.1", server.ports[role], "client.example.org", timeout=PATIENCE_S) as client:
            found[f"{title}, in the clear"] = _ehlo(client)
            client.starttls(context=anybody())
            found[f"{title}, under TLS"] = _ehlo(client)
            if role == "submission":
                client.login(USER, PASSWORD)
                found[f"{title}, logged in"] = _ehlo(client)
    with smtplib.LMTP("127.0.0.1", server.ports["lmtp"], "client.example.org", timeout=PATIENCE_S) as own:
        found["LMTP, from where XCLIENT and XFORWARD may be used"] = _ehlo(own)
    return found


def _ehlo(client: smtplib.SMTP) -> list[str]:
    code, answer = client.ehlo()
    assert code == 250
    return [_TIME.sub("(the latest time)", line) for line in answer.decode().splitlines()[1:]]


def _imap(server: MailServer) -> dict[str, list[str]]:
    client = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=PATIENCE_S)
    found = {"IMAP, in the clear": _capability(client)}
    client.starttls(anybody())
    found["IMAP, under TLS"] = _capability(client)
    client.login(USER, PASSWORD)
    found["IMAP, logged in"] = _capability(client)
    client.logout()
    with imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=PATIENCE_S) as client:
        client.starttls(anybody())
        client.login(ADMIN, PASSWORD)
        found["IMAP, logged in as an administrator"] = _capability(client)
    return found


def _capability(client: imaplib.IMAP4) -> list[str]:
    return str(client.capability()[1][0].decode()).split()


def _pop3(server: MailServer) -> dict[str, list[str]]:
    client = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=PATIENCE_S)
    found = {"POP3, in the clear": _capa(client)}
    client.stls(anybody())
    found["POP3, under TLS"] = _capa(client)
    client.user(USER)
    client.pass_(PASSWORD)
    found["POP3, logged in"] = _capa(client)
    client.quit()
    return found


def _capa(client: poplib.POP3) -> list[str]:
    return [" ".join((word, *arguments)) for word, arguments in client.capa().items()]
