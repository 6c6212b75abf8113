"""A disk that is full, or takes no writes: temporary refusals, reading goes on, nothing acknowledged is lost, and it recovers."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import disks
from support.disks import message, prepare, start
from support.hostile import DOMAIN, Target
from support.servers import PATIENCE_S, running, twistd
from support.soundness import faults
from support.wires import Imap, Pop3, Smtp

UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    prepare(tmp_path)
    return tmp_path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The data folder on a disk of 5 MiB."""
    with disks.small_disk(tmp_path / "data"):
        prepare(tmp_path)
        yield tmp_path


def limit(server: Target, octets: int) -> None:
    """No file may grow beyond so many octets."""
    soft = octets if octets >= 0 else resource.RLIM_INFINITY
    resource.prlimit(server.child.process.pid, resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))


def fill(server: Target, octets: int, taken: list[str]) -> tuple[int, bytes]:
    """Bring mail until it is refused; returns the refusal."""
    with server.smtp() as smtp:
        assert isinstance(smtp, Smtp)
        for _ in range(2_000):
            key = f"key{len(taken)}"
            code, text = smtp.mail("a@x.example", [f"alice@{DOMAIN}"], message(key, octets))
            if code != 250:
                return code, text
            taken.append(key)
    raise AssertionError("never full")


def assert_there(server: Target, taken: list[str]) -> None:
    texts = server.texts("alice")
    assert [text.split(b"Subject: ")[1].split(b"\r\n")[0].decode() for text in texts] == taken


def reading(server: Target) -> Imap:
    """A new session reads what is there as ever."""
    imap = server.imap()
    imap.ok("SELECT INBOX")
    for items in ("BODY.PEEK[]", "ENVELOPE BODYSTRUCTURE"):
        assert b"FETCH" in b"".join(imap.ok(f"FETCH 1:* ({items})")[1])
    imap.ok("SEARCH TEXT zzz")
    return imap


def try_everything_that_writes(server: Target) -> None:
    """Each is refused for now, and the session lives on."""
    with reading(server) as imap:
        assert isinstance(imap, Imap)
        for command, literals in (
            ("APPEND INBOX {}", (message("no", 1_000),)), ("APPEND INBOX {}", (message("no", 2_000_000),)),
            ("STORE 1 +FLAGS (\\Flagged)", ()), ("COPY 1 Archive", ()), ("MOVE 1 Archive", ()), ("CREATE new", ()),
            ("RENAME Trash Waste", ()), ("DELETE Junk", ()), ("SUBSCRIBE new", ()),
            ("REPLACE 1 INBOX {}", (message("no", 1_000),)), ("REPLACE 1 Drafts {}", (message("no", 2_000_000),)),
            ('APPEND INBOX CATENATE (URL "/INBOX/;UID=1" TEXT {})', (b"no",)), (f"SETACL INBOX bob@{DOMAIN} lr", ()),
            ('SETMETADATA INBOX (/private/comment "no")', ()), ('SETMETADATA "" (/private/comment "no")', ()),
        ):
            answer, _ = imap.say(command, *literals)
            assert answer.startswith(b"NO "), (command, answer)
        imap.ok("NOOP")
    with server.pop3() as pop3:
        assert isinstance(pop3, Pop3)
        pop3.ok("RETR 1")
        pop3.lines()
        pop3.ok("DELE 1")
        assert pop3.say("QUIT").startswith(b"-ERR")
    with server.submission() as smtp:
        code, text = smtp.mail(f"alice@{DOMAIN}", ["friend@far.example"], message("no", 1_000))
        assert code in (451, 452), text


def assert_recovered(server: Target, taken: list[str]) -> None:
    assert_there(server, taken)
    with server.smtp() as smtp:
        assert smtp.mail("a@x.example", [f"alice@{DOMAIN}"], message("after", 1_000))[0] == 250
    assert_there(server, [*taken, "after"])
    with server.imap() as imap:
        imap.ok("SELECT INBOX")
        imap.ok("STORE 1 +FLAGS (\\Deleted)")
        imap.ok("EXPUNGE")
        imap.ok("CREATE new")
        assert b"no" not in b"".join(imap.ok("GETMETADATA INBOX /private/comment")[1])
        assert b"bob" not in b"".join(imap.ok("GETACL INBOX")[1])
        imap.ok('SETMETADATA INBOX (/private/comment "now")')
        imap.ok(f"SETACL INBOX bob@{DOMAIN} lr")
        imap.ok("REPLACE 1 Drafts {}", message("now", 1_000))


@pytest.mark.parametrize("octets", [20_000, 400_000], ids=["small", "staged"])
def test_where_no_file_may_grow_mail_waits_outside(folder: Path, octets: int) -> None:
    taken: list[str] = []
    server = start(folder)
    with running(server.child):
        with server.smtp() as smtp:
            assert smtp.mail("a@x.example", [f"alice@{DOMAIN}"], message("key0", 1_000))[0] == 250
        taken.append("key0")
        limit(server, 1_500_000)
        code, text = fill(server, octets, taken)
        assert code in (451, 452), text
        limit(server, 0)
        try_everything_that_writes(server)
        limit(server, -1)
        assert_recovered(server, taken)
        assert server.child.process.poll() is None
        assert "Traceback" not in server.child.output, server.child.output
    assert faults(folder / "data", folder / "copy") == []


def test_a_full_disk_is_said_and_recovers_when_there_is_space(small_disk: Path) -> None:
    ballast = small_disk / "data" / "ballast"
    ballast.write_bytes(b"\1" * 1_500_000)
    taken: list[str] = []
    server = start(small_disk)
    with running(server.child):
        code, text = fill(server, 400_000, taken)
        assert code == 452, text
        with reading(server) as imap:       # what is very small may still fit in somewhere
            assert isinstance(imap, Imap)
            assert imap.say("APPEND INBOX {}", message("no", 2_000_000))[0].startswith(b"NO ")
        assert_there(server, taken)
        ballast.unlink()
        assert_recovered(server, taken)
        assert "Traceback" not in server.child.output, server.child.output
    assert faults(small_disk / "data", small_disk / "copy") == []


@pytest.fixture
def content_folder(folder: Path) -> Iterator[Path]:
    """Where large messages rest: a mount of its own over itself, which `remount_bound` makes read-only and back."""
    content = folder / "data" / "content"
    content.mkdir(mode=0o700)
    done = subprocess.run(["unshare", "-m", "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing may be mounted here: {done.stderr.strip()}")
    yield content
    while subprocess.run(["umount", "-l", str(content)], capture_output=True, check=False).returncode == 0:
        pass


def test_a_content_folder_that_turns_read_only_takes_small_mail_and_then_large_again(folder: Path, content_folder: Path) -> None:
    """A file system cannot be remounted under a database that is open; the files of content have nobody who holds them."""
    taken: list[str] = []
    server = start(folder)
    with running(server.child):
        with server.smtp() as smtp:
            assert smtp.mail("a@x.example", [f"alice@{DOMAIN}"], message("key0", 700_000))[0] == 250
        taken.append("key0")
        subprocess.run(["mount", "--bind", str(content_folder), str(content_folder)], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", str(content_folder)], check=True)
        with server.smtp() as smtp:
            for _ in range(2):
                code, text = smtp.mail("a@x.example", [f"alice@{DOMAIN}"], message("no", 700_000))
                assert code in (451, 452), text
            assert smtp.mail("a@x.example", [f"alice@{DOMAIN}"], message("small", 7_000))[0] == 250
        taken.append("small")
        with reading(server) as imap:
            assert imap.say("APPEND INBOX {}", message("no", 700_000))[0].startswith(b"NO [")
            imap.ok("APPEND INBOX {}", message("smaller", 1_000))
            imap.ok("STORE 1 +FLAGS (\\Seen)")
        taken.append("smaller")
        said = [line for line in server.child.output.splitlines() if "ead-only file system" in line]
        assert said and str(content_folder.name) in said[0], server.child.output
        subprocess.run(["umount", "-l", str(content_folder)], check=True)
        with server.smtp() as smtp:
            assert smtp.mail("a@x.example", [f"alice@{DOMAIN}"], message("large", 700_000))[0] == 250
        assert_recovered(server, [*taken, "large"])
        assert "Traceback" not in server.child.output, server.child.output
    assert faults(folder / "data", folder / "copy") == []


def test_killed_with_a_full_disk_that_then_takes_no_writes_nothing_is_lost(small_disk: Path) -> None:
    ballast = small_disk / "data" / "ballast"
    ballast.write_bytes(b"\1" * 1_500_000)
    taken: list[str] = []
    server = start(small_disk)
    code, text = fill(server, 20_000, taken)
    server.child.kill()
    assert code == 452, text
    assert faults(small_disk / "data", small_disk / "copy") == []
    remount(small_disk, "ro")
    done = subprocess.run(
        twistd("--nodaemon", "--pidfile=", "mailframe", "--config", "mailframe.toml"), cwd=small_disk, text=True,
        capture_output=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL, check=False)
    sentences = [line for line in done.stderr.splitlines() if line.startswith("mailframe: ")]
    assert done.returncode == 1 and len(sentences) == 1 and "Traceback" not in done.stdout + done.stderr, done
    assert "ead-only" in sentences[0], sentences
    remount(small_disk, "rw")
    ballast.unlink()
    server = start(small_disk)
    with running(server.child):
        assert_recovered(server, taken)


def remount(folder: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(folder / "data")], check=True)
