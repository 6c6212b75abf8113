"""The `mailframe` command as an operator meets it: accounts, the queue, checking, listing; and its words when it cannot."""

from __future__ import annotations

import contextlib
import io
import os
import poplib
import pty
import re
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.servers import PATIENCE_S, MailServer, listeners

from mailframe.app.command import main
from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

PROGRAM = (sys.executable, "-m", "mailframe.app.command")
CONFIG = """
hostname = "mail.example.org"
domains = ["example.org"]
data = "data"
[relay.smarthost]
host = "127.0.0.1"
port = {closed}
tls = "none"
""" + listeners("submission", "pop3")
ADA, PASSWORD = "ada@example.org", "correct horse"
HASH = hash_password(PASSWORD)


def run(folder: Path, *arguments: str, given: str = "") -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of the command, which is given this on its standard input."""
    if arguments[0] == "queue":         # without a server it runs a reactor, which a process can do once
        done = subprocess.run([*PROGRAM, *arguments], cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout, done.stderr
    out, err, before = io.StringIO(), io.StringIO(), Path.cwd()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO(given))
        patch.chdir(folder)
        code = main(arguments)
    assert Path.cwd() == before
    return code, out.getvalue(), err.getvalue()


def refused(folder: Path, *arguments: str, given: str = "") -> str:
    """The one sentence on standard error."""
    code, out, err = run(folder, *arguments, given=given)
    assert (code, out) == (1, "")
    sentence, = err.splitlines()
    assert sentence.startswith("mailframe: ")
    return sentence.removeprefix("mailframe: ")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with socket.socket() as closed:         # bound and not listening: refuses whoever connects, and nobody else gets it
        closed.bind(("127.0.0.1", 0))
        (tmp_path / "mailframe.toml").write_text(CONFIG.format(closed=closed.getsockname()[1]))
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[MailServer]:
    (folder / "data").mkdir(mode=0o700)
    add(folder / "data" / "accounts", ADA, HASH)
    running = MailServer(folder, "--config", "mailframe.toml")
    yield running
    assert running.stop() == 0, running.output


def may_log_in(server: MailServer, name: str, password: str) -> bool:
    client = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=PATIENCE_S)
    client.user(name)
    try:
        client.pass_(password)
    except poplib.error_proto:
        return False
    finally:
        client.quit()
    return True


def soon(condition: Callable[[], bool]) -> None:
    """It comes true: the server looks at the accounts file once a second at most, and tries what is queued in its own time."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < PATIENCE_S


# -- accounts


def test_accounts_are_added_listed_changed_and_removed(folder: Path) -> None:
    place = ("--config", "mailframe.toml")
    accounts = folder / "data" / "accounts"
    assert run(folder, "user", "add", "Ada@Example.org", *place, given=f"{PASSWORD}\n") == (0, f"Added {ADA} to {accounts}.\n", "")
    assert run(folder, "user", "add", "bob@example.org", *place, given="secret")[0] == 0
    text = accounts.read_text()
    assert re.search(rf"^{ADA}:\$argon2id\$", text, re.M) and PASSWORD not in text
    assert accounts.stat().st_mode & 0o777 == 0o600 and accounts.parent.stat().st_mode & 0o777 == 0o700
    assert run(folder, "user", "list", *place) == (0, f"{ADA}\nbob@example.org\n", "")
    assert run(folder, "user", "passwd", ADA, *place, given="another\n")[0] == 0
    assert accounts.read_text() != text
    assert run(folder, "user", "remove", "bob@example.org", *place)[0] == 0
    assert run(folder, "user", "list", *place)[1] == f"{ADA}\n"
    assert accounts.stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_done_with_an_account_is_said(folder: Path) -> None:
    place = ("--accounts", "people")
    assert run(folder, "user", "add", ADA, *place, given="x\n")[0] == 0
    assert "has ada@example.org already" in refused(folder, "user", "add", ADA, *place, given="x\n")
    assert "has no account bob@example.org" in refused(folder, "user", "passwd", "bob@example.org", *place, given="x\n")
    assert "has no account bob@example.org" in refused(folder, "user", "remove", "bob@example.org", *place)
    assert refused(folder, "user", "add", "b@example.org", *place) == "The password is empty; nothing was changed."
    assert "nobody" in refused(folder, "user", "add", "nobody", *place, given="x\n")
    config = ("--config", "mailframe.toml")
    assert refused(folder, "user", "add", "a@other.example", *config, given="x\n") == (
        "other.example is none of this server's domains (example.org); name it under domains first.")
    assert not (folder / "data" / "accounts").exists()
    assert "nowhere" in refused(folder, "user", "list", "--accounts", "nowhere/people")
    assert "nothing.toml" in refused(folder, "user", "list", "--config", "nothing.toml")


def test_an_account_is_allowed_more_addresses(folder: Path) -> None:
    place = ("--accounts", "people")
    run(folder, "user", "add", ADA, *place, given="x\n")
    run(folder, "user", "add", "bob@example.org", *place, given="x\n")
    allow = ("user", "allow-from", *place, "Ada@example.org")
    assert run(folder, *allow) == (0, "", "")
    assert run(folder, *allow, "sales@example.org", "*@lists.example.org") == (0, "sales@example.org\n*@lists.example.org\n", "")
    assert run(folder, *allow, "ceo@example.org", "sales@example.org")[1].split() == [
        "sales@example.org", "*@lists.example.org", "ceo@example.org"]
    people = (folder / "people").read_text()
    assert people.endswith(f"\n{ADA} sends as sales@example.org, *@lists.example.org, ceo@example.org\n")
    assert run(folder, *allow, "--remove", "*@lists.example.org", "ceo@example.org") == (0, "sales@example.org\n", "")
    assert "not allowed to send as ceo@example.org" in refused(folder, *allow, "--remove", "ceo@example.org")
    assert "expected an address" in refused(folder, *allow, "a*@example.org")
    assert "has no account" in refused(folder, "user", "allow-from", *place, "eve@example.org", "*")
    assert run(folder, "user", "list", *place)[1] == f"{ADA}\nbob@example.org\n"
    assert run(folder, "user", "remove", ADA, *place)[0] == 0
    assert "sends as" not in (folder / "people").read_text()             # or whoever comes next under that name may
    assert run(folder, *allow)[0] == 1


def typed(folder: Path, *dialogue: tuple[str, str], arguments: tuple[str, ...]) -> tuple[int, str]:
    """The command on a terminal, where each prompt is answered; (exit code, all that the terminal showed)."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execv(PROGRAM[0], [*PROGRAM, *arguments])
    shown = b""
    waiting = list(dialogue)
    while True:
        try:
            octets = os.read(terminal, 1024)
        except OSError:         # the other end is closed
            break
        if not octets:
            break
        shown += octets
        if waiting and shown.endswith(waiting[0][0].encode()):
            os.write(terminal, waiting.pop(0)[1].encode() + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()


def test_on_a_terminal_the_password_is_asked_for_twice_without_echo(folder: Path) -> None:
    arguments = ("user", "add", ADA, "--accounts", "people")
    code, shown = typed(folder, ("Password: ", PASSWORD), ("Once more: ", PASSWORD), arguments=arguments)
    assert code == 0 and "Added ada@example.org" in shown
    assert PASSWORD not in shown
    code, shown = typed(folder, ("Password: ", "one"), ("Once more: ", "two"), arguments=("user", "passwd", *arguments[2:]))
    assert code == 1 and "The two passwords differ; nothing was changed." in shown


def test_a_running_server_notices(folder: Path, server: MailServer) -> None:
    place = ("--config", str(folder / "mailframe.toml"))
    assert may_log_in(server, ADA, PASSWORD)
    assert not may_log_in(server, "bob@example.org", "secret")
    run(folder, "user", "add", "bob@example.org", *place, given="secret\n")
    soon(lambda: may_log_in(server, "bob@example.org", "secret"))
    run(folder, "user", "passwd", ADA, *place, given="another\n")
    soon(lambda: may_log_in(server, ADA, "another"))
    assert not may_log_in(server, ADA, PASSWORD)
    run(folder, "user", "remove", "bob@example.org", *place)
    soon(lambda: not may_log_in(server, "bob@example.org", "secret"))


# -- the queue


def submit(server: MailServer, *recipients: str) -> None:
    with smtplib.SMTP("127.0.0.1", server.ports["submission"], timeout=PATIENCE_S) as client:
        client.login(ADA, PASSWORD)
        client.sendmail(ADA, recipients, "Subject: far\r\n\r\nAway\r\n")


def ask(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> str:
    """The command in this process, while a server runs."""
    code = main(["queue", *arguments, "--config", str(folder / "mailframe.toml")])
    shown = capsys.readouterr()
    assert code == 0, shown.err
    return shown.out


def test_the_queue_of_a_running_server(folder: Path, server: MailServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, folder, "list") == "Nothing waits in the queue.\n"
    submit(server, "x@far.example", "y@far.example")
    soon(lambda: "nobody listens there" in ask(capsys, folder, "list"))     # the first try is under way
    shown = ask(capsys, folder, "list")
    rows = [line.split() for line in shown.splitlines() if "@far.example" in line]
    assert len(rows) == 2 and all(f"{ADA} -> " in line for line in shown.splitlines() if "@far.example" in line)
    number = rows[0][0]
    assert ask(capsys, folder, "hold", number) == "hold: 2 done.\n"
    assert ask(capsys, folder, "list").count("on hold") == 2
    assert ask(capsys, folder, "release", "all") == "release: 2 done.\n"
    assert "on hold" not in ask(capsys, folder, "list")
    assert ask(capsys, folder, "retry", number) == "retry: 2 done.\n"
    in_the_log = rows[0][1]
    assert f"queued as {in_the_log}" in server.output
    assert ask(capsys, folder, "retry", in_the_log) == "retry: 2 done.\n"
    assert main(["queue", "remove", "99", "--config", str(folder / "mailframe.toml")]) == 1
    assert "nothing with the id 99 waits in the queue" in capsys.readouterr().err
    assert main(["queue", "remove", "first", "--config", str(folder / "mailframe.toml")]) == 1
    assert 'ids are those that "mailframe queue list" shows, or "all"' in capsys.readouterr().err
    ask(capsys, folder, "hold", "all")
    assert ask(capsys, folder, "remove", number) == "remove: 2 done.\n"
    assert ask(capsys, folder, "list") == "Nothing waits in the queue.\n"


def test_the_queue_without_a_server(folder: Path, server: MailServer) -> None:
    submit(server, "x@far.example")
    server.stop()
    place = ("--config", str(folder / "mailframe.toml"))
    code, shown, _ = run(folder, "queue", "list", *place)
    assert code == 0 and "x@far.example" in shown
    assert run(folder, "queue", "hold", "all", *place) == (0, "hold: 1 done.\n", "")
    assert "on hold" in run(folder, "queue", "list", *place)[1]
    assert "nothing with the id 99" in refused(folder, "queue", "retry", "99", *place)
    assert run(folder, "queue", "remove", "all", *place) == (0, "remove: 1 done.\n", "")
    assert run(folder, "queue", "list", *place)[1] == "Nothing waits in the queue.\n"


def test_a_queue_that_is_not_there_is_said(folder: Path) -> None:
    assert "There is no data folder" in refused(folder, "queue", "list", "--data", "nowhere")


# -- the rest


def test_check_says_what_would_be_or_what_is_wrong(folder: Path) -> None:
    code, shown, _ = run(folder, "check", "mailframe.toml")
    assert code == 0 and shown.endswith("The configuration is good.\n") and "mail.example.org" in shown
    assert not (folder / "data").exists(), "nothing is opened or made"
    (folder / "bad.toml").write_text(CONFIG.format(closed="'x'"))
    assert refused(folder, "check", "bad.toml") == "bad.toml, line 7: relay.smarthost.port is 'x', expected a whole number."
    (folder / "bad.toml").write_text(CONFIG.format(closed=1).replace("[relay", 'storage = "jason:x"\n[relay'))
    assert "There is no storage plugin 'jason'" in refused(folder, "check", "bad.toml")
    assert "Cannot read the configuration nothing.toml" in refused(folder, "check", "nothing.toml")


def test_the_printed_configuration_is_a_good_one(folder: Path) -> None:
    (folder / "printed.toml").write_text(run(folder, "config")[1])
    assert run(folder, "check", "printed.toml")[0] == 0


def test_plugins_are_listed_with_where_they_come_from(folder: Path) -> None:
    code, shown, _ = run(folder, "plugins")
    assert code == 0
    for kind, name in (("storage", "sqlite"), ("storage", "memory"), ("delivery", "mailbox"), ("auth", "file"), ("auth", "strcred"),
                       ("directory", "file"), ("directory", "everyone")):
        assert re.search(rf"^{kind} +{name} +built in +\S.{{10}}", shown, re.M), shown


@pytest.mark.parametrize("words", [
    (), ("user",), ("user", "add"), ("user", "passwd"), ("user", "remove"), ("user", "list"), ("user", "allow-from"),
    ("queue",), ("queue", "list"),
    ("queue", "retry"), ("queue", "hold"), ("queue", "release"), ("queue", "remove"), ("check",), ("config",), ("plugins",),
], ids=" ".join)
def test_help_is_everywhere(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    usage, _, rest = capsys.readouterr().out.partition("\n\n")
    assert usage.startswith(" ".join(("usage: mailframe", *words)))
    assert re.match(r"(?!options:|positional )\w", rest), "a sentence says what it does"


@pytest.mark.parametrize("words", [(), ("user",), ("queue", "remove"), ("nonsense",), ("check",)], ids=" ".join)
def test_a_command_that_is_none_is_answered_with_usage(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: mailframe" in capsys.readouterr().err
