"""The example of embedding runs as its first lines say: one process with a web site and a mail server, one inbox."""

from __future__ import annotations

import smtplib
import socket
import urllib.request
from pathlib import Path

from support.servers import PATIENCE_S, Child, twistd

EXAMPLE = Path(__file__).parents[2] / "examples" / "embed.py"


def page(port: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE_S) as answer:
        octets: bytes = answer.read()
    return octets.decode()


def test_what_is_sent_shows_up_on_the_web_page(tmp_path: Path) -> None:
    child = Child(twistd("-n", "--pidfile=", "--python", str(EXAMPLE)), tmp_path,
                  {"MAIL_DATA": str(tmp_path / "data"), "SMTP_PORT": "0", "IMAP_PORT": "0", "WEB_PORT": "0"})
    try:
        web = child.wait_for(r"Site starting on (\d+)")[1]
        smtp = child.wait_for(r"is ready: .*smtp 127\.0\.0\.1:(\d+)")[1]
        assert "0 messages for dev@localhost" in page(web)
        with smtplib.SMTP("127.0.0.1", int(smtp), timeout=PATIENCE_S) as client:
            client.sendmail("a@example.org", ["dev@localhost"], "From: a@example.org\r\nSubject: <b>Hello</b>\r\n\r\nHi\r\n")
        shown = page(web)
        assert "1 messages for dev@localhost" in shown
        assert "&lt;b&gt;Hello&lt;/b&gt;" in shown, "what strangers write is text, not HTML"
    finally:
        assert child.stop() == 0, child.output
    assert (tmp_path / "data").is_dir()


def test_with_a_taken_port_the_web_site_runs_on_and_the_log_says_why(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        child = Child(twistd("-n", "--pidfile=", "--python", str(EXAMPLE)), tmp_path,
                      {"MAIL_DATA": str(tmp_path / "data"), "SMTP_PORT": port, "IMAP_PORT": "0", "WEB_PORT": "0"})
        try:
            child.wait_for(rf"mailframe cannot start: .*{port}.* for smtp: another program has this port")
            child.wait_for(r"Site starting on (\d+)")
        finally:
            assert child.stop() == 0, child.output
