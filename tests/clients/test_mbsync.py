"""mbsync (isync): a Maildir and an account kept alike, with the settings of docs/clients.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.client_settings import settings
from support.client_world import USER, Maildir, World, needs, run, world
from support.maildir_sync import goes_both_ways

pytestmark = needs("mbsync")


@pytest.fixture
def around(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


class Synced(Maildir):
    """~/Mail, and `mbsync`."""

    def __init__(self, around: World, home: Path) -> None:
        super().__init__(home / "Mail")
        self.folder.mkdir(parents=True)
        (home / ".mail-password").write_text(around.server.password + "\n")
        (home / ".mbsyncrc").write_text(settings("mbsyncrc", {
            "mail.example.org": "127.0.0.1", "993": str(around.recorder.port), "SSLType IMAPS": "SSLType None",
            "alice@example.org": USER,
        }))
        self.home = home

    def sync(self) -> None:
        run("mbsync", "example", env={"HOME": str(self.home)})


def test_mail_flags_deletions_and_folders_go_both_ways(around: World, tmp_path: Path) -> None:
    here = Synced(around, tmp_path / "home")
    goes_both_ways(around, here, here.sync, "mbsync (isync)")
