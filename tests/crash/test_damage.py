"""A damaged database: whom the damage concerns is asked to come again, the log says where it is, and all others go on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import apsw
import pytest
from support.disks import message, prepare, start
from support.hostile import DOMAIN
from support.servers import PATIENCE_S, running, twistd
from support.wires import Imap, Pop3, Refused, Smtp

PAGE = 8_192


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The data of a stopped server: alice has a message on a page of its own, bob has others."""
    prepare(tmp_path)
    server = start(tmp_path)
    with running(server.child), server.smtp() as smtp:
        assert isinstance(smtp, Smtp)
        for user, key in (("alice", "before"), ("alice", "damaged"), ("alice", "behind"), ("bob", "his")):
            assert smtp.mail("a@x.example", [f"{user}@{DOMAIN}"], message(key, 7_000))[0] == 250
    return tmp_path


def database(folder: Path) -> Path:
    found, = (file for file in (folder / "data").glob("*.db") if b"SQLite format 3" in file.read_bytes()[:16])
    return found


def smash(file: Path, page: int) -> None:
    """Flip the octets of a page's header (numbers begin at 1)."""
    with open(file, "r+b") as disk:
        disk.seek((page - 1) * PAGE)
        header = disk.read(64)
        disk.seek((page - 1) * PAGE)
        disk.write(bytes(octet ^ 0xFF for octet in header))


def page_of(file: Path, octets: bytes) -> int:
    """Where they are for the last time."""
    return file.read_bytes().rindex(octets) // PAGE + 1


def root_of(file: Path, table: str) -> int:
    with apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY) as connection:
        return int(connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchall()[0][0])


@pytest.mark.parametrize("while_it_runs", [False, True], ids=["stopped", "running"])
def test_a_damaged_page_of_content_concerns_who_reads_it(folder: Path, while_it_runs: bool) -> None:
    file = database(folder)
    page = page_of(file, b"Subject: damaged")
    if not while_it_runs:
        smash(file, page)
    server = start(folder)
    with running(server.child):
        if while_it_runs:
            smash(file, page)
        with server.imap() as imap:
            assert isinstance(imap, Imap)
            imap.ok("SELECT INBOX")
            for command in ("FETCH 2 BODY.PEEK[]", "FETCH 1:* BODY.PEEK[TEXT]", "SEARCH BODY zzz"):
                answer, _ = imap.say(command)
                assert answer.startswith(b"NO ["), (command, answer)
            for command in ("FETCH 1 BODY.PEEK[]", "FETCH 3 BODY.PEEK[]", "FETCH 1:* (FLAGS UID RFC822.SIZE)",
                            "STORE 2 +FLAGS (\\Seen)", "NOOP"):
                imap.ok(command)
        with server.pop3() as pop3:
            assert isinstance(pop3, Pop3)
            assert pop3.say("RETR 2").startswith(b"-ERR")
            pop3.ok("RETR 1")
            pop3.lines()
            pop3.ok("QUIT")
        assert len(server.texts("bob")) == 1
        with server.smtp() as smtp:
            assert isinstance(smtp, Smtp)
            assert smtp.mail("a@x.example", [f"bob@{DOMAIN}"], message("more", 1_000))[0] == 250
        assert len(server.texts("bob")) == 2
        said(server.child.output, file)


def said(output: str, file: Path) -> None:
    """The log names the file and the way out, and has no traceback."""
    assert "Traceback" not in output, output
    line, *_ = [line for line in output.splitlines() if "is damaged" in line]
    assert file.name in line and "mailframe store check" in line, line


def test_a_damaged_table_is_a_temporary_failure_of_all_that_needs_it(folder: Path) -> None:
    file = database(folder)
    smash(file, root_of(file, "message"))
    server = start(folder)
    with running(server.child):
        with server.smtp() as smtp:
            assert isinstance(smtp, Smtp)
            code, text = smtp.mail("a@x.example", [f"bob@{DOMAIN}"], message("more", 1_000))
            assert code in (250, 451), text         # in the queue, until the mailbox is well again
        with server.imap() as imap:
            assert isinstance(imap, Imap)
            imap.ok('LIST "" "*"')
            assert imap.say("APPEND INBOX {}", message("no", 500))[0].startswith(b"NO [")
            answer, _ = imap.say("SELECT INBOX")
            if answer.startswith(b"OK"):
                assert imap.say("FETCH 1:* FLAGS")[0].startswith(b"NO [")
            imap.ok("NOOP")
        with pytest.raises(Refused, match="SYS/TEMP"):
            server.pop3()
        said(server.child.output, file)
        assert server.child.process.poll() is None


@pytest.mark.parametrize("octets", [b"not a database at all" * 500, b"SQLite format 3\0" + bytes(20_000)], ids=["another", "empty"])
def test_a_file_that_is_no_database_is_one_sentence_at_the_start(folder: Path, octets: bytes) -> None:
    file = database(folder)
    file.write_bytes(octets)
    refused_to_start(folder, file)


def test_a_database_whose_first_page_is_damaged_is_one_sentence_at_the_start(folder: Path) -> None:
    file = database(folder)
    with open(file, "r+b") as disk:
        disk.seek(100)
        disk.write(b"\xff" * 400)
    refused_to_start(folder, file)


def refused_to_start(folder: Path, file: Path) -> None:
    before = file.read_bytes()
    done = subprocess.run(
        twistd("--nodaemon", "--pidfile=", "mailframe", "--config", "mailframe.toml"), cwd=folder, text=True, capture_output=True,
        timeout=PATIENCE_S, stdin=subprocess.DEVNULL, check=False)
    sentences = [line for line in done.stderr.splitlines() if line.startswith("mailframe: ")]
    assert done.returncode == 1 and len(sentences) == 1 and "Traceback" not in done.stdout + done.stderr, done
    assert file.name in sentences[0]
    assert file.read_bytes() == before, "it is left to the person who comes to look"


LARGE = 1_500_000


def delete(file: Path) -> None:
    file.unlink()


def truncate(file: Path) -> None:
    with open(file, "r+b") as disk:
        disk.truncate(400_000)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def make_unreadable(file: Path) -> None:
    """For root as well: nobody reads a folder's octets."""
    file.unlink()
    file.mkdir()


SPOIL = (delete, truncate, empty, make_unreadable)


def test_a_spoilt_content_file_costs_who_reads_it_that_one_answer(tmp_path: Path) -> None:
    """Messages 1 and 6 are well, those between are spoilt in as many ways, while the server runs."""
    prepare(tmp_path)
    keys = ["before", *(spoil.__name__ for spoil in SPOIL), "behind"]
    server = start(tmp_path)
    with running(server.child):
        for key in keys:
            with server.smtp() as smtp:
                assert smtp.mail("a@x.example", [f"alice@{DOMAIN}"], message(key, LARGE))[0] == 250
        files = {file.read_bytes()[:60].split(b"\r\n")[0].removeprefix(b"Subject: ").decode(): file
                 for file in (tmp_path / "data" / "content").glob("*/*/*")}
        for spoil in SPOIL:
            spoil(files[spoil.__name__])
        with server.imap() as imap:
            imap.ok("SELECT INBOX")
            for number, key in enumerate(keys, 1):
                expected = (b"OK" if key[0] == "b" else
                            b"NO [UNAVAILABLE]" if key == "make_unreadable" else b"NO [CORRUPTION]")     # RFC 5530 section 3
                for items in ("BODY.PEEK[]", "BODY.PEEK[TEXT]", "BODY.PEEK[]<1000000.100>", "BODY.PEEK[]<1000000.400000>"):
                    answer, _ = imap.say(f"FETCH {number} {items}")
                    assert answer.startswith(expected), (key, items, answer)
            assert imap.say("SEARCH BODY zzz")[0].startswith(b"NO [CORRUPTION]")
            for command in ("FETCH 1:* (FLAGS UID RFC822.SIZE ENVELOPE)", "STORE 2:5 +FLAGS (\\Seen)", "NOOP"):
                imap.ok(command)
        with server.pop3() as pop3:
            for number, key in enumerate(keys, 1):
                assert pop3.say(f"RETR {number}").startswith(b"+OK" if key[0] == "b" else b"-ERR"), key
                if key[0] == "b":
                    pop3.lines()
            pop3.ok("QUIT")
        for key in keys:
            with server.smtp() as smtp:     # the same octets come again, and nothing of what is spoilt is used for them
                assert smtp.mail("a@x.example", [f"bob@{DOMAIN}"], message(key, LARGE))[0] == 250, key
        assert [message(key, LARGE) in text for key, text in zip(keys, server.texts("bob"), strict=True)] == [True] * len(keys)
        assert server.child.process.poll() is None
        assert "Traceback" not in server.child.output, server.child.output
        for spoil in SPOIL:
            line, *_ = [line for line in server.child.output.splitlines() if files[spoil.__name__].name in line]
            assert "cannot be read" in line and "mailframe store check" in line, line
