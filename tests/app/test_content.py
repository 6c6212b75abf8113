"""Where large messages rest, as the configuration says it: beside the database, in it, or in a part of one's own."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.memory_content import MemoryContent
from support.servers import ANY_PORTS, PATIENCE_S, MailServer, running, twistd
from support.wires import Imap
from twisted.internet.testing import MemoryReactorClock

from mailframe.app.build import build
from mailframe.app.config import Config
from mailframe.app.options import Options, configuration
from mailframe.app.toml import ConfigError, PluginSpec
from mailframe.stores.directory import DirectoryContent

LARGE = b"Subject: large\r\n\r\n" + b"a line of the message\r\n" * 20_000


def parts(tmp_path: Path, **settings: Any) -> Any:
    return build(Config(development=True, data=tmp_path, base=tmp_path, **settings), MemoryReactorClock())  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(("spec", "place"), [
    ("directory", "content"), ("directory:large", "large"), ("sqlite", None),
])
def test_content_is_named_in_short(tmp_path: Path, spec: str, place: str | None) -> None:
    made = parts(tmp_path, content=PluginSpec.short(spec)).content
    assert made is None if place is None else made.path == tmp_path / place


def test_the_option_is_the_setting(tmp_path: Path) -> None:
    options = Options()
    options.parseOptions(["--content", "directory:large"])      # type: ignore[no-untyped-call]
    assert configuration(options).content == PluginSpec("directory", {}, "large")


def test_plain_files_are_the_default_and_queue_and_mailboxes_share_them(tmp_path: Path) -> None:
    made = parts(tmp_path)
    assert isinstance(made.content, DirectoryContent)
    assert made.store.content is made.spool.content
    elsewhere = parts(tmp_path, storage=PluginSpec.short("sqlite:mail.db"))
    assert elsewhere.store.content is not elsewhere.spool.content
    one, other = elsewhere.store.content, elsewhere.spool.content
    assert one._outside.store is other._outside.store is elsewhere.content
    assert other._outside.others == [one.engine]


def test_a_wrong_setting_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"content plugin 'sqlite' cannot be used: .*it takes no argument"):
        parts(tmp_path, content=PluginSpec.short("sqlite:mail.db"))
    with pytest.raises(ConfigError, match=r"There is no content plugin 'directry'; did you mean 'directory'"):
        parts(tmp_path, content=PluginSpec("directry"))


def test_a_ready_made_part_is_used(tmp_path: Path) -> None:
    own = MemoryContent()
    assert parts(tmp_path, parts={"content": own}).content is own
    with pytest.raises(ConfigError, match="does not say that it provides IContentInIndex or IContentStore"):
        parts(tmp_path, parts={"content": object()})


def test_a_database_whose_large_messages_are_elsewhere_does_not_start_without_them(tmp_path: Path) -> None:
    """Else everybody would read that their large messages are gone."""
    server = MailServer(tmp_path, "--data", "data", *ANY_PORTS)
    with running(server), Imap(server.ports["imap"]) as imap:
        imap.greet().login("dev@localhost", server.password)
        imap.ok("APPEND INBOX {}", LARGE)
    refused = subprocess.run(
        twistd("--nodaemon", "--pidfile=", "mailframe", "--data", "data", *ANY_PORTS, "--content", "sqlite"), cwd=tmp_path,
        text=True, capture_output=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL, check=False)
    (sentence,) = [line for line in refused.stderr.splitlines() if line.startswith("mailframe: ")]
    assert refused.returncode == 1 and "rest in a content store, which is not named now" in sentence, refused
    again = MailServer(tmp_path, "--data", "data", *ANY_PORTS)
    with running(again), Imap(again.ports["imap"]) as imap:
        imap.greet().login("dev@localhost", again.password)
        imap.ok("SELECT INBOX")
        assert LARGE in b"".join(imap.ok("FETCH 1 BODY.PEEK[]")[1])


def test_a_content_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    refused = subprocess.run(
        twistd("--nodaemon", "--pidfile=", "mailframe", "--data", "data", *ANY_PORTS, "--content", "directory:taken"), cwd=tmp_path,
        text=True, capture_output=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL, check=False)
    (sentence,) = [line for line in refused.stderr.splitlines() if line.startswith("mailframe: ")]
    assert refused.returncode == 1 and "The content plugin 'directory' cannot start: " in sentence, refused
