"""The wheel, and a third party's package, in fresh virtual environments, as who installs them meets them. No network is needed."""

from __future__ import annotations

import imaplib
import os
import poplib
import re
import shutil
import smtplib
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from support.servers import ANY_PORTS, PATIENCE_S, MailServer

import twisted

ROOT = Path(__file__).parents[2]
INSTALL_S = 120.0       # for pip on a busy machine; only a hang reaches it
LINE = r"(?m)^ +mailframe +A mail server of pluggable parts: SMTP, relay, POP3, IMAP$"
OFFLINE = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
USER = "dev@localhost"


class Environment:
    """A virtual environment with all that the tests' own has, as if installed there, but for mailframe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder, symlinks=True)
        self.programs = folder / "bin"
        self.site = next((folder / "lib").glob("python3*")) / "site-packages"
        real = Path(twisted.__file__ or "").parents[1]
        for item in real.iterdir():
            if item.name != "twisted" and "mailframe" not in item.name and item.suffix != ".pth":
                (self.site / item.name).symlink_to(item)
        # Our plugin goes into Twisted's folder of plugins: these two are real folders.
        (self.site / "twisted" / "plugins").mkdir(parents=True)
        for item in (*(real / "twisted").iterdir(), *(real / "twisted" / "plugins").glob("*.py")):
            if item.name not in ("plugins", "mailframe_plugin.py"):
                (self.site / item.relative_to(real)).symlink_to(item)
        twistd = self.programs / "twistd"
        twistd.write_text(f"#!{self.programs / 'python'}\nimport sys\nfrom twisted.scripts.twistd import run\nsys.exit(run())\n")
        twistd.chmod(0o755)

    def run(self, program: str, *arguments: str) -> str:
        """What it printed; in a folder that is none of ours."""
        done = subprocess.run([str(self.programs / program), *arguments], cwd=self.folder, text=True, timeout=INSTALL_S,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def install(self, *what: str) -> None:
        self.run("python", "-m", "pip", "install", "-q", *OFFLINE, *what)


@pytest.fixture(scope="module", autouse=True)
def _apart() -> object:
    """What shows the tests their own mailframe is hidden from the programs that are run here."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("PYTHON", "PIP_", "VIRTUAL_ENV")):
                patch.delenv(name)
        yield


def copied(source: Path, target: Path) -> Path:
    """As a clone has it: building leaves nothing behind in the folder that is tested."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(
        ".*", "*.egg-info", "build", "dist", "__pycache__", "tests", "dropin.cache", "mailframe-data"))
    return target


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(ROOT, tmp_path_factory.mktemp("source") / "mailframe")


@pytest.fixture(scope="module")
def plain(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """With the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", *OFFLINE, "-w", str(folder), str(source)],
                   timeout=INSTALL_S, check=True, cwd=folder)
    wheel, = folder.glob("mailframe-*.whl")
    environment = Environment(tmp_path_factory.mktemp("plain") / "venv")
    environment.install(str(wheel))
    return environment


def test_the_wheel_holds_all_of_us_and_nothing_else(plain: Environment) -> None:
    record = next(plain.site.glob("mailframe-*.dist-info")) / "RECORD"
    names = {line.split(",")[0] for line in record.read_text().splitlines()}
    ours = {name for name in names if not name.startswith(("mailframe-", "../")) and "__pycache__" not in name}
    wanted = {str(path.relative_to(ROOT)) for path in (ROOT / "mailframe").rglob("*.py")}
    assert ours == wanted | {"mailframe/py.typed", "twisted/plugins/mailframe_plugin.py"}


def test_installed_it_is_shown_by_twistd_from_any_folder(plain: Environment) -> None:
    assert re.search(LINE, plain.run("twistd", "--help"))
    assert "--storage" in plain.run("twistd", "mailframe", "--help")
    assert str(plain.site) in plain.run("python", "-c", "import mailframe; print(mailframe.__file__)")
    assert re.match(r"mailframe \d", plain.run("mailframe", "--version"))


def test_uninstalled_it_leaves_twisted_as_it_was(source: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "venv")
    before = set((environment.site / "twisted").rglob("*.py"))
    environment.install("-e", str(source))
    assert re.search(LINE, environment.run("twistd", "--help")), "an editable installation is shown, too"
    environment.run("python", "-m", "pip", "uninstall", "-q", "-y", "mailframe")
    environment.install(str(source))
    assert re.search(LINE, environment.run("twistd", "--help"))
    environment.run("python", "-m", "pip", "uninstall", "-q", "-y", "mailframe")
    assert set((environment.site / "twisted").rglob("*.py")) == before
    words = environment.run("twistd", "--help")
    assert "mailframe" not in words and re.search(r"web +A general-purpose web server", words)


def test_a_third_partys_storage_serves_smtp_imap_and_pop3(plain: Environment, tmp_path: Path) -> None:
    plain.install(str(copied(ROOT / "examples" / "json_store", tmp_path / "json_store")))
    assert re.search(r"storage +json +mailframe-json-store +Mail in JSON files", plain.run("mailframe", "plugins"))
    server = MailServer(tmp_path, "--storage", "json:mail", *ANY_PORTS, programs=plain.programs)
    try:
        password = server.password
        with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as client:
            for subject in ("one", "two", "three"):
                client.sendmail("a@example.org", [USER], f"Subject: {subject}\r\n\r\nHello\r\n")
        with imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=PATIENCE_S) as imap:
            imap.login(USER, password)
            assert imap.select() == ("OK", [b"3"])
            envelope = imap.fetch("1", "(ENVELOPE BODYSTRUCTURE)")[1][0]
            assert isinstance(envelope, bytes) and b'"one"' in envelope
            assert imap.search(None, "SUBJECT", "two") == ("OK", [b"2"])
            imap.store("2", "+FLAGS", "\\Flagged")
            imap.copy("2", "Archive")
        pop = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=PATIENCE_S)
        pop.user(USER)
        pop.pass_(password)
        assert b"Subject: one" in pop.retr(1)[1]
        pop.dele(1)
        pop.quit()
    finally:
        assert server.stop() == 0, server.output
    assert "Subject: two" in (tmp_path / "mail" / f"{USER}.json").read_text()

    again = MailServer(tmp_path, "--storage", "json:mail", *ANY_PORTS, programs=plain.programs)
    try:
        with imaplib.IMAP4("127.0.0.1", again.ports["imap"], timeout=PATIENCE_S) as imap:
            imap.login(USER, password)
            assert imap.select() == ("OK", [b"2"])
            assert imap.search(None, "FLAGGED") == ("OK", [b"1"])
            assert imap.select("Archive") == ("OK", [b"1"])
    finally:
        assert again.stop() == 0, again.output
