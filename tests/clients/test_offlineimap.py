"""OfflineIMAP: a Maildir and an account kept alike, with the settings of docs/clients.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.client_settings import check_said, settings
from support.client_world import USER, Maildir, World, deliver, needs, run, world
from support.servers import PATIENCE_S, Child, until

pytestmark = needs("offlineimap")


@pytest.fixture
def around(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


class Synced(Maildir):
    """~/Mail, and `offlineimap`."""

    def __init__(self, around: World, home: Path) -> None:
        super().__init__(home / "Mail")
        home.mkdir()
        self.home = home
        (home / ".offlineimaprc").write_text(settings("offlineimaprc", {
            "mail.example.org": "127.0.0.1", "993": str(around.recorder.port), "ssl = yes": "ssl = no\nstarttls = no",
            "alice@example.org": USER, "secret": around.server.password, "~/Mail": str(self.folder),
        }))
        self.env = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), "XDG_RUNTIME_DIR": str(home)}

    def sync(self) -> None:
        said = run("offlineimap", "-o", "-u", "basic", env=self.env, patience_s=3 * PATIENCE_S)
        assert "ERROR" not in said, said


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
    check_said("OfflineIMAP", around.recorder)
    mark = around.recorder.mark
    here.sync()
    assert not around.recorder.heard("APPEND|STORE|EXPUNGE", mark), "all is alike: nothing to do"


def test_new_mail_is_pushed(around: World, tmp_path: Path) -> None:
    here = Synced(around, tmp_path / "home")
    client = Child(("offlineimap", "-u", "basic"), here.home, env=here.env)
    try:
        around.recorder.wait_for(r"IDLE$")
        around.recorder.wait_for(r"^\+ idling", by_client=False)
        mark = around.recorder.mark
        deliver(around.server, "pushed")
        around.recorder.wait_for("DONE", mark)
        until(lambda: "pushed" in here.files(), "the message in the Maildir")
    finally:
        client.kill()
