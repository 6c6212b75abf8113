"""Folders that vanish or may not be written to while mail comes in: a refusal for now, and all is well when they are back."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.crash.world import until
from support.disks import message
from support.intakeclient import LARGE, ROLES, SMALL, TROUBLE, WAYS, Client, Code
from support.intakeserver import start
from support.servers import MailServer, running

NOBODY = 65_534


@pytest.fixture
def folder() -> Iterator[Path]:
    """Of a user for whom permissions count."""
    made = Path(tempfile.mkdtemp(prefix="mailframe-lost-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def owned(folder: Path) -> tuple[str, ...]:
    """All of it is a user's who is not root; twistd's words by which the server becomes that one."""
    if os.geteuid() != 0:
        return ()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    return "--uid", str(NOBODY), "--gid", str(NOBODY)


def codes(replies: list[Code]) -> list[int]:
    return [code for code, _ in replies]


def shut(place: Path) -> Callable[[], None]:
    place.chmod(0o000)
    return lambda: place.chmod(0o700)


def unwritable(place: Path) -> Callable[[], None]:
    place.chmod(0o500)
    return lambda: place.chmod(0o700)


def moved(place: Path) -> Callable[[], None]:
    away = place.with_name("away")
    place.rename(away)

    def back() -> None:
        shutil.rmtree(place, ignore_errors=True)        # made again, meanwhile
        away.rename(place)
    return back


def in_the_way(place: Path) -> Callable[[], None]:
    """A file where a folder should be."""
    back = moved(place)
    place.touch()

    def away() -> None:
        place.unlink()
        back()
    return away


HARM = (shut, unwritable, moved, in_the_way)
CONTENT_HARM = ((shut, ""), (moved, ""), (in_the_way, ""), (shut, "staging"), (unwritable, "staging"), (in_the_way, "staging"))
MAILDIR_HARM = ((shut, ""), (in_the_way, ""), (shut, "new"), (unwritable, "new"))


def test_content_that_has_lost_its_place(folder: Path) -> None:
    """Large messages are refused for now, small ones need no file; sessions and what is under way go on."""
    server = start(folder, owned=owned)
    content = folder / "data" / "content"
    with running(server):
        for role in ROLES:
            with ExitStack() as stack:
                client, other = (stack.enter_context(Client.of(role, server.ports)) for _ in range(2))
                other.begin()
                other.expect(354, b"DATA")
                for harm, place in CONTENT_HARM:
                    for way in WAYS:
                        mend = harm(content / place)
                        for code, text in way(client, message(f"{role} {harm.__name__} {way.__name__}", LARGE)):
                            assert (code, text[3:10]) == TROUBLE, (harm, place, role, way, text)
                        assert set(codes(way(client, message("small", SMALL)))) == {250}
                        mend()
                        assert set(codes(way(client, message("large", LARGE)))) == {250}, (harm, place, role, way)
                assert set(codes(other.ended(message("other", SMALL)))) == {250}
        assert "Traceback" not in server.output, server.output
    assert not any((content / "staging").iterdir())


def test_a_folder_for_what_is_not_whole_is_made_again(folder: Path) -> None:
    server = start(folder, owned=owned)
    with running(server), Client.of("smtp", server.ports) as client:
        assert codes(client.data(message("before", LARGE))) == [250]
        shutil.rmtree(folder / "data" / "content" / "staging")
        assert codes(client.data(message("after", LARGE))) == [250]
        mend = moved(folder / "data" / "content")       # as when its disk is unmounted: what is put there would be hidden
        (folder / "data" / "content").mkdir()
        assert codes(client.data(message("hidden", LARGE))) == [451]
        assert not any((folder / "data" / "content").iterdir())
        mend()
        assert codes(client.data(message("back", LARGE))) == [250]
        assert "Traceback" not in server.output, server.output


def test_the_accounts_stay_in_force_without_their_file(folder: Path) -> None:
    """Nobody is unknown because a file is: that would be for good."""
    server = start(folder, owned=owned)
    with running(server), Client.of("smtp", server.ports) as client:
        for harm in (moved, shut):
            mend = harm(folder / "data" / "accounts")
            assert codes(client.data(message(harm.__name__, SMALL))) == [250]
            mend()


def test_a_folder_for_temporary_files_that_is_gone(folder: Path) -> None:
    (temp := folder / "temp").mkdir(mode=0o700)
    server = start(folder, '[storage]\nplugin = "maildir"\npath = "mail"\n', owned=owned, TMPDIR=str(temp))
    to = ["alice@one.example", "friend@far.example"]
    with running(server), Client.of("submission", server.ports) as client:
        assert codes(client.data(message("first", LARGE), to)) == [250]
        for harm in HARM:
            for way in WAYS:
                mend = harm(temp)
                (code, text), = way(client, message("large", LARGE), to)
                assert (code, text[3:10]) == TROUBLE, (harm, way, text)
                assert codes(way(client, message("small", SMALL), to)) == [250]
                mend()
                assert codes(way(client, message("large", LARGE), to)) == [250], (harm, way)
        assert "Traceback" not in server.output, server.output


def test_one_maildir_that_cannot_be_written_is_no_other_recipients_matter(folder: Path) -> None:
    """By LMTP its recipient is put off, by SMTP its mail waits in the queue (one reply for all)."""
    server = start(folder, '[storage]\nplugin = "maildir"\npath = "mail"\n[queue]\nfirst_delay_s = 0.2\n', owned=owned)
    with running(server):
        with Client.of("smtp", server.ports) as client:
            assert codes(client.data(message("first", SMALL))) == [250]
        alice = next(path.parent for path in (folder / "mail").rglob("new") if "alice" in str(path) and files(path.parent))
        for harm, place in MAILDIR_HARM:
            maildir(server, alice, harm, place)
        assert "Traceback" not in server.output, server.output


def maildir(server: MailServer, alice: Path, harm: Callable[[Path], Callable[[], None]], place: str) -> None:
    with Client.of("lmtp", server.ports) as lmtp, Client.of("smtp", server.ports) as smtp:
        had = files(alice)
        mend = harm(alice / place)
        for octets in (SMALL, LARGE):
            for way in WAYS:
                first, second = way(lmtp, message("x", octets))
                assert (first[0], first[1][3:10]) == TROUBLE and second[0] == 250, (harm, place, way, octets, first, second)
        assert codes(smtp.data(message(f"waits {harm.__name__}", SMALL))) == [250]
        mend()
        until(lambda: files(alice) == had + 1)
        assert codes(lmtp.data(message("again", SMALL))) == [250, 250]
        assert files(alice) == had + 2


def files(place: Path) -> int:
    return sum(path.is_file() for name in ("new", "cur") for path in (place / name).glob("*"))
