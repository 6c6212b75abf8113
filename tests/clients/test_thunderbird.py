"""Thunderbird, told by scripts what a user does; the server's record and another client say what came of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.client_settings import check_said, settings
from support.client_world import USER, World, deliver, needs, world
from support.thunderbird import Thunderbird

pytestmark = [needs("thunderbird", "Xvfb"), pytest.mark.xdist_group("thunderbird")]


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("server")) as made:
        yield made


@pytest.fixture(scope="module")
def user(around: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Thunderbird]:
    """One start for all; it begins with two messages that came before it was set up."""
    deliver(around.server, "first", "second")
    profile = settings("userjs", {
        'hostname", "mail.example.org"': 'hostname", "127.0.0.1"', "alice@example.org": USER,
        "993": str(around.recorder.port), 'socketType", 3': 'socketType", 0',
        "465": str(around.server.ports["submissions"]),
    })
    thunderbird = Thunderbird(tmp_path_factory.mktemp("thunderbird"), profile)
    try:
        thunderbird.act("trust", around.server.ports["submissions"], around.certificate)
        thunderbird.act("remember", USER, around.server.password)
        thunderbird.act("getMail", ["first", "second"])
        yield thunderbird
    finally:
        thunderbird.stop()


_passed: set[str] = set()


@pytest.fixture(autouse=True)
def noted(request: pytest.FixtureRequest, around: World) -> Iterator[None]:
    """What passed; and what both sides said in what did not."""
    failed, mark = request.session.testsfailed, around.recorder.mark
    yield
    if request.session.testsfailed == failed:
        _passed.add(request.node.name)
    else:
        print(around.recorder.told(mark))


def idling(around: World, since: int) -> None:
    """It begins to two seconds after its last command."""
    around.recorder.wait_for(r"^\S+ IDLE$", since)
    around.recorder.wait_for(r"^\+ idling", since, by_client=False)


def test_the_first_sync_finds_mail_folders_and_their_uses(user: Thunderbird, around: World) -> None:
    wanted = {
        "INBOX": ["Inbox"], "Archive": ["Archive"], "Captured": [], "Drafts": ["Drafts"], "Junk": ["Junk"], "Sent": ["Sent"],
        "Trash": ["Trash"],
    }
    assert user.act("folders", [*wanted]) == wanted


def test_a_message_is_shown_and_read_then(user: Thunderbird, around: World) -> None:
    deliver(around.server, "to read", body="These are the words.\r\n")
    user.act("getMail", ["to read"])
    mark = around.recorder.mark
    assert "These are the words." in user.act("read", "INBOX", "to read")
    around.recorder.wait_for(r"uid store \d+ \+Flags \(\\Seen\)", mark)
    around.recorder.wait_for(r"OK UID STORE", mark, by_client=False)
    assert around.mail()["to read"] == {"\\Seen"}


def test_flags_and_tags_go_both_ways(user: Thunderbird, around: World) -> None:
    deliver(around.server, "flagged here", "flagged there")
    user.act("getMail", ["flagged here", "flagged there"])
    mark = around.recorder.mark
    user.act("mark", "INBOX", "flagged here", "flagged", True)
    user.act("tag", "INBOX", "flagged here", "$label1")
    around.recorder.wait_for(r"uid store \d+ \+Flags \(\$label1\)", mark)
    idling(around, mark)
    assert around.mail()["flagged here"] == {"\\Flagged", "$label1"}
    around.change("flagged there", "+FLAGS (\\Flagged $label2)")
    user.act("is", "INBOX", "flagged there", {"flagged": True, "keywords": ["$label2"]})
    around.change("flagged here", "-FLAGS (\\Flagged $label1)")
    user.act("is", "INBOX", "flagged here", {"flagged": False, "keywords": []})


def test_new_mail_and_removed_mail_are_pushed(user: Thunderbird, around: World) -> None:
    deliver(around.server, "will go")
    mark = around.recorder.mark
    user.act("getMail", ["will go"])
    idling(around, mark)
    mark = around.recorder.mark
    deliver(around.server, "pushed")
    user.act("holds", "INBOX", ["pushed"])
    around.recorder.wait_for(r"^\* \d+ EXISTS", mark, by_client=False)
    assert not around.recorder.lines(mark)[0].endswith("noop"), "it was told, and did not have to ask"
    idling(around, mark)
    around.move("will go", "Archive")
    user.act("lacks", "INBOX", ["will go"])


def test_mail_that_it_is_told_of_while_it_stores_flags_is_seen(user: Thunderbird, around: World) -> None:
    deliver(around.server, "busy")
    user.act("getMail", ["busy"])
    mark = around.recorder.mark
    deliver(around.server, "told in passing")
    user.act("mark", "INBOX", "busy", "flagged", True)
    around.recorder.wait_for(r"^\* \d+ EXISTS", mark, by_client=False)
    around.recorder.wait_for(r"OK UID STORE", mark, by_client=False)
    user.act("holds", "INBOX", ["told in passing"])


def test_folders_are_made_and_messages_moved_and_copied(user: Thunderbird, around: World) -> None:
    deliver(around.server, "to move", "to copy")
    user.act("getMail", ["to move", "to copy"])
    user.act("create", "", "Projects")
    user.act("create", "Projects", "Grün & mehr")
    assert {"Projects", "Projects/Gr&APw-n &- mehr"} <= around.folders()
    mark = around.recorder.mark
    user.act("copy", "INBOX", ["to move"], "Projects", True)
    around.recorder.wait_for(r'uid move \d+ "Projects"', mark)
    around.recorder.wait_for(r"\+ idling", around.recorder.mark, by_client=False)    # busy with news, it forgets what to copy
    user.act("copy", "INBOX", ["to copy"], "Projects/Grün & mehr", False)
    around.recorder.wait_for(r'uid copy \d+ "Projects/Grün & mehr"', mark)
    user.act("lacks", "INBOX", ["to move"])
    for folder, subject in (("Projects", "to move"), ("Projects/Grün & mehr", "to copy")):
        user.act("isReal", folder, subject)
    assert "to copy" in around.mail() and "to move" not in around.mail()


def test_the_server_searches(user: Thunderbird, around: World) -> None:
    deliver(around.server, "to find", body="A needle.\r\n")
    user.act("getMail", ["to find"])
    mark = around.recorder.mark
    assert user.act("search", "INBOX", "Subject", "to fin") == [int(around.uid("to find"))]
    assert user.act("search", "INBOX", "Body", "needle") == [int(around.uid("to find"))]
    around.recorder.wait_for(r'uid SEARCH UNDELETED BODY "needle"', mark)


def test_what_is_sent_arrives_and_is_kept_in_sent(user: Thunderbird, around: World) -> None:
    mark = around.recorder.mark
    user.act("send", USER, "sent by Thunderbird", "Grüße")
    around.recorder.wait_for(r'append "Sent" \(\\Seen\)', mark)
    user.act("getMail", ["sent by Thunderbird"])
    assert "Grüße" in user.act("read", "INBOX", "sent by Thunderbird")
    assert around.mail("Sent") == {"sent by Thunderbird": {"\\Seen"}}
    assert "account=dev@localhost" in around.server.output, "it was submitted with a login"


def test_what_changed_on_both_sides_while_it_was_offline_comes_together(user: Thunderbird, around: World) -> None:
    deliver(around.server, "goes away", "is read there", "is flagged here")
    user.act("getMail", ["goes away", "is read there", "is flagged here"])
    user.act("offline")
    user.act("mark", "INBOX", "is flagged here", "flagged", True)
    around.change("is read there", "+FLAGS (\\Seen)")
    around.move("goes away", "Archive")
    deliver(around.server, "came meanwhile")
    mark = around.recorder.mark
    user.act("online")
    around.recorder.wait_for(r"uid store \d+ \+Flags \(\\Flagged", mark)
    user.act("getMail", ["came meanwhile"])
    user.act("is", "INBOX", "is read there", {"read": True})
    user.act("lacks", "INBOX", ["goes away"])
    around.recorder.wait_for(r"UID fetch 1:\* \(FLAGS\) \(CHANGEDSINCE \d+\)", mark)
    assert "\\Flagged" in around.mail()["is flagged here"]


def test_it_said_what_the_document_says(user: Thunderbird, around: World, request: pytest.FixtureRequest) -> None:
    if _passed < {each.name for each in request.session.items if each.path == request.path} - {request.node.name}:
        pytest.skip("not all the others ran here and passed")
    check_said("Thunderbird", around.recorder)
