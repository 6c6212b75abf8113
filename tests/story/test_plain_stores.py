"""A whole server over a store of a dozen methods: mod-sequences are real and lasting, everything else is done over the minimum."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from smtplib import SMTP

import pytest
from support.servers import ANY_PORTS, PATIENCE_S, MailServer
from support.talk import Talk

ROOT = Path(__file__).parents[2]
PATHS = {"PYTHONPATH": os.pathsep.join((str(ROOT / "examples" / "json_store"), str(ROOT), str(ROOT / "tests")))}
JSON, BARE = "mailframe_json_store:JsonStore:mail", "support.bare_store:BareStore"


def served(folder: Path, storage: str) -> MailServer:
    return MailServer(folder, "--data", "data", *ANY_PORTS, "--storage", storage, env=PATHS)


def login(server: MailServer) -> Talk:
    talk = Talk(server.ports["imap"])
    talk.do(f"LOGIN dev@localhost {server.password}")
    return talk


def send(server: MailServer, *subjects: str) -> None:
    with SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as client:
        for subject in subjects:
            client.sendmail("a@example.net", "dev@localhost", f"Subject: {subject}\r\n\r\nWords about {subject}.\r\n")


def number(pattern: str, lines: list[str]) -> int:
    return int(re.search(pattern, "\n".join(lines))[1])  # type: ignore[index]


def test_a_client_that_returns_is_told_what_happened_meanwhile(tmp_path: Path) -> None:
    """QRESYNC over files of JSON, over a kill, and over what somebody else did to the files while the server was down."""
    server = served(tmp_path, JSON)
    try:
        send(server, "one", "two", "three", "four")
        client = login(server)
        assert "CONDSTORE" in " ".join(words := client.do("CAPABILITY")) and "QRESYNC" in " ".join(words)
        client.do("ENABLE QRESYNC")
        lines = client.do("SELECT INBOX")
        validity, known = number(r"UIDVALIDITY (\d+)", lines), number(r"HIGHESTMODSEQ (\d+)", lines)
        other = login(server)
        other.do("SELECT INBOX")
        other.do("STORE 1 +FLAGS (\\Flagged)")
        other.do("STORE 2 +FLAGS (\\Deleted)")
        other.do("EXPUNGE")
        told = "\n".join(client.do("NOOP"))
        assert "VANISHED 2" in told and "\\Flagged" in told and "MODSEQ" in told
        refused = client.do(f"STORE 1 (UNCHANGEDSINCE {known}) +FLAGS (\\Seen)")
        assert any("MODIFIED 1" in line for line in refused)
    finally:
        server.kill()
    file = tmp_path / "mail" / "dev@localhost.json"
    account = json.loads(file.read_text())
    inbox = next(box for box in account["mailboxes"].values() if box["name"] == "INBOX")
    inbox["messages"]["4"][0] |= 1                  # read in another program
    del inbox["messages"]["3"]
    file.write_text(json.dumps(account))
    server = served(tmp_path, JSON)
    try:
        again = login(server)
        again.do("ENABLE QRESYNC")
        lines = again.do(f"SELECT INBOX (QRESYNC ({validity} {known}))")
        assert "* VANISHED (EARLIER) 2:3" in lines
        assert any(re.match(r"\* 1 FETCH \(UID 1 FLAGS \(\\Flagged\) MODSEQ", line) for line in lines)
        assert any(re.match(r"\* 2 FETCH \(UID 4 FLAGS \(\\Seen\) MODSEQ", line) for line in lines)
        assert number(r"HIGHESTMODSEQ (\d+)", lines) > known
        now = number(r"HIGHESTMODSEQ (\d+)", again.do("EXAMINE INBOX"))
        quiet = again.do(f"SELECT INBOX (QRESYNC ({validity} {now}))")
        assert not any("VANISHED" in line or " FETCH " in line for line in quiet)
    finally:
        assert server.stop() == 0, server.output
    assert "Traceback" not in server.output


@pytest.mark.parametrize("storage", [JSON, BARE])
def test_a_minimal_store_serves_a_whole_session(tmp_path: Path, storage: str) -> None:
    server = served(tmp_path, storage)
    try:
        send(server, "pear", "apple", "Re: apple")
        client = login(server)
        capability = " ".join(client.do("CAPABILITY"))
        for word in ("CONDSTORE", "QRESYNC", "MOVE", "SORT", "THREAD=REFERENCES", "ESEARCH", "UIDPLUS", "IDLE"):
            assert f" {word}" in capability
        for word in ("QUOTA", "OBJECTID", "SAVEDATE"):          # the store cannot, and nobody can for it
            assert word not in capability
        client.do("SELECT INBOX")
        assert "* SEARCH 2 3" in client.do("SEARCH SUBJECT apple")
        assert "* SEARCH 1" in client.do("SEARCH BODY pear")
        assert "* SORT 2 3 1" in client.do("SORT (SUBJECT) UTF-8 ALL")
        assert "* THREAD (1)(2 3)" in client.do("THREAD ORDEREDSUBJECT UTF-8 ALL")
        for _ in range(2):          # made, then kept
            assert any('ENVELOPE (' in line and '"pear"' in line for line in client.do("FETCH 1 ENVELOPE"))
            assert any('BODYSTRUCTURE ("TEXT" "PLAIN"' in line.upper() for line in client.do("FETCH 1 BODYSTRUCTURE"))
        assert any("COPYUID" in line for line in client.do("COPY 1:2 Archive"))
        assert any("COPYUID" in line for line in client.do("MOVE 1 Junk"))
        assert any("MESSAGES 2" in line for line in client.do("STATUS INBOX (MESSAGES HIGHESTMODSEQ)"))
        assert any("MESSAGES 2" in line for line in client.do("STATUS Archive (MESSAGES)"))
        client.do("SELECT Junk")
        assert any("Words about pear." in line for line in client.do("FETCH 1 BODY[TEXT]"))
    finally:
        assert server.stop() == 0, server.output
    assert "Traceback" not in server.output
