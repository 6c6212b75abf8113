"""A disk, or a folder for temporary files, that fills up while messages come in: 452, and room again is all that is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.disks import fill_up, free, message, small_disk
from support.intakeclient import FULL, LARGE, ROLES, SMALL, WAYS, Client, Code, Way
from support.intakeserver import start
from support.servers import MailServer, running

KEEPS = 131_072         # the database's log may grow by so much while a message is refused


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "data", "12m") as place:
        yield place


def refused(replies: list[Code], *where: object) -> None:
    for code, text in replies:
        assert (code, text[3:10]) == FULL, (where, text)


def taken(replies: list[Code]) -> None:
    assert {code for code, _ in replies} == {250}, replies


@pytest.mark.parametrize("content", ["directory", "sqlite"])
def test_a_disk_that_fills_up_while_a_message_comes_in(tmp_path: Path, disk: Path, content: str) -> None:
    server = start(tmp_path, f'content = "{content}"')
    with running(server):
        for role in ROLES:
            fills_up(server, disk, role, content)
        assert "Traceback" not in server.output, server.output


def fills_up(server: MailServer, disk: Path, role: str, content: str) -> None:
    with Client.of(role, server.ports) as client, Client.of(role, server.ports) as other:
        for way in WAYS:
            taken(way(client, message("before", SMALL)))
            other.begin()
            other.expect(354, b"DATA")
            ballast = fill_up(disk, 330_000)
            before = free(disk)
            if content == "sqlite":         # the database's log may have room that is not the disk's any more
                refused(until_refused(way, client, LARGE), role, way)
            for number in range(3):
                refused(way(client, message(f"{way.__name__} {number}", LARGE)), role, way)
            if content == "directory":      # pieces in the database are swept within a minute: test_intake
                assert free(disk) >= before - KEEPS, "what was refused takes room"
            fill_up(disk, 0)
            small = until_refused(way, client)
            refused(small, role, way)
            ballast.unlink()
            taken(other.ended(message("other", SMALL)))
            taken(way(client, message(f"after {way.__name__}", LARGE)))


def test_a_folder_for_temporary_files_that_fills_up(tmp_path: Path) -> None:
    """What goes into a Maildir and the queue at once is held there: the last octets as well must have found room in it."""
    with small_disk(tmp_path / "temp", "1m") as temp:
        server = start(tmp_path, '[storage]\nplugin = "maildir"\npath = "mail"\n', TMPDIR=str(temp))
        with running(server), Client.of("submission", server.ports) as client, Client.of("submission", server.ports) as other:
            for way in WAYS:
                other.begin()
                other.expect(354, b"DATA")
                ballast = fill_up(temp, 302_000)
                room = free(temp)
                for octets in (LARGE, *range(room, room + 9_000, 1_000)):
                    refused(way(client, exactly(octets + 1), BOTH), way, octets)
                    assert free(temp) == room
                taken(way(client, exactly(room - 1), BOTH))
                ballast.unlink()
                taken(way(client, message("after", LARGE), BOTH))
                taken(other.ended(message("other", SMALL)))
            assert "Traceback" not in server.output, server.output


BOTH = ["alice@one.example", "friend@far.example"]


def exactly(octets: int) -> bytes:
    """A message of so many."""
    return message("exact", octets + 100)[:octets - 4].rstrip(b"\r\n").ljust(octets - 2, b"x") + b"\r\n"


def until_refused(way: Way, client: Client, octets: int = 20_000) -> list[Code]:
    """What is small may fit in somewhere for a while."""
    for number in range(200):
        replies = way(client, message(f"one {number}", octets))
        if replies[0][0] != 250:
            return replies
    raise AssertionError("never full")
