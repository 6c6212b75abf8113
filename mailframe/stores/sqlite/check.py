"""What must be true of accounts, mailboxes and messages; in an order in which what is mended first is counted later."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from typing import Any

import apsw

from mailframe.model.flags import DELETED, SEEN
from mailframe.model.mailbox import INBOX, NewMailbox
from mailframe.sqlite.checking import Check
from mailframe.sqlite.contentcheck import Referrer
from mailframe.sqlite.rows import fetch

from . import tree
from .sharding import kept, shard_of

_FOUND_DOMAIN = "mailframe.invalid"
_NAME = f"name it NUMBER-found-0@{_FOUND_DOMAIN}"
_MAKE = f"make it, as a mailbox of found-0@{_FOUND_DOMAIN}"

_KEYWORD_BITS = 8           # keyword number i is bit 8+i
_WORDS = (1 << 56) - 1

#: SQL for what a person calls the mailbox numbered {a}.
_BOX = """coalesce((SELECT coalesce(account.name, 'account ' || owner.account) || ' ' || coalesce(owner.name, '(deleted)')
    FROM mailbox AS owner LEFT JOIN account ON account.id = owner.account WHERE owner.id = {a}), 'mailbox ' || {a})"""
MESSAGES = Referrer("message", """
    SELECT content, message.size - coalesce(length(head.octets), 0) AS want, mailbox AS a, uid AS b
    FROM message LEFT JOIN head USING (mailbox, uid)""", f"{_BOX} || ' UID ' || {{b}}")


def found_name(con: apsw.Connection) -> str:
    """The account for mail whose own account or mailbox nobody knows any more: found-0@mailframe.invalid, or with the next number
    that belongs into this file. Nobody can log in as it until it is in the accounts file."""
    shard = kept(con)
    return next(name for name in (f"found-{n}@{_FOUND_DOMAIN}" for n in count()) if shard_of(name, shard.number) == shard.place)


def strayed(con: apsw.Connection) -> list[Check]:
    """A check for each account whose mail belongs into another file."""
    shard = kept(con)
    number = shard.number
    names = [name for name, in fetch(con, "SELECT name FROM account") if shard_of(name, number) != shard.place]
    return [] if not names else [Check(
        f"SELECT name AS place, {number} AS number FROM account WHERE name IN ({','.join(map(_quoted, names))})",
        "{place}: belongs into another of the {number} files, where it is looked for", "none; mailframe store reshard moves it",
        "")]


def rows_lost(old: apsw.Connection, new: apsw.Connection) -> list[str]:
    """After a salvage: name the messages whose rows are lost, as far as the index of changes still knows them, and write them
    into the log of expunges, so that mail programs that come back are told."""
    lost = []
    new.execute("UPDATE mailbox SET modseq = modseq + 1")
    with suppress(apsw.Error):
        for mailbox, uid in old.execute("SELECT mailbox, uid FROM message INDEXED BY message_changed ORDER BY mailbox, modseq"):
            if not fetch(new, "SELECT 1 FROM message WHERE mailbox = ? AND uid = ?", (mailbox, uid)):
                new.execute("""
                    INSERT OR IGNORE INTO vanished SELECT id, modseq, ?2 FROM mailbox WHERE id = ?1
                    AND NOT EXISTS (SELECT 1 FROM vanished WHERE mailbox = ?1 AND uid = ?2)""", (mailbox, uid))
                lost.append(f"{fetch(new, f'SELECT {_box(str(int(mailbox)))}')[0][0]} UID {uid}: its place is lost")
    return lost


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _box(number: str) -> str:
    return _BOX.format(a=number)


def keep(con: apsw.Connection, row: Mapping[str, Any]) -> None:
    """Make a message of the content `row["content"]`, behind `row["head"]` if there is one, in the account for what was found."""
    now = int(time.time())
    account = tree.account_id(con, found_name(con), (), now)
    mailbox, uid = fetch(con, """
        UPDATE mailbox SET uidnext = uidnext + 1, modseq = modseq + 1 WHERE account = ? AND name = 'INBOX'
        RETURNING id, uidnext - 1""", (account,))[0]
    con.execute("""
        INSERT INTO message (mailbox, uid, flags, modseq, date, saved, size, content)
        SELECT ?1, ?2, 0, modseq, ?3, ?3, (SELECT size FROM content WHERE id = ?4), ?4 FROM mailbox WHERE id = ?1""",
                (mailbox, uid, now, row["content"]))
    if row.get("head"):
        con.execute("INSERT INTO head VALUES (?, ?, ?)", (mailbox, uid, row["head"]))


def _account(con: apsw.Connection, row: Mapping[str, Any]) -> None:
    name = f"{row['account']}-{found_name(con)}"
    con.execute("INSERT INTO account (id, name, uidvalidity) VALUES (?, ?, ?)", (row["account"], name, int(time.time())))


def _mailbox(con: apsw.Connection, row: Mapping[str, Any]) -> None:
    """The row comes again under its own number, so that heads, attributes and keywords are its own, too."""
    now = int(time.time())
    account = tree.account_id(con, found_name(con), (), now)
    made = int(tree.create(con, account, NewMailbox(f"Found {row['mailbox']}"), now).id)
    con.execute("UPDATE mailbox SET id = ? WHERE id = ?", (row["mailbox"], made))


def _inbox(con: apsw.Connection, row: Mapping[str, Any]) -> None:
    tree.create(con, row["account"], NewMailbox(INBOX), int(time.time()))


def _second_inbox(con: apsw.Connection, row: Mapping[str, Any]) -> None:
    """The only one of its account takes the name that it should have; another becomes an ordinary mailbox."""
    only = not fetch(con, "SELECT 1 FROM mailbox WHERE account = ? AND name = 'INBOX'", (row["account"],))
    con.execute("UPDATE mailbox SET name = ? WHERE id = ?", ("INBOX" if only else f"Found {row['mailbox']}", row["mailbox"]))


def _words(con: apsw.Connection, row: Mapping[str, Any]) -> None:
    there = {number for number, in fetch(con, "SELECT number FROM keyword WHERE mailbox = ?", (row["mailbox"],))}
    wanted = max([int(row["used"]).bit_length(), *(number + 1 for number in there)])
    con.executemany("INSERT INTO keyword (mailbox, number, word) VALUES (?, ?, ?)", [
        (row["mailbox"], number, f"$Found{number}") for number in range(wanted) if number not in there])


def _orphans(table: str, what: str) -> Check:
    return Check(f"""
        SELECT {_box('lone.mailbox')} AS place, mailbox, uid FROM {table} AS lone
        WHERE NOT EXISTS (SELECT 1 FROM message WHERE message.mailbox = lone.mailbox AND message.uid = lone.uid)
        AND NOT EXISTS (SELECT 1 FROM lingering WHERE lingering.mailbox = lone.mailbox AND lingering.uid = lone.uid)""",
                 f"{{place}} UID {{uid}}: {what} of no message", "remove them",
                 f"DELETE FROM {table} WHERE mailbox = :mailbox AND uid = :uid")


#: Before content is looked at: everything has an owner.
OWNERS = (
    Check("SELECT DISTINCT account FROM mailbox WHERE account NOT IN (SELECT id FROM account)",
          "account {account}: has mailboxes and no name", _NAME, _account),
    Check("SELECT mailbox, count(*) AS n FROM message WHERE mailbox NOT IN (SELECT id FROM mailbox) GROUP BY mailbox",
          "mailbox {mailbox}: {n} messages of a mailbox that is not there", _MAKE, _mailbox),
    Check(f"""SELECT {_box('mailbox.id')} AS place, id AS mailbox, account FROM mailbox
          WHERE name != 'INBOX' AND upper(name) = 'INBOX'""",
          "{place}: INBOX in another spelling", "make it INBOX, or where there is one an ordinary mailbox", _second_inbox),
    Check("""SELECT id AS account, name AS place FROM account
          WHERE id NOT IN (SELECT account FROM mailbox WHERE name = 'INBOX')""",
          "{place}: has no INBOX", "make an empty one", _inbox),
    Check(f"""SELECT {_box('lingering.mailbox')} AS place, mailbox, uid FROM lingering JOIN message USING (mailbox, uid)""",
          "{place} UID {uid}: is there and among those that were expunged a moment ago", "keep the message",
          "DELETE FROM lingering WHERE mailbox = :mailbox AND uid = :uid"),
    Check(f"""SELECT {_box('vanished.mailbox')} AS place, mailbox, vanished.modseq, uid
          FROM vanished JOIN message USING (mailbox, uid)""",
          "{place} UID {uid}: is there and in the log of expunges", "keep the message",
          "DELETE FROM vanished WHERE mailbox = :mailbox AND modseq = :modseq AND uid = :uid"),
)

def counts(con: apsw.Connection) -> list[Check]:
    """After content was looked at: what is counted, in the order in which it is to be mended."""
    columns = {row[1] for row in fetch(con, "PRAGMA table_info(mailbox)")}
    return [*COUNTS, *([_EXPUNGED] if "expunged" in columns else [])]


_EXPUNGED = Check(f"""
    WITH log AS MATERIALIZED (SELECT mailbox, count(*) AS n FROM vanished GROUP BY mailbox)
    SELECT {_box('mailbox.id')} AS place, id, expunged, coalesce(n, 0) AS n FROM mailbox LEFT JOIN log ON log.mailbox = id
    WHERE name IS NOT NULL AND expunged != coalesce(n, 0)""",
                  "{place}: counts {expunged} lines in its log of expunges; there are {n}", "count them",
                  "UPDATE mailbox SET expunged = :n WHERE id = :id")

#: After it: sizes follow the octets, counts follow the rows, and what belongs to nothing goes.
COUNTS = (
    Check(f"""
        SELECT {_box('message.mailbox')} AS place, mailbox, uid, message.size AS old,
            content.size + coalesce(length(octets), 0) AS new
        FROM message JOIN content ON content.id = message.content LEFT JOIN head USING (mailbox, uid)
        WHERE message.size IS NOT content.size + coalesce(length(octets), 0)""",
          "{place} UID {uid}: has {new} octets and says {old}", "correct the size",
          "UPDATE message SET size = :new WHERE mailbox = :mailbox AND uid = :uid"),
    Check(f"""
        WITH real AS MATERIALIZED (SELECT mailbox, max(uid) AS uid, max(modseq) AS modseq FROM (
            SELECT mailbox, max(uid) AS uid, max(modseq) AS modseq FROM message GROUP BY mailbox
            UNION ALL SELECT mailbox, max(uid), max(modseq) FROM vanished GROUP BY mailbox) GROUP BY mailbox)
        SELECT {_box('mailbox.id')} AS place, id, uidnext, mailbox.modseq AS was, max(uid + 1, uidnext) AS next,
            max(real.modseq, mailbox.modseq) AS modseq
        FROM mailbox JOIN real ON real.mailbox = id WHERE uid >= uidnext OR real.modseq > mailbox.modseq""",
          "{place}: UIDNEXT {uidnext} and mod-sequence {was} are behind their messages', which have come to {next} and {modseq}",
          "raise them", "UPDATE mailbox SET uidnext = :next, modseq = :modseq WHERE id = :id"),
    Check(f"""
        WITH real AS MATERIALIZED (
            SELECT mailbox, count(*) AS n, sum(flags & {SEEN} = 0) AS fresh, sum(flags & {DELETED} != 0) AS gone,
                sum(size) AS octets
            FROM message GROUP BY mailbox)
        SELECT {_box('mailbox.id')} AS place, id, messages, unseen, deleted, size, coalesce(n, 0) AS n,
            coalesce(fresh, 0) AS fresh, coalesce(gone, 0) AS gone, coalesce(octets, 0) AS octets
        FROM mailbox LEFT JOIN real ON real.mailbox = id WHERE name IS NOT NULL AND (messages, unseen, deleted, size)
            IS NOT (coalesce(n, 0), coalesce(fresh, 0), coalesce(gone, 0), coalesce(octets, 0))""",
          "{place}: counts {messages} messages, {unseen} unseen, {deleted} deleted, {size} octets; "
          "there are {n}, {fresh}, {gone}, {octets}",
          "count them", "UPDATE mailbox SET messages = :n, unseen = :fresh, deleted = :gone, size = :octets WHERE id = :id"),
    Check("""
        SELECT account.name AS place, account.id, max(mailbox.uidvalidity) AS latest
        FROM account JOIN mailbox ON account = account.id
        GROUP BY account.id HAVING latest > account.uidvalidity""",
          "{place}: a mailbox has a later UIDVALIDITY than was ever given", "remember it",
          "UPDATE account SET uidvalidity = :latest WHERE id = :id"),
    Check(f"""
        WITH used AS MATERIALIZED (
            SELECT mailbox, max(flags >> {_KEYWORD_BITS} & {_WORDS}) AS bits FROM message GROUP BY mailbox),
        words AS MATERIALIZED (SELECT mailbox, count(*) AS n, max(number) + 1 AS next FROM keyword GROUP BY mailbox)
        SELECT {_box('mailbox.id')} AS place, mailbox.id AS mailbox, coalesce(bits, 0) AS used
        FROM mailbox LEFT JOIN used ON used.mailbox = id LEFT JOIN words ON words.mailbox = id
        WHERE coalesce(n, 0) < coalesce(next, 0) OR coalesce(bits, 0) >= 1 << coalesce(next, 0)""",
          "{place}: messages have keywords without a name", "name them $Found0, $Found1...", _words),
    Check("SELECT mailbox, count(*) AS n FROM keyword WHERE mailbox NOT IN (SELECT id FROM mailbox) GROUP BY mailbox",
          "mailbox {mailbox}: {n} keywords of a mailbox that is not there", "remove them",
          "DELETE FROM keyword WHERE mailbox = :mailbox"),
    Check("SELECT mailbox, count(*) AS n FROM vanished WHERE mailbox NOT IN (SELECT id FROM mailbox) GROUP BY mailbox",
          "mailbox {mailbox}: {n} expunges of a mailbox that is not there", "remove them",
          "DELETE FROM vanished WHERE mailbox = :mailbox"),
    Check(f"""SELECT {_box('lingering.mailbox')} AS place, mailbox, uid FROM lingering
          WHERE content NOT IN (SELECT id FROM content)""",
          "{place} UID {uid}: was expunged a moment ago, and its content is not there", "forget it now",
          "DELETE FROM lingering WHERE mailbox = :mailbox AND uid = :uid"),
    _orphans("head", "header lines"),
    _orphans("attributes", "attributes"),
    Check("SELECT account, count(*) AS n FROM subscription WHERE account NOT IN (SELECT id FROM account) GROUP BY account",
          "account {account}: {n} subscriptions of an account that is not there", "remove them",
          "DELETE FROM subscription WHERE account = :account"),
)
