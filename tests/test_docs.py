"""The documents' code runs, their commands exist, their links lead somewhere (habits 12 and 13)."""

from __future__ import annotations

import configparser
import imaplib
import os
import re
import smtplib
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from support.documents import DOCUMENTS, ROOT, any_port, blocks, write_files
from support.servers import ANY_PORTS, PATIENCE_S, MailServer, twistd

from mailframe.app.config import FIXED, Config
from mailframe.app.plugins import KINDS
from mailframe.app.toml import Document, read

AUTHORS = ROOT / "docs" / "plugin-authors.md"


def run(*command: str, cwd: Path, text: str = "", code: int = 0) -> str:
    done = subprocess.run(command, cwd=cwd, input=text, text=True, capture_output=True, timeout=PATIENCE_S, check=False,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join((str(cwd), str(ROOT), str(ROOT / "tests")))})
    assert done.returncode == code, (command, done.stdout, done.stderr)
    return done.stdout + done.stderr


def mailframe(*arguments: str, cwd: Path, text: str = "", code: int = 0) -> str:
    return run(sys.executable, "-m", "mailframe.app.command", *arguments, cwd=cwd, text=text, code=code)


# docs/plugin-authors.md


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the page shows, on the path of who is started there."""
    write_files(AUTHORS, tmp_path)
    config = tmp_path / "mailframe.toml"
    config.write_text(any_port(config.read_text()))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), str(ROOT))))
    return tmp_path


def test_the_store_passes_the_examination_that_it_is_shown_with(acme: Path) -> None:
    said = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "acme/test_notes.py", cwd=acme)
    assert int(re.search(r"(\d+) passed", said)[1]) > 25 and "failed" not in said  # type: ignore[index]


def test_a_server_runs_with_the_pages_plugins(acme: Path) -> None:
    assert "good" in mailframe("check", "mailframe.toml", cwd=acme)
    server = MailServer(acme, "--config", "mailframe.toml")
    try:
        with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as client:
            client.sendmail("noreply@example.com", "ada.lovelace@example.org", "Subject: one\r\n\r\nHello\r\n")
            client.sendmail("a@example.com", "robot@example.org", "Subject: two\r\n\r\nHello\r\n")
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                client.sendmail("a@example.com", "nobody@example.org", "Subject: three\r\n\r\nHello\r\n")
            with pytest.raises(smtplib.SMTPDataError) as refused:
                client.sendmail("a@example.com", "robot@example.org", 'Subject: four\r\n\r\nname="run.EXE"\r\n')
            assert b"not accepted here" in refused.value.smtp_error
            client.sendmail("noreply@example.com", "robot@example.org", "Subject: five\r\n\r\nHello\r\n")
        reader = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=PATIENCE_S)
        with pytest.raises(imaplib.IMAP4.error):
            reader.login("robot@example.org", "wrong")
        reader.login("robot@example.org", "5b1c6b0f8a")
        assert reader.select()[1] == [b"2"]
        assert reader.search(None, "HEADER", "X-Automatic", "yes")[1] == [b"2"]
        reader.logout()
    finally:
        assert server.stop() == 0, server.output
    assert "Traceback" not in server.output


def test_a_server_delivers_into_the_pages_maildrop(acme: Path) -> None:
    server = MailServer(acme, "--data", "data", *ANY_PORTS, "--delivery", "acme.maildrop:Maildrop:out")
    try:
        with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as client:
            client.sendmail("a@example.com", "dev@localhost", "Subject: one\r\n\r\nHello\r\n")
    finally:
        assert server.stop() == 0, server.output
    (file,) = (acme / "out").iterdir()
    assert file.read_bytes().startswith(b"Received:") and file.read_bytes().endswith(b"Subject: one\r\n\r\nHello\r\n")


def test_the_pages_entry_points_name_what_is_there(acme: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(acme))
    declared = configparser.ConfigParser()
    declared.read_string("\n".join(block.text for block in blocks(AUTHORS, "ini")))
    for group, lines in declared["options.entry_points"].items():
        assert group.partition(".")[2] in KINDS
        for line in lines.strip().splitlines():
            module, _, attribute = line.partition("=")[2].strip().partition(":")
            assert callable(getattr(import_module(module), attribute))


# All of them


@pytest.mark.parametrize(("place", "text"), [
    pytest.param(place, block.text, id=place) for document in DOCUMENTS for block in blocks(document, "toml")
    for place in (f"{document.relative_to(ROOT)}:{block.line}",)
])
def test_every_configuration_shown_can_be_read(place: str, text: str) -> None:
    if "domains" not in tomllib.loads(text):
        text = f'domains = ["example.org"]\n{text}'
    read(Document.parse(text, place), Config, FIXED)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        there = (document.parent / path).resolve() if path else document
        assert there.exists(), f"{document.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, target


def shell_lines() -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        for block in blocks(document, "sh"):
            for number, line in enumerate(block.text.replace("\\\n", "  ").splitlines()):
                yield f"{document.relative_to(ROOT)}:{block.line + number}", line


def test_every_option_shown_exists(tmp_path: Path) -> None:
    """Of twistd mailframe and of mailframe, in all shell blocks."""
    known = set(re.findall(r"--[a-z0-9-]+", run(*twistd("mailframe", "--help"), cwd=tmp_path)))
    helps: dict[tuple[str, ...], str] = {}
    for place, line in shell_lines():
        for command in re.split(r"&&|;|\|", line.partition("  #")[0]):
            words = command.split()
            if "twistd" in words and "mailframe" in words[words.index("twistd"):]:
                after = words[words.index("twistd"):]
                options = {word.partition("=")[0] for word in after[after.index("mailframe") + 1:] if word.startswith("--")}
                assert options <= known | {"--help"}, place
            elif words[:1] == ["mailframe"] and len(words) > 1 and not words[1].startswith("-"):
                depth = 3 if words[1] in ("user", "queue") else 2
                key = tuple(words[1:depth])
                if key not in helps:
                    helps[key] = mailframe(*key, "--help", cwd=tmp_path)
                for word in words[depth:]:
                    assert not word.startswith("--") or word in helps[key], f"{place}: {word}"
