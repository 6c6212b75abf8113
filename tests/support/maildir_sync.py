"""What a program must do that keeps a Maildir and an account alike."""

from __future__ import annotations

from collections.abc import Callable

from support.client_settings import check_said
from support.client_world import Maildir, World, deliver


def goes_both_ways(around: World, here: Maildir, sync: Callable[[], None], program: str) -> None:
    """Mail, flags, deletions and folders: changes on either side are on both after a run, and the next one finds nothing to do."""
    deliver(around.server, "read here", "gone here", "flagged there", "moved there")
    sync()
    assert set(here.files()) == {"read here", "gone here", "flagged there", "moved there"}
    assert {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"} <= {path.name for path in here.folder.iterdir()}
    here.change()
    around.change("flagged there", "+FLAGS (\\Flagged)")
    around.move("moved there", "Archive")
    deliver(around.server, "came meanwhile")
    with around.elsewhere() as client:
        client.create('"Made there"')
    sync()
    assert around.mail() == {"read here": {"\\Seen"}, "flagged there": {"\\Flagged"}, "came meanwhile": set()}
    assert around.mail("Sent") == {"sent here": {"\\Seen"}} and around.mail("Made here") == {"filed here": {"\\Flagged"}}
    assert set(here.files()) == {"read here", "flagged there", "came meanwhile"}
    assert here.files()["flagged there"].name.endswith(":2,F")
    assert set(here.files("Archive")) == {"moved there"}
    assert (here.folder / "Made there").is_dir()
    check_said(program, around.recorder)
    mark = around.recorder.mark
    sync()
    assert not around.recorder.heard("APPEND|STORE|EXPUNGE", mark), "all is alike: nothing to do"
