"""The small example plugins in one whole server: by drop-in file, by entry point, and by module."""

from __future__ import annotations

import poplib
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.servers import PATIENCE_S, MailServer, listeners

EXAMPLES = Path(__file__).parents[2] / "examples"
ROOT = EXAMPLES.parent

CONFIG = """
hostname = "mail.example.org"
domains = ["example.org"]
[delivery]
plugin = "eml"
path = "incoming"
[[auth]]
plugin = "small_plugins:Team"
domain = "example.org"
people = { ada = "secret", bob = "other" }
[[filters]]
plugin = "shouting"
refuse = ["LOTTERY"]
""" + listeners("smtp", "submission", "pop3")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("small_plugins")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[MailServer]:
    plugins = folder / "path" / "twisted" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "small_dropin.py").write_text(
        "from mailframe.app.dropin import DropIn\n"
        "eml = DropIn('delivery', 'eml', 'Mail as .eml files', 'small_plugins', 'EmlFiles')\n")
    point = folder / "path" / "small-1.0.dist-info"
    point.mkdir()
    (point / "METADATA").write_text("Metadata-Version: 2.1\nName: small\nVersion: 1.0\n")
    (point / "entry_points.txt").write_text("[mailframe.filter]\nshouting = small_plugins:Shouting\n")
    (folder / "mailframe.toml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{folder / 'path'}:{EXAMPLES}:{ROOT}")
        running = MailServer(folder, "--config", "mailframe.toml")
    yield running
    assert running.stop() == 0, running.output


@pytest.fixture
def incoming(folder: Path) -> Path:
    """The folder of the delivery agent, emptied."""
    for file in (folder / "incoming").glob("*"):
        file.unlink()
    return folder / "incoming"


def send(server: MailServer, subject: str, *recipients: str) -> None:
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as client:
        client.sendmail("x@elsewhere.example", recipients, f"Subject: {subject}\r\n\r\nBody of {subject}\r\n")


def test_the_delivery_agent_writes_a_file_for_each_recipient(server: MailServer, incoming: Path) -> None:
    send(server, "hello", "ada@example.org", "bob@example.org")
    files = sorted(incoming.iterdir())
    assert [file.suffix for file in files] == [".eml", ".eml"]
    texts = [file.read_text() for file in files]
    for text, name in zip(texts, ("ada", "bob"), strict=True):
        assert text.startswith("Return-Path: <x@elsewhere.example>") and text.endswith("Body of hello\n")
        assert "X-Shouting" not in text
        assert f"\nDelivered-To: {name}@example.org\n" in text


def test_the_directory_knows_who_exists(server: MailServer, incoming: Path) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        send(server, "hello", "carol@example.org")
    assert caught.value.recipients["carol@example.org"][0] == 550
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        send(server, "hello", "someone@other.example")
    assert b"Relaying denied" in caught.value.recipients["someone@other.example"][1]


def test_the_filter_marks_and_refuses(server: MailServer, incoming: Path) -> None:
    send(server, "HELLO THERE", "ada@example.org")
    file, = incoming.iterdir()
    assert "\nX-Shouting: yes\n" in file.read_text()
    with pytest.raises(smtplib.SMTPDataError) as caught:
        send(server, "The Lottery calls", "ada@example.org")
    assert (caught.value.smtp_code, caught.value.smtp_error) == (550, b"5.7.1 Not that again")


def test_the_team_logs_in_and_sends_under_its_own_names(server: MailServer, incoming: Path) -> None:
    client = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=PATIENCE_S)
    client.user("ada@example.org")
    with pytest.raises(poplib.error_proto, match="AUTH"):
        client.pass_("wrong")
    client.user("Ada@Example.Org")
    client.pass_("secret")
    client.quit()
    with smtplib.SMTP("127.0.0.1", server.ports["submission"], timeout=PATIENCE_S) as submission:
        submission.login("ada@example.org", "secret")
        submission.sendmail("ada@example.org", ["bob@example.org"], "Subject: to bob\r\n\r\nHi\r\n")
        with pytest.raises(smtplib.SMTPSenderRefused):
            submission.sendmail("bob@example.org", ["ada@example.org"], "Subject: as bob\r\n\r\nHi\r\n")
    assert len(list(incoming.iterdir())) == 1
