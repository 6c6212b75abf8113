"""`mailframe store check`: each kind of damage is named and mended, and no mail that can be read is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest
from support.sampledata import ADA, BOB, LARGE, TRIGGER, digests, fill
from support.servers import ANY_PORTS, MailServer, running
from support.storecommand import run, run_child

from mailframe.app.storefiles import checks
from mailframe.sqlite.contentcheck import filler

Mail = dict[tuple[str, str, int], str]
_INBOX = f"(SELECT id FROM mailbox WHERE name = 'INBOX' AND account = (SELECT id FROM account WHERE name = '{ADA}'))"
_LARGE = "(SELECT content FROM message JOIN content ON content.id = content WHERE content.size > 300000 LIMIT 1)"
_SMALL = f"(SELECT content FROM message WHERE mailbox = {_INBOX} AND uid = 2)"
_QUEUED = "(SELECT content FROM queue_message ORDER BY size LIMIT 1)"


@dataclass(frozen=True)
class Damage:
    """`sql` does it; a line of the check has `words`; mail whose octets change by the repair, and mail that appears."""

    name: str
    sql: str
    words: str
    changed: int = 0
    found: int = 0


DAMAGES = (
    Damage("messages miscounted",
           f"UPDATE mailbox SET messages = messages + 3 WHERE id = {_INBOX}", "ada@example.org INBOX: counts 42"),
    Damage("unseen miscounted", f"UPDATE mailbox SET unseen = 0 WHERE id = {_INBOX}", "ada@example.org INBOX: counts"),
    Damage("deleted miscounted", f"UPDATE mailbox SET deleted = 99 WHERE id = {_INBOX}", "99 deleted"),
    Damage("octets miscounted", f"UPDATE mailbox SET size = 1 WHERE id = {_INBOX}", " 1 octets; there are"),
    Damage("an empty mailbox counts", "UPDATE mailbox SET messages = 1 WHERE name = 'Trash'", "Trash: counts 1"),
    Damage("uidnext too low", f"UPDATE mailbox SET uidnext = 3 WHERE id = {_INBOX}", "UIDNEXT 3 and mod-sequence"),
    Damage("uidnext at an expunged uid", f"UPDATE mailbox SET uidnext = 41 WHERE id = {_INBOX}", "UIDNEXT 41"),
    Damage("mod-sequence too low", f"UPDATE mailbox SET modseq = 1 WHERE id = {_INBOX}", "mod-sequence 1 are behind"),
    Damage("alive and vanished",
           f"INSERT INTO vanished VALUES ({_INBOX}, 2, 3)", "INBOX UID 3: is there and in the log of expunges"),
    Damage("alive and lingering", f"INSERT INTO lingering VALUES ({_INBOX}, 3, {_SMALL}, 0)", "UID 3: is there and among those"),
    Damage("lingering without content",
           f"UPDATE lingering SET content = 98765 WHERE mailbox = {_INBOX} AND uid = 4", "UID 4: was expunged"),
    Damage("a size is wrong", f"UPDATE message SET size = 7 WHERE mailbox = {_INBOX} AND uid = 2", "INBOX UID 2: has"),
    Damage("a content's size is wrong", f"UPDATE content SET size = 10 WHERE id = {_SMALL}", "octets instead of 10"),
    Damage("a content's size is far too large",
           f"UPDATE content SET size = 99999999999 WHERE id = {_SMALL}", "instead of 99999999999"),
    Damage("content lost", f"DELETE FROM piece WHERE id >> 16 = {_SMALL}; DELETE FROM content WHERE id = {_SMALL}",
           "UID 2: all octets of its content are missing", changed=2),
    Damage("pieces lost", f"DELETE FROM piece WHERE id >> 16 = {_SMALL}", "all octets of its content are missing", changed=2),
    Damage("first piece lost", f"DELETE FROM piece WHERE id = {_LARGE} << 16", "pieces of its content are missing", changed=2),
    Damage("middle piece lost",
           f"DELETE FROM piece WHERE id = ({_LARGE} << 16) + 1", "pieces of its content are missing", changed=2),
    Damage("last piece lost",
           f"DELETE FROM piece WHERE id = ({_LARGE} << 16) + 2", "its content has 524288 octets instead of", changed=2),
    Damage("a piece is short",
           f"UPDATE piece SET octets = substr(octets, 1, 100) WHERE id = ({_LARGE} << 16) + 2", "octets instead of",
           changed=2),
    Damage("content not listed", f"DELETE FROM content WHERE id = {_SMALL}", "its content is not listed"),
    Damage("content unfinished", f"UPDATE content SET size = NULL WHERE id = {_SMALL}", "its content is said to be unfinished"),
    Damage("references too many", f"UPDATE content SET refs = 9 WHERE id = {_SMALL}", "9 messages are said to have it, and 2 do"),
    Damage("references too few", f"UPDATE content SET refs = 0 WHERE id = {_LARGE}", "0 messages are said to have it, and 2 do"),
    Damage("a message's row lost",
           f"DELETE FROM message WHERE mailbox = {_INBOX} AND uid = 8", "and none does", changed=1, found=1),
    Damage("pieces of nobody",
           "INSERT INTO piece VALUES (987654 << 16, CAST('Subject: x' AS BLOB))", "its octets belong to no content",
           found=1),
    Damage("a head of nobody", f"INSERT INTO head VALUES ({_INBOX}, 900, x'41')", "UID 900: header lines of no message"),
    Damage("attributes of nobody",
           "INSERT INTO attributes (mailbox, uid, version, envelope, structure, mime_index) "
           f"VALUES ({_INBOX}, 900, 1, x'', x'', x'')", "UID 900: attributes of no message"),
    Damage("keywords of nobody", "INSERT INTO keyword VALUES (900, 0, 'x')", "mailbox 900: 1 keywords"),
    Damage("a keyword's name lost", f"DELETE FROM keyword WHERE mailbox = {_INBOX} AND number = 0", "keywords without a name"),
    Damage("all keywords' names lost", f"DELETE FROM keyword WHERE mailbox = {_INBOX}", "keywords without a name"),
    Damage("expunges of nobody", "INSERT INTO vanished VALUES (900, 1, 1)", "mailbox 900: 1 expunges"),
    Damage("subscriptions of nobody", "INSERT INTO subscription VALUES (900, 'x')", "account 900: 1 subscriptions"),
    Damage("INBOX lost its name",
           f"UPDATE mailbox SET name = 'Old' WHERE id = {_INBOX}", "ada@example.org: has no INBOX", changed=39,
           found=39),
    Damage("INBOX in another spelling",
           f"UPDATE mailbox SET name = 'InBox' WHERE id = {_INBOX}", "InBox: INBOX in another spelling"),
    Damage("two INBOXes",
           "INSERT INTO mailbox (account, name, uidvalidity) SELECT id, 'inbox', 1 FROM account", "inbox: INBOX in another"),
    Damage("an account's row lost", f"DELETE FROM account WHERE name = '{ADA}'", "has mailboxes and no name", changed=42, found=42),
    Damage("a mailbox's row lost",
           f"DELETE FROM mailbox WHERE id = {_INBOX}", "messages of a mailbox that is not there", changed=39, found=39),
    Damage("uidvalidity ahead", f"UPDATE mailbox SET uidvalidity = 1999999999 WHERE id = {_INBOX}", "a later UIDVALIDITY"),
    Damage("a recipient without message",
           "DELETE FROM queue_message WHERE id = 1", "queued message 1: is not there, and 1 recipients",
           found=1),
    Damage("a queued message without recipient",
           "DELETE FROM queue_recipient WHERE message = 1", "queued message 1: has no recipient",
           found=1),
    Damage("a queued message's content lost", f"DELETE FROM piece WHERE id >> 16 = {_QUEUED}", "queued message 1: is not whole"),
    Damage("an envelope cannot be read", "UPDATE queue_message SET envelope = '{' WHERE id = 1", "queued message 1: its envelope"),
    Damage("an index lost", "DROP INDEX message_changed", "the index message_changed is missing"),
    Damage("a trigger lost", f"DROP TRIGGER {TRIGGER}", f"the trigger {TRIGGER} is missing"),
    Damage("a trigger is another",
           f"DROP TRIGGER {TRIGGER}; CREATE TRIGGER {TRIGGER} INSTEAD OF INSERT ON arrival "
           "BEGIN SELECT 1; END", f"the trigger {TRIGGER} is not as it should be"),
    Damage("a view lost", "DROP VIEW arrival", "the view arrival is missing"),
    Damage("a table lost", "DROP TABLE keyword", "the table keyword is missing"),
)


def check(data: Path, *options: str) -> tuple[int, str]:
    """(exit code, what was said)."""
    code, out, err = run("check", *options, "--data", data)
    return code, out + err


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("sample") / "data")


@pytest.fixture
def data(sample: Path, tmp_path: Path) -> Iterator[Path]:
    shutil.copytree(sample.parent, tmp_path / "data")
    yield tmp_path / "data"


def change(data: Path, sql: str) -> None:
    con = apsw.Connection(str(data / "mailframe.db"))
    with con:
        con.execute(sql).fetchall()
    con.close()


def ask(data: Path, sql: str) -> list[tuple[object, ...]]:
    con = apsw.Connection(str(data / "mailframe.db"))
    try:
        return con.execute(sql).fetchall()
    finally:
        con.close()


def test_what_is_sound_is_said_to_be(data: Path) -> None:
    assert check(data) == (0, "mailframe.db: all is well.\n")
    assert check(data, "--repair") == (0, "mailframe.db: all is well.\n")
    assert not [*data.glob("*.before-repair-*")]


def test_what_a_crash_left_half_staged_is_no_fault(data: Path) -> None:
    """The next start gives it up, and the sweeper takes it away: nobody has to repair anything (I1)."""
    change(data, """INSERT INTO content (size, refs, since) VALUES (NULL, 0, 1e18)""")
    change(data, "INSERT INTO piece SELECT max(id) << 16, x'41' FROM content")
    assert run("check", "-d", data)[0] == 0
    assert run("check", "-d", data, "--repair")[0] == 0


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_damage_is_named_and_mended(damage: Damage, data: Path) -> None:
    before = digests(data / "mailframe.db")
    change(data, damage.sql)
    code, said = check(data)
    assert code == 1 and damage.words in said, said
    assert "(repair: " in said and "Traceback" not in said
    code, said = check(data, "--repair")
    assert code == 0 and damage.words in said and "done: " in said, said
    assert check(data) == (0, "mailframe.db: all is well.\n")
    after = digests(data / "mailframe.db")
    same = {key for key in before if after.get(key) == before[key]}
    assert len(before) - len(same) == damage.changed
    assert len(after.keys() - before.keys()) == damage.found
    if not damage.changed:
        assert before.keys() <= after.keys()


def test_what_is_left_of_a_large_message_stays_where_it_was(data: Path) -> None:
    """Sizes stay, too: what a mail program was told of the message remains true."""
    change(data, f"DELETE FROM piece WHERE id = ({_LARGE} << 16) + 1")
    assert check(data, "--repair")[0] == 0
    octets = b"".join(bytes(row[0]) for row in ask(data, f"SELECT octets FROM piece WHERE id >> 16 = {_LARGE}"))  # type: ignore[call-overload]
    piece = 256 * 1024
    assert octets == LARGE[:piece] + filler(piece, piece) + LARGE[2 * piece:]


def test_a_queued_message_that_is_not_whole_is_never_sent(data: Path) -> None:
    change(data, f"DELETE FROM piece WHERE id >> 16 = {_QUEUED}")
    assert check(data, "--repair")[0] == 0
    assert ask(data, "SELECT message, held FROM queue_recipient ORDER BY message") == [(1, 1), (2, 0)]


def test_all_at_once(data: Path) -> None:
    before = digests(data / "mailframe.db")
    for damage in DAMAGES:
        if not damage.changed and "lost" not in damage.name and damage.name not in ("a recipient without message", "two INBOXes"):
            change(data, damage.sql)
    assert check(data, "--repair")[0] == 0
    assert before.items() <= digests(data / "mailframe.db").items()


def test_a_copy_is_kept_unless_it_is_not_wanted(data: Path) -> None:
    change(data, DAMAGES[0].sql)
    assert "as it was it is kept as mailframe.db.before-repair-" in check(data, "--repair")[1]
    copy, = data.glob("mailframe.db.before-repair-*")
    assert copy.stat().st_mode & 0o777 == 0o600
    change(data, DAMAGES[0].sql)
    assert "kept as" not in check(data, "--repair", "--no-copy")[1]
    assert len([*data.glob("*.before-repair-*")]) == 1


def test_where_there_is_nothing(tmp_path: Path) -> None:
    code, said = check(tmp_path / "nowhere")
    assert code == 1 and said.startswith("mailframe: There is no database")
    (tmp_path / "mailframe.db").write_bytes(b"something else entirely" * 100)
    code, said = check(tmp_path)
    assert code == 1 and said.endswith("is not a mailframe database.\n")


def test_an_older_or_newer_database_is_not_touched(data: Path) -> None:
    change(data, "UPDATE components SET version = version + 1 WHERE name = 'store'")
    assert "newer version of mailframe" in check(data, "--repair")[1]
    change(data, "UPDATE components SET version = 0 WHERE name = 'store'")
    assert "older version of mailframe; start the server once" in check(data, "--repair")[1]


def _pages(path: Path, table: str, kind: str = "leaf") -> list[int]:
    con = apsw.Connection(str(path))
    try:
        return [row[0] for row in con.execute(
            "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = ? ORDER BY path", (table, kind)).fetchall()]
    finally:
        con.close()


def _ruin(path: Path, page: int) -> None:
    size = 8192
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)


@pytest.mark.parametrize("table", ["message", "piece", "head", "attributes", "vanished", "message_changed", "content", "mailbox"])
def test_around_ruined_pages_everything_is_saved(table: str, tmp_path: Path) -> None:
    path = fill(tmp_path, 600)
    before = digests(path)
    pages = _pages(path, table)
    for page in {pages[len(pages) // 3], pages[len(pages) * 2 // 3]}:
        _ruin(path, page)
    code, said = check(tmp_path)
    assert code == 1 and "the file: " in said, said
    code, said = check(tmp_path, "--repair")
    assert code == 0, said
    assert "written anew from what could be read" in said or table == "message_changed"
    assert check(tmp_path)[0] == 0
    after = digests(path)
    lost = {key for key in before if key not in after}
    bodies = {value.split()[0] for value in after.values()}
    if table in ("vanished", "message_changed", "attributes"):
        assert after == before
    elif table == "message":            # their octets are there, in the account for what was found
        assert 0 < len(lost) < 700
        assert len([key for key in after if key[0].startswith("found-")]) >= 1
        assert "its place is lost" in said
    elif table in ("piece", "content"):
        assert not lost
        assert len([key for key in before if before[key].split()[0] not in bodies]) < 150
    elif table == "head":
        assert not lost
    else:
        assert len(after) == len(before)
    damaged = [*tmp_path.glob("mailframe.db.damaged-*")]
    assert len(damaged) == 1 or table == "message_changed"


def test_names_that_are_there_twice_are_parted(data: Path) -> None:
    """As a ruined index lets them be: both accounts' mail stays, one of them under another name."""
    before = digests(data / "mailframe.db")
    page, = _pages(data / "mailframe.db", "account")
    with (data / "mailframe.db").open("r+b") as file:
        file.seek((page - 1) * 8192)
        octets = file.read(8192)
        file.seek((page - 1) * 8192)
        file.write(octets.replace(BOB.encode(), ADA.encode()))
    code, said = check(data)
    assert code == 1 and "index sqlite_autoindex_account_1" in said, said
    code, said = check(data, "--repair")
    assert code == 0 and "a row of account got another name" in said, said
    after = digests(data / "mailframe.db")
    assert sorted(before.values()) == sorted(after.values())
    assert {key[0] for key in after} == {ADA, f"{ADA} (found 2)"}


def test_an_index_without_its_rows_is_built_anew(data: Path) -> None:
    before = digests(data / "mailframe.db")
    page, = _pages(data / "mailframe.db", "message_changed")
    with (data / "mailframe.db").open("r+b") as file:
        file.seek((page - 1) * 8192)
        file.write(b"\x0a\x00\x00\x00\x00\x20\x00\x00")
    assert "missing from index message_changed" in check(data)[1]
    code, said = check(data, "--repair")
    assert code == 0 and "its indexes were built anew" in said, said
    assert digests(data / "mailframe.db") == before
    assert not [*data.glob("*.damaged-*")]


def test_a_running_server_is_looked_at_and_not_touched(tmp_path: Path) -> None:
    with running(MailServer(tmp_path, "--data", "data", *ANY_PORTS)):
        data = tmp_path / "data"
        assert check(data) == (0, "mailframe.db: all is well.\n")
        change(data, "INSERT INTO account (name, uidvalidity) VALUES ('ada@example.org', 1)")
        change(data, "INSERT INTO content (size, refs, since) VALUES (NULL, 0, 1e18)")      # somebody is just sending it
        code, said = check(data)
        assert (code, said.count("repair:")) == (1, 1) and "ada@example.org: has no INBOX" in said, said
        code, said = check(data, "--repair")
        assert code == 1 and "A server runs on" in said and "stop it before the repair" in said
    assert check(data, "--repair")[0] == 0


def test_the_real_command(data: Path) -> None:
    change(data, DAMAGES[0].sql)
    code, said, wrong = run_child("check", "-d", data)
    assert code == 1
    assert said.startswith("mailframe.db: ada@example.org INBOX: counts 42 messages") and said.count("\n") == 1
    assert wrong == "mailframe: 1 thing is wrong; mailframe store check --repair mends them, with the server stopped.\n"



def test_no_check_walks_over_one_table_for_each_row_of_another(tmp_path: Path) -> None:
    """A million messages are checked in the time of a million rows."""
    fill(tmp_path / "data")
    database = tmp_path / "data" / "mailframe.db"
    connection = apsw.Connection(str(database))
    try:
        for check in checks(connection, database, tmp_path / "data" / "content"):
            steps = [row[-1] for row in connection.execute("EXPLAIN QUERY PLAN " + check.sql).fetchall()]
            assert not [step for step in steps if step.startswith("SCAN") and "LEFT-JOIN" in step], (check.words, steps)
    finally:
        connection.close()
