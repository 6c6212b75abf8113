"""The documents' code runs, their commands exist, their links lead somewhere (habits 12 and 13)."""

from __future__ import annotations

import configparser
import imaplib
import io
import os
import poplib
import re
import runpy
import shutil
import smtplib
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from functools import cache
from importlib import import_module
from pathlib import Path
from smtplib import LMTP, SMTP
from tempfile import TemporaryDirectory
from typing import Any

import apsw
import pytest
from support.announced import PASSWORD, USER, anybody, real_server
from support.bare_store import BareStore
from support.documents import AUTHORS, DOCUMENTS, ROOT, any_port, blocks, run, write_files
from support.servers import ANY_PORTS, PATIENCE_S, Child, MailServer, twistd
from support.talk import Talk
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from mailframe.app import command as command_line
from mailframe.app.config import FIXED, Config, Listener
from mailframe.app.options import Options
from mailframe.app.plugins import KINDS
from mailframe.app.service import MailService
from mailframe.app.toml import Document, read
from mailframe.filters.tarpit import Tarpit, TarpitSettings
from mailframe.interfaces.store import IModSequenced
from mailframe.model.mailbox import FRESH_ACCOUNT

EMBEDDING = ROOT / "docs" / "embedding.md"


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


def test_the_shortest_store_is_a_whole_imap_server(acme: Path) -> None:
    server = MailServer(acme, "--data", "data", *ANY_PORTS, "--storage", "acme.shortest:ShortestStore")
    try:
        with Talk(server.ports["imap"]) as talk:
            talk.do(f"LOGIN dev@localhost {server.password}")
            assert {"CONDSTORE", "QRESYNC", "SORT", "MOVE"} <= set(talk.do("CAPABILITY")[0].split())
            talk.do("SELECT INBOX")
    finally:
        assert server.stop() == 0, server.output


def install(folder: Path) -> None:
    """As pip would: the entry points that the page shows are found."""
    declared = configparser.ConfigParser()
    declared.read_string("\n".join(block.text for block in blocks(AUTHORS, "ini")))
    groups = "".join(f"[{group}]{lines}\n" for group, lines in declared["options.entry_points"].items())
    metadata = folder / "acme-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(groups)


def test_the_walk_ends_at_a_quota(acme: Path) -> None:
    """NO [OVERQUOTA] for who appends and copies, 452 4.2.2 for who sends; a move is free, and an expunge makes room."""
    install(acme)
    config = acme / "whole.toml"
    config.write_text(any_port(config.read_text()))
    server = MailServer(acme, "--config", "whole.toml")
    large = "Subject: large\r\n\r\n" + ("x" * 70 + "\r\n") * 80         # of 10,000 octets, more than half
    try:
        with SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as client, Talk(server.ports["imap"]) as talk:
            client.sendmail("a@example.com", "robot@example.org", large)
            client.mail("a@example.com")
            assert client.rcpt("robot@example.org")[0] == 250
            code, words = client.data(large)
            assert (code, words[:5]) == (452, b"4.2.2"), words
            talk.do("LOGIN robot@example.org 5b1c6b0f8a")
            talk.do("SELECT INBOX")
            assert talk.do("COPY 1 Archive", "NO")[-1].startswith("NO [OVERQUOTA]")
            assert talk.do(f"APPEND INBOX {{{len(large)}+}}\r\n{large}", "NO")[-1].startswith("NO [OVERQUOTA]")
            assert any("COPYUID" in line for line in talk.do("MOVE 1 Archive"))
            assert "MESSAGES 1" in talk.do("STATUS Archive (MESSAGES)")[0]
            talk.do("SELECT Archive")
            talk.do("STORE 1 +FLAGS (\\Deleted)")
            talk.do("EXPUNGE")
            client.sendmail("a@example.com", "robot@example.org", large)
    finally:
        assert server.stop() == 0, server.output
    assert "Traceback" not in server.output


def test_a_server_keeps_large_messages_in_the_pages_content_store(acme: Path) -> None:
    server = MailServer(acme, "--data", "data", *ANY_PORTS, "--content", "acme.vault:Vault:vault")
    try:
        with SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as client:
            client.sendmail("a@example.com", "dev@localhost", "Subject: small\r\n\r\nHello\r\n")
            client.sendmail("a@example.com", "dev@localhost", "Subject: large\r\n\r\n" + "Hello, hello\r\n" * 30_000)
        (file,) = (acme / "vault").iterdir()
        assert file.read_bytes().startswith(b"Subject: large\r\n\r\nHello")
        reader = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=PATIENCE_S)
        reader.login("dev@localhost", server.password)
        reader.select()
        answer: Any = reader.fetch("2", "(BODY[TEXT])")[1]
        assert answer[0][1] == b"Hello, hello\r\n" * 30_000
        reader.logout()
    finally:
        assert server.stop() == 0, server.output
    assert "Traceback" not in server.output


def test_a_server_runs_with_the_pages_plugins(acme: Path) -> None:
    assert "good" in mailframe("check", "mailframe.toml", cwd=acme)
    server = MailServer(acme, "--config", "mailframe.toml")
    try:
        with SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as client:
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
        assert reader.search(None, "HEADER", "Received", "printer.example.org")[1] == [b"1 2"]
        reader.logout()
    finally:
        assert server.stop() == 0, server.output
    assert "Traceback" not in server.output


def test_a_server_delivers_into_the_pages_maildrop(acme: Path) -> None:
    server = MailServer(acme, "--data", "data", *ANY_PORTS, "--delivery", "acme.maildrop:Maildrop:out")
    try:
        with SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as client:
            client.sendmail("a@example.com", "dev@localhost", "Subject: one\r\n\r\nHello\r\n")
    finally:
        assert server.stop() == 0, server.output
    (file,) = (acme / "out").iterdir()
    assert file.read_bytes().startswith(b"Received:") and file.read_bytes().endswith(b"Subject: one\r\n\r\nHello\r\n")


def test_the_page_drops_a_plugin_in(acme: Path) -> None:
    assert re.search(r"delivery +maildrop +twisted.plugins", mailframe("plugins", cwd=acme))


def test_the_pages_entry_points_name_what_is_there(acme: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(acme))
    declared = configparser.ConfigParser()
    declared.read_string("\n".join(block.text for block in blocks(AUTHORS, "ini")))
    for group, lines in declared["options.entry_points"].items():
        assert group.partition(".")[2] in KINDS
        for line in lines.strip().splitlines():
            module, _, attribute = line.partition("=")[2].strip().partition(":")
            assert callable(getattr(import_module(module), attribute))
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme"]:
        monkeypatch.delitem(sys.modules, name)


# docs/embedding.md


@pytest.fixture
def embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_files(EMBEDDING, tmp_path)
    for name in ("application.py", "own_parts.py"):
        (tmp_path / name).write_text(any_port((tmp_path / name).read_text()))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


@contextmanager
def application(folder: Path, name: str) -> Iterator[dict[str, int]]:
    """`twistd --python NAME`; yields the port of each listener."""
    child = Child(twistd("--nodaemon", "--pidfile=", "--python", name), folder)
    try:
        ready = child.wait_for(r"is ready: (.*)")[1]
        yield {name: int(port) for name, port in re.findall(r"(\w+) [0-9.]+:(\d+)", ready)}
    finally:
        assert child.stop() == 0, child.output
    assert "Traceback" not in child.output


def test_an_application_with_mail_in_it_runs(embedded: Path) -> None:
    with application(embedded, "application.py") as ports, SMTP("127.0.0.1", ports["smtp"], timeout=PATIENCE_S) as client:
        assert client.sendmail("a@example.org", "dev@localhost", "Subject: one\r\n\r\nHello\r\n") == {}
        assert "imap" in ports


def test_an_application_with_its_own_users_runs(embedded: Path) -> None:
    with application(embedded, "own_parts.py") as ports:
        with SMTP("127.0.0.1", ports["smtp"], timeout=PATIENCE_S) as client:
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                client.sendmail("a@example.com", "eve@example.org", "Subject: one\r\n\r\nHello\r\n")
            client.sendmail("a@example.com", "ada@example.org", "Subject: one\r\n\r\nHello\r\n")
        reader = imaplib.IMAP4("127.0.0.1", ports["imap"], timeout=PATIENCE_S)
        reader.login("ada@example.org", "engine")
        assert reader.select()[1] == [b"1"]
        reader.logout()


def test_a_real_mail_server_serves_the_tests_of_others(embedded: Path) -> None:
    assert "1 passed" in run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_signup.py", cwd=embedded)


class EmbeddingTests(TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        write_files(EMBEDDING, self.folder)

    def shown(self, name: str) -> dict[str, Any]:
        return runpy.run_path(str(self.folder / f"{name}.py"))

    async def test_a_message_is_handed_in_without_smtp(self) -> None:
        config = Config(development=True, data=(self.folder / "data").absolute(), listeners={"smtp": Listener("smtp", "0")})
        mail = MailService(config, reactor)
        mail.startService()
        self.addCleanup(mail.stopService)
        await mail.started
        outcomes = await self.shown("handing_in")["hand_in"](
            mail, "dev@localhost", ["dev@localhost", "other@example.com"], b"Subject: one\r\n\r\nHello\r\n")
        assert [(str(one), problem) for one, problem in outcomes.items()] == [("dev@localhost", None), ("other@example.com", None)]

    async def test_a_store_alone_keeps_mail_and_a_plain_one_gets_its_index(self) -> None:
        shown = self.shown("storage_alone")
        for _ in range(2):
            await shown["deposit"](self.folder / "mail", reactor, "ada", b"Subject: one\r\n\r\n" + b"x" * 300_000)
        con = apsw.Connection(str(self.folder / "mail" / "mailframe.db"))
        assert con.execute("SELECT messages FROM mailbox WHERE name = 'INBOX'").fetchall() == [(2,)]
        con.close()
        store, engine = shown["indexed"](BareStore(), self.folder / "mail", reactor)
        await store.start()
        account = await store.open_account("ada", FRESH_ACCOUNT)
        mailbox = await account.open_mailbox((await account.mailboxes()).mailboxes[0].id)
        assert IModSequenced.providedBy(mailbox)
        await store.close()
        await engine.close()

    async def test_smtp_alone_prints_what_comes(self) -> None:
        shown = self.shown("smtp_alone")
        printed: list[str] = []
        shown["Printer"].commit.__globals__["print"] = printed.append
        port = await shown["listen"](0)
        self.addCleanup(port.stopListening)

        def send() -> None:
            with SMTP("127.0.0.1", port.getHost().port, timeout=PATIENCE_S) as client:
                client.sendmail("a@example.org", "printer@example.org", "Subject: ink\r\n\r\nHello\r\n")

        await deferToThread(send)
        assert "Subject: ink" in printed[0]

    async def test_the_pages_extension_is_announced_and_understood(self) -> None:
        printer = self.shown("smtp_alone")["Printer"]()
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(self.shown("smtp_extension")["factory"](printer))
        self.addCleanup(port.stopListening)

        def ask() -> list[tuple[int, bytes]]:
            with SMTP("127.0.0.1", port.getHost().port, timeout=PATIENCE_S) as client:
                client.ehlo("a.example")
                assert client.esmtp_features["xpaper"] == "A4 LETTER"
                mail = "MAIL FROM:<a@b.example> XPAPER="
                return [client.docmd(line) for line in ("XINK", f"{mail}A3", f"{mail}A4")]

        assert [code for code, _ in await deferToThread(ask)] == [250, 501, 250]

    async def test_a_guard_by_hand_and_a_unix_socket_serve_an_embedder(self) -> None:
        with TemporaryDirectory() as short:                 # the path of a Unix socket has at most 107 octets
            config = Config(
                development=True, data=(self.folder / "data").absolute(),
                parts={"filters": [Tarpit(TarpitSettings(roles=("lmtp",), loopback=True, free=1))]},
                listeners={"lmtp": Listener("lmtp", f"unix:{short}/lmtp:mode=600", tls="none")})
            mail = MailService(config, reactor)
            mail.startService()
            try:
                await mail.started
                assert mail.addresses()["lmtp"] == (f"{short}/lmtp", 0), mail.addresses()

                def send() -> None:
                    with LMTP(f"{short}/lmtp") as client:
                        client.sendmail("a@example.org", "dev@localhost", "Subject: one\r\n\r\nHello\r\n")

                await deferToThread(send)
            finally:
                await mail.stopService()


# docs/operating.md


def test_a_backup_brings_mail_and_accounts_back(tmp_path: Path) -> None:
    (block,) = [block.text for block in blocks(ROOT / "docs" / "operating.md", "sh") if "store backup" in block.text]
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    server = real_server(here)
    try:
        with SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as client:
            client.sendmail("a@example.com", USER, "Subject: kept\r\n\r\nHello\r\n")
        command = block.replace("/etc/mailframe", str(here)).replace("/backup/monday", str(there / "mailframe-data"))
        mailframe(*command.split()[1:], cwd=tmp_path)
    finally:
        assert server.stop() == 0
    shutil.copy(here / "mailframe.toml", there / "mailframe.toml")
    assert (there / "mailframe-data" / "mailframe.db").stat().st_mode & 0o777 == 0o600
    server = MailServer(there, "--config", "mailframe.toml")
    try:
        reader = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=PATIENCE_S)
        reader.stls(anybody())
        reader.user(USER)
        reader.pass_(PASSWORD)
        assert b"Subject: kept" in reader.retr(1)[1]
        reader.quit()
    finally:
        assert server.stop() == 0, server.output


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


@cache
def explained(*command: str) -> str:
    """What `mailframe COMMAND --help` says."""
    said = io.StringIO()
    with redirect_stdout(said), pytest.raises(SystemExit):
        command_line.main([*command, "--help"])
    return said.getvalue()


def test_every_option_shown_exists() -> None:
    """Of twistd mailframe and of mailframe, in all shell blocks."""
    known = set(re.findall(r"--[a-z0-9-]+", Options().getUsage()))
    shown = 0
    for place, line in shell_lines():
        for command in re.split(r"&&|;|\|", line.partition("  #")[0]):
            words = command.split()
            if "twistd" in words and "mailframe" in words[words.index("twistd"):]:
                options = " ".join(words).partition("twistd")[2].partition(" mailframe ")[2].split()
                assert {word.partition("=")[0] for word in options if word.startswith("--")} <= known, place
                shown += 1
            elif words and words[0].endswith("mailframe") and len(words) > 1 and not words[1].startswith("-"):
                depth = 3 if words[1] in ("user", "queue", "store", "import", "export", "trace", "guards") else 2
                assert all(not word.startswith("--") or word in explained(*words[1:depth]) for word in words[depth:]), place
                shown += 1
    assert shown > 15


# README.md


def readme(words: str) -> str:
    """The one shell block that holds `words`."""
    (text,) = [block.text for block in blocks(ROOT / "README.md", "sh") if words in block.text]
    return text


def shell(script: str, folder: Path, text: str = "") -> str:
    """What it says, with the commands of the environment that runs the tests on the PATH."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(["sh", "-euc", script], cwd=folder, input=text, text=True, capture_output=True, timeout=PATIENCE_S,
                          check=False, env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, (script, done.stdout, done.stderr)
    return done.stdout


@pytest.mark.skipif(not (shutil.which("swaks") and shutil.which("curl")), reason="swaks or curl is not installed")
def test_the_readme_sends_and_reads(tmp_path: Path) -> None:
    server = MailServer(tmp_path, *ANY_PORTS)
    try:
        script = readme("swaks").replace("PASSWORD", server.password)
        for shown, name in (("1025", "smtp"), ("1143", "imap"), ("1110", "pop3")):
            script = script.replace(f":{shown}", f":{server.ports[name]}")
        assert shell(script, tmp_path).count("Subject: Hello") >= 2
    finally:
        assert server.stop() == 0, server.output


def test_the_readme_makes_a_server_of_ones_own(tmp_path: Path) -> None:
    *before, start = readme("mailframe config").strip().splitlines()
    assert "The configuration is good." in shell("\n".join(before), tmp_path, "secret phrase\n")
    config = tmp_path / "mailframe.toml"
    config.write_text(any_port(config.read_text()))
    server = MailServer(tmp_path, *start.partition(" mailframe ")[2].split())
    try:
        with SMTP("127.0.0.1", server.ports["submission"], timeout=PATIENCE_S) as client:
            client.login("alice@example.org", "secret phrase")
    finally:
        assert server.stop() == 0, server.output


def test_the_readme_embeds_what_the_example_embeds() -> None:
    (block,) = blocks(ROOT / "README.md", "python")
    compile(block.text, "README.md", "exec")
    for line in block.text.splitlines():
        if "import" in line:
            exec(line, {})


def test_ci_finds_the_readmes_two_blocks() -> None:
    text = (ROOT / "README.md").read_text()
    for heading in ("## Run it", "## Test it"):
        assert re.search(rf"^{heading}$.*?^```sh\n(.+?)^```$", text, re.MULTILINE | re.DOTALL)
