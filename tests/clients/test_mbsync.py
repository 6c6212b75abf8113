"""mbsync (isync): a Maildir and an account kept alike, with the settings of docs/clients.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.client_settings import check_said, settings
from support.client_world import USER, Maildir, World, deliver, needs, run, world

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
    deliver(around.server, "read here", "gone here", "flagged there", "moved there")
    here = Synced(around, tmp_path / "home")
    here.sync()
    assert set(here.files()) == {"read here", "gone here", "flagged there", "moved there"}
    assert {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"} <= {path.name for path in here.folder.iterdir()}
    here.change()
    around.change("flagged there", "+FLAGS (\\Flagged)")
    around.move("moved there", "Archive")
    deliver(around.server, "came meanwhile")
    with around.elsewhere() as client:
        client.create('"Made there"')
    here.sync()
    assert around.mail() == {"read here": {"\\Seen"}, "flagged there": {"\\Flagged"}, "came meanwhile": set()}
    assert around.mail("Sent") == {"sent here": {"\\Seen"}} and around.mail("Made here") == {"filed here": {"\\Flagged"}}
    assert set(here.files()) == {"read here", "flagged there", "came meanwhile"}
    assert here.files()["flagged there"].name.endswith(":2,F")
    assert set(here.files("Archive")) == {"moved there"}
    assert (here.folder / "Made there").is_dir()
    check_said("mbsync (isync)", around.recorder)
    mark = around.recorder.mark
    here.sync()
    assert not around.recorder.heard("APPEND|STORE|EXPUNGE", mark), "all is alike: nothing to do"
