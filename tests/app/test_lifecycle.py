"""The server's life as its operator sees it: reactors, signals, files and modes, reloading, stopping under load."""

from __future__ import annotations

import os
import poplib
import signal
import smtplib
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support.servers import ANY_PORTS, PATIENCE_S, Child, MailServer, twistd

from mailframe.auth.hashing import hash_password

MESSAGE = b"Subject: hello\r\n\r\nHello\r\n"


@contextmanager
def serving(folder: Path, *arguments: str, before: tuple[str, ...] = ()) -> Iterator[MailServer]:
    server = MailServer(folder, *(arguments or ANY_PORTS), before=before)
    try:
        yield server
    finally:
        code = server.stop()
        assert code == 0, server.output
        assert "Traceback" not in server.output, server.output


def real_server(folder: Path, more: str = "", **endpoints: str) -> tuple[str, ...]:
    """Arguments of a server for one.example with alice (wonderland) and bob (builder), POP3 and SMTP; `more` is TOML."""
    (folder / "accounts").touch(0o600)
    (folder / "accounts").write_text("".join(
        f"{name}@one.example:{hash_password(word)}\n" for name, word in (("alice", "wonderland"), ("bob", "builder"))))
    settings = ['domains = ["one.example"]', 'hostname = "mx.one.example"', 'data = "post"', more,
                '[[auth]]', 'plugin = "file"', 'path = "accounts"']
    for name, tls in (("smtp", "starttls"), ("pop3", "starttls"), ("pop3s", "implicit")):
        settings += [f"[listeners.{name}]", f'role = "{name.removesuffix("s")}"', f'tls = "{tls}"',
                     f'endpoint = "{endpoints.get(name, "127.0.0.1:0")}"', 'plaintext_login = "loopback"']
    (folder / "mailframe.toml").write_text("\n".join(settings))
    return ("--config", "mailframe.toml")


def with_filter(folder: Path, name: str) -> tuple[list[str], Path, dict[str, str]]:
    """What makes a `Child` that has a filter of `SLOW`."""
    (folder / "parts").mkdir()
    (folder / "parts" / "slowly.py").write_text(SLOW)
    arguments = real_server(folder, f'filters = [{{ plugin = "parts.slowly:{name}" }}]')
    path = os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", "")))
    return twistd("--nodaemon", "--pidfile=t.pid", "mailframe", *arguments), folder, {"PYTHONPATH": path}


def deliver(port: int, to: str, *messages: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE_S) as client:
        for message in messages or (MESSAGE,):
            client.sendmail("a@example.org", [to], message)


def collect(port: int, user: str, password: str) -> poplib.POP3:
    client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE_S)
    client.user(user)
    client.pass_(password)
    return client


@pytest.mark.parametrize("reactor", ["asyncio", "select", "poll"])
def test_any_reactor_serves_the_same(tmp_path: Path, reactor: str) -> None:
    with serving(tmp_path, before=(f"--reactor={reactor}",)) as server:
        assert f"{reactor}reactor" in server.output.lower()
        deliver(server.ports["smtp"], "dev@localhost")
        client = collect(server.ports["pop3"], "dev", server.password)
        assert client.stat()[0] == 1
        client.quit()


def test_a_stop_is_clean_at_any_moment_of_the_start(tmp_path: Path) -> None:
    server = Child(twistd("--nodaemon", "--pidfile=t.pid", "mailframe", *ANY_PORTS), tmp_path)
    server.wait_for("is ready")                  # Twisted's own loop, and its handlers, begin a little later
    assert server.stop() == 0
    assert "Server Shut Down" in server.output and "Traceback" not in server.output
    assert not (tmp_path / "t.pid").exists()
    assert not (tmp_path / "mailframe-data" / "control").exists(), "closed in good order"


SLOW = """
from twisted.internet.defer import Deferred
from zope.interface import implementer

from mailframe.interfaces.filter import IConnectionFilter
from mailframe.interfaces.plugin import ILifecycle
from mailframe.model.verdict import Pass

@implementer(ILifecycle, IConnectionFilter)
class Slow:
    '''A filter whose start never ends.'''
    def connection(self, peer):
        return Pass()

    def start(self):
        print("the filter begins", flush=True)
        return Deferred()

    def close(self):
        print("the filter is closed", flush=True)

class Broken(Slow):
    '''A filter that cannot start.'''
    def start(self):
        raise RuntimeError("no milk today")

class Clinging(Slow):
    '''A filter whose end is an error.'''
    def start(self):
        pass

    def close(self):
        raise RuntimeError("will not go")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_start_that_hangs_is_stopped_with_one_sentence(tmp_path: Path, number: signal.Signals) -> None:
    server = Child(*with_filter(tmp_path, "Slow"))
    server.wait_for("the filter begins")
    server.process.send_signal(number)
    assert server.process.wait(PATIENCE_S) == 1
    server.stop()
    assert f"Stopped by {number.name}" in server.output and "Traceback" not in server.output
    assert "the filter is closed" in server.output
    assert not (tmp_path / "t.pid").exists()


def test_a_plugin_that_cannot_start_is_one_sentence_with_its_name(tmp_path: Path) -> None:
    command, folder, env = with_filter(tmp_path, "Broken")
    done = subprocess.run(command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, timeout=PATIENCE_S,
                          check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.strip() == "mailframe: The filter plugin 'parts.slowly:Broken' cannot start: no milk today."


def test_a_plugin_that_fails_to_close_keeps_no_other_from_closing(tmp_path: Path) -> None:
    server = Child(*with_filter(tmp_path, "Clinging"))
    server.wait_for("is ready")
    assert server.stop() == 0
    assert "closing The filter plugin 'parts.slowly:Clinging' failed" in server.output
    assert not list((tmp_path / "post").glob("*-wal")), "the database was closed"


@pytest.mark.parametrize("umask", ["0", "0077"])
def test_everything_in_the_data_folder_is_for_its_owner_alone(tmp_path: Path, umask: str) -> None:
    """I9, while the server runs and mail of all sizes is on its way, whatever the umask."""
    with serving(tmp_path, before=(f"--umask={umask}",)) as server:
        deliver(server.ports["smtp"], "dev@localhost", MESSAGE, MESSAGE + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 20_000)
        found = [tmp_path / "mailframe-data", *(tmp_path / "mailframe-data").rglob("*")]
        assert len(found) > 5
        for path in found:
            status = path.lstat()
            wanted = 0o700 if stat.S_ISDIR(status.st_mode) else 0o600
            assert stat.S_IMODE(status.st_mode) == wanted, f"{path} {stat.filemode(status.st_mode)}"


def test_acknowledged_mail_is_there_after_sigterm_under_load(tmp_path: Path) -> None:
    """I1: each client counts its 250s until the server says good-bye; the next start must have them all."""
    acknowledged: list[bytes] = []
    endings: list[BaseException] = []
    enough = threading.Event()

    def load(number: int, port: int) -> None:
        try:
            with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE_S) as client:
                for count in range(100_000):
                    name = b"%d.%d" % (number, count)
                    client.sendmail("a@example.org", ["dev@localhost"], b"Subject: " + name + b"\r\n\r\n" + b"x" * 5_000 + b"\r\n")
                    acknowledged.append(name)
                    if len(acknowledged) > 50:
                        enough.set()
        except (smtplib.SMTPException, OSError) as error:
            endings.append(error)

    with serving(tmp_path) as server:
        clients = [threading.Thread(target=load, args=(number, server.ports["smtp"])) for number in range(4)]
        for client in clients:
            client.start()
        assert enough.wait(PATIENCE_S)
    for client in clients:
        client.join(PATIENCE_S)
    assert len(endings) == 4
    for ending in endings:
        code = getattr(ending, "smtp_code", 421)
        assert code == 421 or isinstance(ending, (smtplib.SMTPServerDisconnected, OSError)), repr(ending)
    with serving(tmp_path) as server:
        pop = collect(server.ports["pop3"], "dev", server.password)
        count = pop.stat()[0]
        subjects = {pop.top(number, 0)[1][i].removeprefix(b"Subject: ") for number in range(1, count + 1)
                    for i in [next(i for i, line in enumerate(pop.top(number, 0)[1]) if line.startswith(b"Subject: "))]}
        pop.quit()
    assert set(acknowledged) <= subjects
    assert count == len(subjects), "and none twice"


def test_a_changed_password_is_in_force_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, *real_server(tmp_path)) as server:
        port = server.ports["pop3s"]
        secure = poplib.POP3_SSL("127.0.0.1", port, timeout=PATIENCE_S, context=_trusting())
        secure.user("alice@one.example")
        secure.pass_("wonderland")               # remembered now
        secure.quit()
        done = subprocess.run([sys.executable, "-m", "mailframe.app.command", "user", "passwd", "--accounts", "accounts",
                               "Alice@One.Example"], cwd=tmp_path, input="looking-glass\n", text=True, capture_output=True,
                              timeout=PATIENCE_S, check=True)
        assert "Changed the password" in done.stdout
        for password, welcome in (("wonderland", False), ("looking-glass", True)):
            secure = poplib.POP3_SSL("127.0.0.1", port, timeout=PATIENCE_S, context=_trusting())
            secure.user("alice")                 # the only domain need not be named
            if welcome:
                secure.pass_(password)
            else:
                with pytest.raises(poplib.error_proto, match="AUTH"):
                    secure.pass_(password)
            secure.quit()


def _trusting() -> object:
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_sighup_reads_accounts_again_and_sigusr1_turns_the_log_over(tmp_path: Path) -> None:
    server = Child(twistd("--nodaemon", "--pidfile=", "--logfile=t.log", "mailframe", *real_server(tmp_path)), tmp_path)
    try:
        server.wait_for("  data  ")
        log = tmp_path / "t.log"
        with (tmp_path / "accounts").open("a") as file:
            file.write(f"carol@one.example:{hash_password('x')}\n")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "3 accounts" in log.read_text())
        (tmp_path / "accounts").write_text("rubbish\n")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "stays as it was" in log.read_text() and "line 1" in log.read_text())
        server.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: (tmp_path / "t.log.1").exists())
        assert server.process.poll() is None
    finally:
        assert server.stop() == 0
    assert "Server Shut Down" in log.read_text(), "the new log goes on"
    assert "Traceback" not in (tmp_path / "t.log.1").read_text()


def wait_until(true: object) -> None:
    import time

    end = time.monotonic() + PATIENCE_S
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen"
        os.sched_yield()


def test_stale_sockets_and_pid_files_of_a_dead_server_are_no_hindrance(tmp_path: Path) -> None:
    unix = f"unix:{tmp_path / 'pop'}"
    arguments = (*ANY_PORTS, "--pop3", unix)
    server = Child(twistd("--nodaemon", "--pidfile=t.pid", "mailframe", *arguments), tmp_path)
    server.wait_for("is ready")
    server.kill()
    assert (tmp_path / "pop").exists() and (tmp_path / "t.pid").exists() and (tmp_path / "mailframe-data" / "control").exists()
    server = Child(twistd("--nodaemon", "--pidfile=t.pid", "mailframe", *arguments), tmp_path)
    try:
        server.wait_for("is ready")
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE_S)
            client.connect(str(tmp_path / "pop"))
            assert client.recv(100).startswith(b"+OK")
    finally:
        assert server.stop() == 0, server.output
    assert not (tmp_path / "pop").exists() and not (tmp_path / "t.pid").exists()


def test_listeners_on_ipv6_and_unix_sockets(tmp_path: Path) -> None:
    if not _has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    with serving(tmp_path, *ANY_PORTS, "--smtp", "[::1]:0", "--pop3", "tcp6:0", "--imap", "unix:imap.sock:mode=600") as server:
        server.wait_for("For a real server")
        assert ", imap imap.sock:0," in server.output and "b'" not in server.output
        with smtplib.SMTP("::1", server.ports["smtp"], timeout=PATIENCE_S) as client:
            client.sendmail("a@example.org", ["dev@localhost"], MESSAGE)
        pop = poplib.POP3("::1", server.ports["pop3"], timeout=PATIENCE_S)
        pop.user("dev")
        pop.pass_(server.password)
        assert pop.stat()[0] == 1
        pop.quit()
        with socket.socket(socket.AF_UNIX) as imap:
            imap.settimeout(PATIENCE_S)
            imap.connect(str(tmp_path / "imap.sock"))
            assert imap.recv(200).startswith(b"* OK")


def _has_ipv6() -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


ACTIVATE = """
import os, sys
fd = int(sys.argv[1])
os.dup2(fd, 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="smtp")
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_systemd_may_hand_over_the_listening_socket(tmp_path: Path) -> None:
    (tmp_path / "activate.py").write_text(ACTIVATE)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        arguments = real_server(tmp_path, smtp="systemd:domain=INET:index=0")
        command = twistd("--nodaemon", "--pidfile=", "mailframe", *arguments)
        server = Child([sys.executable, "activate.py", str(listening.fileno()), *command], tmp_path, pass_fds=(listening.fileno(),))
    try:
        server.wait_for("is ready")
        deliver(port, "alice@one.example")
    finally:
        assert server.stop() == 0, server.output


def test_daemonised_elsewhere_relative_paths_are_of_where_it_was_started(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "start").mkdir()
    start = tmp_path / "start"
    subprocess.run(twistd("--rundir", "../run", "--pidfile=t.pid", "--logfile=t.log", "mailframe",
                          *real_server(start)), cwd=start, timeout=PATIENCE_S, check=True,
                   capture_output=True)
    pid = int((start / "t.pid").read_text())
    try:
        assert (start / "post" / "mailframe.db").exists()
        assert not (tmp_path / "run" / "post").exists()
    finally:
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not (start / "t.pid").exists())
