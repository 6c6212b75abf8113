"""mutt and NeoMutt at a terminal, with the settings of docs/clients.md."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.client_settings import settings
from support.client_world import USER, World, deliver, world
from support.servers import until
from support.terminal import Terminal


@pytest.fixture
def around(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


class Mutt:
    """One of the two with a home folder, so that its header cache stays from one start to the next."""

    def __init__(self, program: str, around: World, home: Path) -> None:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
        self.program, self.home = program, home
        (home / ".cache").mkdir(parents=True)
        self.rc = home / "muttrc"
        self.rc.write_text(settings("muttrc", {
            "imaps://mail.example.org:993": f"imap://127.0.0.1:{around.recorder.port}",
            "smtps://alice%40example.org@mail.example.org:465": f"smtp://dev%40localhost@127.0.0.1:{around.server.ports['submission']}",
            "alice@example.org": USER, "secret": around.server.password, "timeout = 15": "timeout = 1",
        }) + "set ssl_starttls=no ssl_force_tls=no confirmcreate=no confirmappend=no mark_old=no quit=yes delete=yes wait_key=no\n"
            "set editor=true abort_unmodified=no\n")

    @property
    def env(self) -> dict[str, str]:
        return {"HOME": str(self.home), "TERM": "xterm"}

    def terminal(self, keys: str = "") -> Terminal:
        return Terminal((self.program, "-n", "-F", str(self.rc), "-e", f'push "{keys}"' if keys else ""), self.home, self.env)


@pytest.fixture(params=["mutt", "neomutt"])
def mutt(request: pytest.FixtureRequest, around: World, tmp_path: Path) -> Mutt:
    return Mutt(request.param, around, tmp_path / "home")


def test_a_second_start_asks_only_for_what_has_changed(mutt: Mutt, around: World) -> None:
    deliver(around.server, "stays", "goes", "is flagged")
    with mutt.terminal("<quit>") as terminal:
        terminal.ended()
    around.recorder.wait_for(r"ENABLE .*QRESYNC")
    around.move("goes", "Archive")
    around.change("is flagged", "+FLAGS (\\Flagged)")
    deliver(around.server, "is new")
    mark = around.recorder.mark
    with mutt.terminal("<quit>") as terminal:
        terminal.ended()
    around.recorder.wait_for(r'SELECT "INBOX" \(CONDSTORE\)', mark)
    around.recorder.wait_for(r"UID FETCH 1:3 \(FLAGS\) \(CHANGEDSINCE \d+ VANISHED\)", mark)
    around.recorder.wait_for(r"VANISHED \(EARLIER\) 2", mark, by_client=False)
    around.recorder.wait_for(r"FETCH \(UID 3 FLAGS \(\\Flagged", mark, by_client=False)
    headers = [line.split()[2] for line in around.recorder.lines(mark) if "HEADER.FIELDS" in line]
    assert headers == (["3"] if mutt.program == "mutt" else ["2", "3"]), "only the new message's, and of NeoMutt what has changed"


def test_it_flags_searches_copies_and_saves_into_new_folders(mutt: Mutt, around: World) -> None:
    deliver(around.server, "for the archive", "for a new folder")
    deliver(around.server, "with a needle", body="A needle.\r\n")
    keys = ("<limit>=b needle<enter><set-flag>!<limit>~A<enter>"
            "<search>archive<enter><copy-message>=Archive<enter>"
            "<search>new<enter><save-message>=Projekte<enter><sync-mailbox><quit>")
    with mutt.terminal(keys) as terminal:
        terminal.ended()
    around.recorder.wait_for(r'UID SEARCH .*BODY "?needle')
    assert around.mail()["with a needle"] >= {"\\Flagged"}
    assert set(around.mail()) == {"for the archive", "with a needle"}
    assert set(around.mail("Archive")) == {"for the archive"} and set(around.mail("Projekte")) == {"for a new folder"}


def test_new_mail_and_flags_are_pushed(mutt: Mutt, around: World) -> None:
    deliver(around.server, "first")
    with mutt.terminal() as terminal:
        around.recorder.wait_for(r"IDLE$")
        around.recorder.wait_for(r"^\+ ", by_client=False)
        mark = around.recorder.mark
        deliver(around.server, "pushed to the screen")
        until(lambda: "pushed to the screen" in terminal.shown, "the subject on the screen")
        around.recorder.wait_for("DONE", mark)
        around.recorder.wait_for(r"IDLE$", mark)
        around.change("first", "+FLAGS (\\Flagged)")
        around.recorder.wait_for(r"^\* 1 FETCH .*\\Flagged", mark, by_client=False)
        terminal.type("q")
        terminal.ended()


def test_what_is_sent_arrives_and_is_kept_in_sent(mutt: Mutt, around: World) -> None:
    with mutt.terminal(f"<mail>{USER}<enter>sent here<enter><send-message><quit>") as terminal:
        terminal.ended()
    assert set(around.mail()) == {"sent here"}
    assert around.mail("Sent") == {"sent here": {"\\Seen"}}
    around.recorder.wait_for(r'APPEND "Sent" \(\\Seen\)')
