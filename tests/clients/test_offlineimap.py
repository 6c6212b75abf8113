"""OfflineIMAP: a Maildir and an account kept alike, with the settings of docs/clients.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.client_settings import settings
from support.client_world import USER, Maildir, World, deliver, needs, run, world
from support.maildir_sync import goes_both_ways
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
    here = Synced(around, tmp_path / "home")
    goes_both_ways(around, here, here.sync, "OfflineIMAP")


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
