"""`twistd mailframe` as a new user meets it: development mode, second starts, and errors of one sentence."""

from __future__ import annotations

import imaplib
import os
import poplib
import pwd
import re
import shlex
import shutil
import signal
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.servers import ANY_PORTS, PATIENCE_S, MailServer, twistd

ROOT = Path(__file__).parents[2]


@contextmanager
def development(folder: Path, *arguments: str) -> Iterator[MailServer]:
    server = MailServer(folder, *(arguments or ANY_PORTS))
    try:
        yield server
    finally:
        assert server.stop() == 0, server.output


def fails(folder: Path, *arguments: str, daemon: bool = False) -> str:
    """Start what cannot start; returns what it said on standard error."""
    before = [] if daemon else ["--nodaemon"]
    done = subprocess.run(twistd(*before, "--pidfile=t.pid", "--logfile=t.log", "mailframe", *arguments), cwd=folder, text=True,
                          capture_output=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr + done.stdout
    assert not (folder / "t.pid").exists(), "no pid file is left behind"
    sentences = [line for line in done.stderr.splitlines() if line.startswith("mailframe: ")]
    assert len(sentences) == 1, done.stderr
    log = folder / "t.log"
    if log.exists():
        assert "Traceback" not in log.read_text()
        assert not daemon or sentences[0].removeprefix("mailframe: ") in log.read_text(), "the log has the reason, too"
    return sentences[0]


def test_twistd_lists_it_and_explains_every_option(tmp_path: Path) -> None:
    listing = subprocess.run(twistd("--help"), capture_output=True, text=True, cwd=tmp_path, check=True).stdout
    assert re.search(r"mailframe\s+A mail server of pluggable parts", listing)
    words = subprocess.run(twistd("mailframe", "--help"), capture_output=True, text=True, cwd=tmp_path, check=True).stdout
    for option in re.findall(r"--([a-z0-9-]+)", words):
        explained = re.search(rf"--{option}=?[ \n]+(\S[^\n]+)", words)
        assert explained, f"--{option} is not explained"
    assert "development mode" in words


def test_development_mode_tells_all_and_keeps_its_data(tmp_path: Path) -> None:
    with development(tmp_path) as server:
        assert "development mode" in server.wait_for("mailframe .* in development mode")[0]
        password = server.password
        with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as client:
            client.sendmail("a@example.org", ["dev@localhost", "stranger@elsewhere.example"], "Subject: one\r\n\r\nHello\r\n")
    assert (tmp_path / "mailframe-data").stat().st_mode & 0o777 == 0o700
    with development(tmp_path) as server:
        assert server.password == password
        pop = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=PATIENCE_S)
        pop.user("dev@localhost")
        pop.pass_(password)
        assert pop.stat()[0] == 1
        pop.quit()
        imap = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=PATIENCE_S)
        imap.login("dev@localhost", password)
        assert imap.select("Captured") == ("OK", [b"1"]), "mail for others is captured"
        imap.logout()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_three_printed_lines_work_when_pasted(tmp_path: Path) -> None:
    with development(tmp_path) as server:
        server.wait_for("twistd -n mailframe --config")
        lines = re.findall(r"^  (curl .*)$", server.output, re.M)
        assert len(lines) == 3
        outputs = [subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=PATIENCE_S, check=True).stdout
                   for line in lines]
        assert "It works." in outputs[1] and "It works." in outputs[2]


@pytest.mark.parametrize("daemon", [False, True], ids=["foreground", "daemonised"])
def test_a_taken_port_is_one_sentence(tmp_path: Path, daemon: bool) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        sentence = fails(tmp_path, *ANY_PORTS, "--imap", str(port), daemon=daemon)
    assert str(port) in sentence and "another program has this port" in sentence


@pytest.mark.parametrize("daemon", [False, True], ids=["foreground", "daemonised"])
@pytest.mark.parametrize("what", ["a file in its place", "not ours"])
def test_an_unwritable_folder_is_one_sentence(tmp_path: Path, what: str, daemon: bool) -> None:
    if what == "a file in its place":
        (tmp_path / "data").write_text("")
    else:
        (tmp_path / "data").symlink_to("/proc/1/fdinfo")
    sentence = fails(tmp_path, *ANY_PORTS, "--data", "data", daemon=daemon)
    assert "data" in sentence


@pytest.mark.parametrize("daemon", [False, True], ids=["foreground", "daemonised"])
@pytest.mark.parametrize(("text", "words"), [
    ("domains = ['example.org'", "is not TOML"),
    ("domain = ['example.org']", "did you mean 'domains'"),
    ("domains = ['example.org']\nstorage = 'sqlight'", "did you mean 'sqlite'"),
    ("domains = ['example.org']\n[smtp]\nmax_recipients = 0", "max_recipients"),
    ("domains = ['example.org']\n[tls]\ncertificate = 'nothing.pem'\nkey = 'nothing.pem'", "nothing.pem"),
    ("domains = ['example.org']\n[[auth]]\nplugin = 'file'\npath = 'nowhere/accounts'", "nowhere/accounts"),
    ("", "No domain"),
])
def test_a_bad_configuration_is_one_sentence(tmp_path: Path, text: str, words: str, daemon: bool) -> None:
    listener = "" if "is not TOML" in words else '\n[listeners.imap]\nrole = "imap"\nendpoint = "127.0.0.1:0"\n'
    (tmp_path / "bad.toml").write_text(text + listener)
    assert words in fails(tmp_path, "--config", "bad.toml", daemon=daemon)


def test_development_mode_stays_on_loopback(tmp_path: Path) -> None:
    assert "not on loopback" in fails(tmp_path, *ANY_PORTS, "--smtp", "tcp:0:interface=0.0.0.0")


def test_two_servers_never_share_one_data_folder(tmp_path: Path) -> None:
    with development(tmp_path):
        assert "mailframe-data" in fails(tmp_path, *ANY_PORTS)


def test_daemonised_it_serves_and_stops(tmp_path: Path) -> None:
    done = subprocess.run(twistd("--pidfile=t.pid", "--logfile=t.log", "mailframe", *ANY_PORTS), cwd=tmp_path, text=True,
                          capture_output=True, timeout=PATIENCE_S, check=True)
    pid = int((tmp_path / "t.pid").read_text())
    try:
        assert "development mode" in done.stdout
        port = int(re.search(r"imap +127\.0\.0\.1:(\d+)", done.stdout)[1])  # type: ignore[index]
        with imaplib.IMAP4("127.0.0.1", port, timeout=PATIENCE_S) as client:
            assert client.noop()[0] == "OK"
    finally:
        os.kill(pid, signal.SIGTERM)
        while (tmp_path / "t.pid").exists():     # removed when it has stopped
            os.sched_yield()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give up root")
def test_as_root_it_takes_a_low_port_and_drops_its_privileges(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    base = Path("/tmp") / f"mailframe-{os.getpid()}"
    base.mkdir()
    os.chown(base, nobody.pw_uid, nobody.pw_gid)
    try:
        with socket.socket() as probe:      # a port below 1024 that is free
            port = next(number for number in range(600, 1023) if probe.connect_ex(("127.0.0.1", number)) != 0)
        command = twistd("--nodaemon", "--pidfile=", f"--uid={nobody.pw_uid}", f"--gid={nobody.pw_gid}", "mailframe", *ANY_PORTS,
                         "--smtp", str(port), "--data", str(base / "data"))
        from support.servers import Child

        server = Child(command, tmp_path)
        try:
            server.wait_for("is ready")
            with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE_S) as client:
                client.sendmail("a@example.org", ["dev@localhost"], "Subject: low port\r\n\r\nHello\r\n")
            assert (base / "data").stat().st_uid == nobody.pw_uid
            status = Path(f"/proc/{server.process.pid}/status").read_text()
            assert re.search(rf"^Uid:\s+{nobody.pw_uid}\s", status, re.M)
        finally:
            assert server.stop() == 0, server.output
    finally:
        shutil.rmtree(base)


def test_the_example_configuration_starts_as_it_stands(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "mailframe.toml").read_text()
    text = re.sub(r'"127\.0\.0\.1:\d+"', '"127.0.0.1:0"', text)     # a test takes no fixed ports
    (tmp_path / "mailframe.toml").write_text(text)
    with development(tmp_path, "--config", "mailframe.toml") as server:
        assert set(server.ports) == {"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_systemd_unit_is_sound(tmp_path: Path) -> None:
    unit = tmp_path / "mailframe.service"
    unit.write_text((ROOT / "examples" / "mailframe.service").read_text())
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if "mailframe.service" in line]
    assert not complaints, shlex.join(complaints)
