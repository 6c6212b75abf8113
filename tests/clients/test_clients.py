"""The mail programs people have: each sends or reads against a server as they would start it."""

from __future__ import annotations

import imaplib
import poplib
import smtplib
import ssl
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import pytest
from support.client_settings import settings
from support.client_world import USER, deliver, needs, run
from support.halfclose import converse
from support.servers import ANY_PORTS, PATIENCE_S, MailServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    server = MailServer(tmp_path_factory.mktemp("server"), *ANY_PORTS)
    yield server
    assert server.stop() == 0, server.output
    assert "Traceback" not in server.output


@pytest.fixture(autouse=True)
def empty(server: MailServer) -> None:
    """Each test begins with no mail."""
    client = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=PATIENCE_S)
    client.login(USER, server.password)
    for name in ("INBOX", "Captured", "Sent"):
        if client.select(name)[1] != [b"0"]:        # "*" in an empty mailbox is BAD (RFC 3501 section 9)
            client.store("1:*", "+FLAGS.SILENT", "(\\Deleted)")
        client.close()
    client.logout()


def inbox(server: MailServer, folder: str = "INBOX") -> list[str]:
    """The subjects in a folder."""
    client = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=PATIENCE_S)
    client.login(USER, server.password)
    count = int(client.select(folder, readonly=True)[1][0] or b"0")
    parts = client.fetch("1:*", "(BODY.PEEK[])")[1] if count else []
    client.logout()
    return [str(message_from_bytes(part[1])["Subject"]) for part in parts if isinstance(part, tuple)]


def anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_smtplib_submits_over_starttls_and_tls(server: MailServer) -> None:
    with smtplib.SMTP("127.0.0.1", server.ports["submission"], timeout=PATIENCE_S) as client:
        client.starttls(context=anybody())
        client.login(USER, server.password)
        client.sendmail(USER, [USER], "Subject: starttls\r\n\r\nHello\r\n")
    with smtplib.SMTP_SSL("127.0.0.1", server.ports["submissions"], timeout=PATIENCE_S, context=anybody()) as client:
        client.login(USER, server.password)
        client.sendmail(USER, [USER], "Subject: tls\r\n\r\nHello\r\n")
    assert inbox(server) == ["starttls", "tls"]


def test_submission_adds_what_is_missing(server: MailServer) -> None:
    with smtplib.SMTP("127.0.0.1", server.ports["submission"], timeout=PATIENCE_S) as client:
        client.login(USER, server.password)
        client.sendmail(USER, [USER], "Subject: bare\r\n\r\nHello\r\n")
    pop = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=PATIENCE_S)
    pop.user(USER)
    pop.pass_(server.password)
    message = message_from_bytes(b"\r\n".join(pop.retr(1)[1]))
    pop.quit()
    assert message["Date"] and message["Message-ID"].endswith("@localhost>")
    assert "with ESMTPA" in message["Received"]


def test_imaplib_and_poplib_over_tls(server: MailServer) -> None:
    deliver(server, "one", "two")
    imap = imaplib.IMAP4_SSL("127.0.0.1", server.ports["imaps"], ssl_context=anybody(), timeout=PATIENCE_S)
    imap.login(USER, server.password)
    assert imap.select("INBOX") == ("OK", [b"2"])
    assert imap.search(None, "SUBJECT", "two") == ("OK", [b"2"])
    imap.logout()
    pop = poplib.POP3_SSL("127.0.0.1", server.ports["pop3s"], context=anybody(), timeout=PATIENCE_S)
    pop.user(USER)
    pop.pass_(server.password)
    assert len(pop.list()[1]) == 2
    pop.quit()
    pop = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=PATIENCE_S)
    pop.stls(anybody())
    pop.user(USER)
    pop.pass_(server.password)
    for number in (1, 2):
        pop.dele(number)
    pop.quit()
    assert inbox(server) == []


@needs("curl")
def test_curl_sends_reads_searches_appends_and_deletes(server: MailServer, tmp_path: Path) -> None:
    login = f"{USER}:{server.password}"
    letter = tmp_path / "letter"
    letter.write_bytes(b"From: a@example.org\r\nSubject: by curl\r\n\r\nHello from curl\r\n")
    run("curl", "-sS", f"smtp://127.0.0.1:{server.ports['submission']}", "--ssl-reqd", "-k", "-u", login, "--mail-from", USER,
        "--mail-rcpt", USER, "-T", str(letter))
    url = f"imap://127.0.0.1:{server.ports['imap']}"
    assert "Hello from curl" in run("curl", "-sS", f"{url}/INBOX;MAILINDEX=1", "-u", login)
    section = f"{url}/INBOX;MAILINDEX=1;SECTION=HEADER.FIELDS%20(SUBJECT)"
    assert run("curl", "-sS", section, "-u", login) == "Subject: by curl\n\n"
    assert "* SEARCH 1" in run("curl", "-sS", f"{url}/INBOX?SUBJECT%20curl", "-u", login)
    run("curl", "-sS", "-k", "--ssl-reqd", f"{url}/Sent", "-u", login, "-T", str(letter))
    assert inbox(server, "Sent") == ["by curl"]
    assert "Drafts" in run("curl", "-sS", f"{url}/", "-u", login)
    pop = f"pop3://127.0.0.1:{server.ports['pop3']}"
    assert run("curl", "-sS", pop, "-u", login).startswith("1 ")
    assert "Hello from curl" in run("curl", "-sS", f"{pop}/1", "-u", login)
    assert "Hello" in run("curl", "-sS", "-k", f"pop3s://127.0.0.1:{server.ports['pop3s']}/1", "-u", login)
    run("curl", "-sS", f"{pop}/1", "-X", "DELE", "-l", "-u", login)
    assert inbox(server) == []


@needs("swaks")
def test_swaks_with_and_without_tls_and_login(server: MailServer) -> None:
    common = ("swaks", "--to", USER, "--from", "a@example.org", "--helo", "client.example.org")
    run(*common, "--server", f"127.0.0.1:{server.ports['smtp']}", "--header", "Subject: plain")
    for mechanism in ("PLAIN", "LOGIN"):
        run("swaks", "--to", USER, "--from", USER, "--server", f"127.0.0.1:{server.ports['submission']}", "--auth", mechanism,
            "--auth-user", USER, "--auth-password", server.password, "--header", f"Subject: auth {mechanism}")
    assert inbox(server) == ["plain", "auth PLAIN", "auth LOGIN"]


@needs("msmtp")
def test_msmtp_submits(server: MailServer, tmp_path: Path) -> None:
    rc = tmp_path / ".msmtprc"
    rc.write_text(settings("msmtprc", {
        "mail.example.org": "127.0.0.1", "465": str(server.ports["submissions"]), "alice@example.org": USER,
        "tls_starttls off": "tls_starttls off\ntls_certcheck off",
    }))
    (tmp_path / ".mail-password").write_text(server.password + "\n")
    rc.chmod(0o600)
    run("msmtp", f"--file={rc}", USER, text=f"From: {USER}\nTo: {USER}\nSubject: by msmtp\n\nHello\n", env={"HOME": str(tmp_path)})
    assert inbox(server) == ["by msmtp"]


@needs("fetchmail")
@pytest.mark.parametrize("protocol", ["IMAP", "POP3"])
def test_fetchmail_collects(server: MailServer, tmp_path: Path, protocol: str) -> None:
    deliver(server, "one", "two")
    rc = tmp_path / "fetchmailrc"
    rc.write_text(settings("fetchmailrc", {
        "mail.example.org": "127.0.0.1", "IMAP port 993": f"{protocol} port {server.ports[protocol.lower()]} auth password",
        "alice@example.org": USER, "secret": server.password, "ssl sslcertck": f'sslproto "" mda "cat >> {tmp_path}/got"',
    }))
    rc.chmod(0o600)
    run("fetchmail", "-f", str(rc), "--pidfile", str(tmp_path / "pid"), "-i", str(tmp_path / "ids"), "--nosyslog",
        env={"HOME": str(tmp_path), "FETCHMAILHOME": str(tmp_path)})
    got = (tmp_path / "got").read_text()
    assert "Subject: one" in got and "Subject: two" in got
    assert inbox(server) == [], "collected and deleted"


def test_a_script_that_says_all_at_once_and_half_closes_hears_all(server: MailServer) -> None:
    """As ``printf ... | nc -N localhost 1143`` does."""
    message = f"EHLO c\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<{USER}>\r\nDATA\r\nSubject: breathless\r\n\r\n.\r\n"
    assert b"\r\n250 2.0.0 Ok: queued" in converse(server.ports["smtp"], message.encode())
    visit = f"a LOGIN {USER} {server.password}\r\nb SELECT INBOX\r\nc FETCH 1 BODY[HEADER.FIELDS (SUBJECT)]\r\n"
    answers = converse(server.ports["imap"], visit.encode())
    assert b"Subject: breathless" in answers and answers.endswith(b"\r\nc OK FETCH completed\r\n")
    visit = f"USER {USER}\r\nPASS {server.password}\r\nDELE 1\r\n"
    assert converse(server.ports["pop3"], visit.encode()).endswith(b"\r\n+OK Marked as deleted\r\n")
    assert converse(server.ports["pop3"], visit.encode() + b"QUIT\r\n").endswith(b"\r\n+OK Bye, 0 messages left\r\n")
