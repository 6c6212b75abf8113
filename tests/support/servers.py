"""Whole servers in processes of their own, as a user starts them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

PATIENCE_S = 20.0      # far beyond what anything takes; only a hang reaches it


def until(condition: Callable[[], object], what: str) -> None:
    """Look again and again, until it holds: for what a program does by itself and tells nobody. A hang fails."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)


def listeners(*roles: str, host: str = "127.0.0.1", smtp_port: str = "0") -> str:
    """TOML for a listener of each role, on any port but smtp's, with logins in the clear; what is in braces is left so."""
    return "".join(
        f'[listeners.{role}]\nrole = "{role}"\nendpoint = "{host}:{smtp_port if role == "smtp" else 0}"\n'
        + ("" if role == "smtp" else 'plaintext_login = "loopback"\n')
        for role in roles)


class Child:
    """A process whose output is read as it comes, so that a test can wait for a line instead of sleeping."""

    def __init__(
        self, command: Sequence[str], cwd: Path, env: dict[str, str] | None = None, pass_fds: Sequence[int] = (),
    ) -> None:
        self.folder = cwd
        self.lines: list[str] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}, start_new_session=True, errors="replace",
            pass_fds=pass_fds,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self.lines.append("<end of output>")
            self._news.notify_all()

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, pattern: str, patience_s: float = PATIENCE_S) -> re.Match[str]:
        """The first line that matches, already printed or yet to come."""
        begun, seen = time.monotonic(), 0
        with self._news:
            while True:
                for line in self.lines[seen:]:
                    if match := re.search(pattern, line):
                        return match
                seen = len(self.lines)
                if self.lines and self.lines[-1] == "<end of output>":
                    raise AssertionError(f"ended without a line like {pattern!r}:\n" + "\n".join(self.lines))
                if not self._news.wait(max(0.0, begun + patience_s - time.monotonic())):
                    raise AssertionError(f"no line like {pattern!r} in {patience_s} s:\n" + "\n".join(self.lines))

    def kill(self) -> None:
        """As a power cut would, as far as a process can tell."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join(PATIENCE_S)

    def stop(self) -> int:
        """Ask it to end, and wait."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError("it did not stop when asked:\n" + self.output) from None
        self._reader.join(PATIENCE_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return 0 if self.process.returncode == -signal.SIGTERM else self.process.returncode     # twistd passes the signal on


def twistd(*arguments: str, programs: Path | None = None) -> list[str]:
    """The command line of `twistd` in the environment that runs the tests, or in that of the folder `programs`."""
    return [str((programs or Path(sys.executable).parent) / "twistd"), *arguments]


class MailServer(Child):
    """`twistd -n mailframe ...`, ready when made; `ports` by listener (0: a Unix socket)."""

    def __init__(
        self, folder: Path, *arguments: str, before: Sequence[str] = (), programs: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        """`before`: twistd's own options; `programs`: the folder of the one to run, if not the tests' own."""
        super().__init__(twistd("--nodaemon", "--pidfile=", *before, "mailframe", *arguments, programs=programs), folder, env)
        self.ports: dict[str, int] = {}
        try:
            ready = self.wait_for(r"is ready: (.*)")
        except AssertionError:
            self.kill()
            raise
        for item in ready[1].split(", "):
            name, _, address = item.partition(" ")
            self.ports[name] = int(address.rpartition(":")[2])

    @property
    def password(self) -> str:
        """Of development mode's account."""
        return self.wait_for(r"password\s+(\S+)")[1]


@contextmanager
def running(child: Child) -> Iterator[Child]:
    try:
        yield child
    finally:
        child.stop()


ANY_PORTS = (
    "--smtp", "0", "--submission", "0", "--submissions", "0", "--imap", "0", "--imaps", "0", "--pop3", "0", "--pop3s", "0",
)


def common_port(*hosts: str) -> int:
    """A port that is free on all these loopback addresses (they must share it: an MX record has no port)."""
    for _ in range(100):
        with ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind((hosts[0], 0))
            port: int = first.getsockname()[1]
            try:
                for host in hosts[1:]:
                    stack.enter_context(socket.socket()).bind((host, port))
            except OSError:
                continue
            return port
    raise AssertionError("no common port to be had")
