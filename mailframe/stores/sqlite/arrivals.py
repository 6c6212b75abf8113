"""What the writer does when messages arrive: by append, by delivery, by copy or move."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import apsw

from mailframe.model.flags import DELETED, SEEN
from mailframe.model.mailbox import INBOX, New, NewMailbox, SharedOctets
from mailframe.model.refusal import NoSuchMailbox, Refusal, TryAgainLater
from mailframe.sqlite.content import SqliteContent
from mailframe.sqlite.pieces import PIECE
from mailframe.sqlite.rows import Row, fetch
from mailframe.stores import keywords

from .departures import current_modseq, expunge
from .schema import masks, signed, uid_set
from .tree import account_id, require

#: (content id or None, the octets to be kept or None, their size)
Place = tuple[int | None, bytes | None, int]

_COUNT = """
    UPDATE mailbox SET uidnext = uidnext + ?1, modseq = modseq + 1, messages = messages + ?1, unseen = unseen + ?2,
        deleted = deleted + ?3, size = size + ?4"""
_RETURN = "AND name IS NOT NULL RETURNING uidnext, modseq, id, account"
_BY_NUMBER = f"{_COUNT} WHERE id = ?5 {_RETURN}"
_BY_NAME = f"{_COUNT} WHERE account = (SELECT id FROM account WHERE name = ?5) AND name = ?6 {_RETURN}"
_ARRIVE = "INSERT INTO arrival VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def append(con: apsw.Connection, content: SqliteContent, mailbox: int, messages: Sequence[New]) -> range:
    """The new UIDs. Raises NoSuchMailbox, and TryAgainLater for content that is gone."""
    if not messages:
        current_modseq(con, mailbox)
        return range(0)
    saved = int(content.clock.seconds())
    shelf = Shelf(con, content, messages)
    placed = [shelf.place(message) for message in messages]
    uidnext, modseq = _count(con, _BY_NUMBER, messages, placed, mailbox)[:2]
    uids = range(uidnext - len(messages), uidnext)
    con.executemany(_ARRIVE, [_row(mailbox, uid, modseq, saved, message, place)
                              for uid, message, place in zip(uids, messages, placed)])
    return uids


def register(con: apsw.Connection, mailbox: int, messages: Sequence[New], saved: int) -> range:
    """Rows for messages whose octets rest elsewhere, `New.size` of them, and which refer to no content. Raises NoSuchMailbox."""
    placed: list[Place] = [(0, None, message.size) for message in messages]
    uidnext, modseq = _count(con, _BY_NUMBER, messages, placed, mailbox)[:2]
    uids = range(uidnext - len(messages), uidnext)
    con.executemany(_ARRIVE, [_row(mailbox, uid, modseq, saved, message, place)
                              for uid, message, place in zip(uids, messages, placed)])
    return uids


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message's (account, folder, message) targets; `changed` is told the (account, mailbox) of those that got it."""

    targets: Sequence[tuple[str, str, New]]
    fresh: Sequence[NewMailbox]
    changed: list[tuple[int, int]] = field(default_factory=list)


def deliver(con: apsw.Connection, deliveries: Sequence[Delivery], content: SqliteContent) -> list[list[Refusal | None]]:
    """Many deliveries, each mailbox counted up once: for each, one outcome for each of its targets."""
    saved = int(content.clock.seconds())
    outcomes: list[list[Refusal | None]] = []
    arriving: dict[tuple[str, str], list[tuple[Delivery, New, Place]]] = {}
    for delivery in deliveries:
        shelf = Shelf(con, content, [message for _, _, message in delivery.targets])
        delivery.changed.clear()
        outcomes.append([])
        for name, folder, message in delivery.targets:
            try:
                arriving.setdefault((name, folder), []).append((delivery, message, shelf.place(message)))
            except Refusal as refusal:          # raised before anything was changed for this target
                outcomes[-1].append(refusal)
            else:
                outcomes[-1].append(None)
    rows = [row for (name, folder), mail in arriving.items() if mail for row in _arrived(con, name, folder, mail, saved)]
    con.executemany(_ARRIVE, rows)
    return outcomes


def _arrived(
    con: apsw.Connection, name: str, folder: str, mail: Sequence[tuple[Delivery, New, Place]], saved: int,
) -> Iterator[Row]:
    """Count the mailbox up; the rows to insert, in the order of arrival."""
    messages, placed = [message for _, message, _ in mail], [place for _, _, place in mail]
    uidnext, modseq, mailbox, account = _count_in_folder(con, name, folder, mail[0][0].fresh, saved, messages, placed)
    for uid, (delivery, message, place) in enumerate(mail, uidnext - len(mail)):
        delivery.changed.append((account, mailbox))
        yield _row(mailbox, uid, modseq, saved, message, place)


class Shelf:
    """Where the octets of one unit's messages go: what is the same object for several is kept once."""

    def __init__(self, con: apsw.Connection, content: SqliteContent, messages: Sequence[New]) -> None:
        self._con = con
        self._content = content
        self._times = Counter(id(message.content) for message in messages)
        self._kept: dict[int, int] = {}

    def place(self, message: New) -> Place:
        """Count one reference. Raises TryAgainLater, before any change, for content that is gone."""
        octets = message.content
        if isinstance(octets, str):
            if not (octets.isascii() and octets.isdigit()) or len(octets) > 14:
                raise TryAgainLater(detail=f"no content {octets!r}")
            return int(octets), None, self._content.reference(self._con, int(octets))
        if isinstance(octets, SharedOctets):
            return self._content.keep(self._con, octets), None, len(octets)
        times = self._times[id(octets)]
        if times == 1 and len(octets) <= PIECE:
            return None, octets, len(octets)
        if id(octets) not in self._kept:
            self._kept[id(octets)] = self._content.insert(self._con, octets, times)
        return self._kept[id(octets)], None, len(octets)


def copy(con: apsw.Connection, account: int, source: int, uids: Sequence[int], target: int, saved: int) -> tuple[list[int], range]:
    """(UIDs that existed, their new UIDs). Raises NoSuchMailbox."""
    require(con, account, source)
    require(con, account, target)
    found = fetch(con, """
        SELECT uid, flags, date, size, content, coalesce(email_id, 'M' || mailbox || '-' || uid) FROM message
        WHERE mailbox = ? AND uid IN carray(?) ORDER BY uid""", (source, uid_set(uids)))
    if not found:
        return [], range(0)
    old = [row[0] for row in found]
    flags = _translated(con, source, target, masks([row[1] for row in found]))
    new = _add(con, target, [(mask, date, saved, size, content, email_id)
                             for mask, (_, _, date, size, content, email_id) in zip(flags, found)])
    pairs = [(target, fresh_uid, source, uid) for fresh_uid, uid in zip(new, old)]
    con.executemany("INSERT INTO head SELECT ?, ?, octets FROM head WHERE mailbox = ? AND uid = ?", pairs)
    con.executemany("""
        INSERT INTO attributes SELECT ?, ?, version, envelope, structure, mime_index FROM attributes
        WHERE mailbox = ? AND uid = ?""", pairs)
    con.execute("""
        UPDATE content SET refs = refs + copies.n
        FROM (SELECT content, count(*) AS n FROM message WHERE mailbox = ? AND uid >= ? GROUP BY content) AS copies
        WHERE content.id = copies.content""", (target, new[0]))
    return old, new


def move(con: apsw.Connection, account: int, source: int, uids: Sequence[int], target: int, now: float) -> tuple[list[int], range]:
    """As `copy`, and the originals are gone (RFC 6851)."""
    old, new = copy(con, account, source, uids, target, int(now))
    if old:
        expunge(con, source, old, False, now)
    return old, new


def table(con: apsw.Connection, mailbox: int) -> tuple[str, ...]:
    """The mailbox's keywords in their order."""
    return tuple(row[0] for row in fetch(con, "SELECT word FROM keyword WHERE mailbox = ? ORDER BY number", (mailbox,)))


def grow(con: apsw.Connection, mailbox: int, old: tuple[str, ...], new: tuple[str, ...]) -> None:
    """Write down what `new` has beyond `old`."""
    rows = [(mailbox, number, new[number]) for number in range(len(old), len(new))]
    con.executemany("INSERT INTO keyword VALUES (?, ?, ?)", rows)


def _row(mailbox: int, uid: int, modseq: int, saved: int, message: New, place: Place) -> Row:
    content, octets, size = place
    known = message.attributes
    attributes = (known.version, known.envelope, known.structure, known.index) if known else (None, None, None, None)
    return (mailbox, uid, signed(message.flags), modseq, message.date, saved, size + len(message.head), content, octets,
            message.head, *attributes)


def _count(con: apsw.Connection, sql: str, messages: Sequence[New], placed: Sequence[Place], *where: int | str) -> Row:
    """(uidnext, modseq, id, account) of the mailbox after it was counted up. Raises NoSuchMailbox."""
    unseen = sum(not message.flags & SEEN for message in messages)
    deleted = sum(bool(message.flags & DELETED) for message in messages)
    size = sum(len(message.head) + place[2] for message, place in zip(messages, placed))
    found = fetch(con, sql, (len(messages), unseen, deleted, size, *where))
    if not found:
        raise NoSuchMailbox()
    return found[0]


def _count_in_folder(
    con: apsw.Connection, name: str, folder: str, fresh: Sequence[NewMailbox], now: int,
    messages: Sequence[New], placed: Sequence[Place],
) -> Row:
    """As `_count`; an account never seen before is made, and a missing folder is INBOX."""
    for attempt in (folder, folder, INBOX):
        try:
            return _count(con, _BY_NAME, messages, placed, name, attempt)
        except NoSuchMailbox:
            account_id(con, name, fresh, now)
    raise NoSuchMailbox(detail=f"account {name!r} has no INBOX")


def _add(con: apsw.Connection, mailbox: int, rows: Sequence[Row]) -> range:
    """Insert (flags, date, saved, size, content, email_id) rows of copies at the mailbox's end, and count them."""
    found = fetch(con, _BY_NUMBER, (
        len(rows), sum(not row[0] & SEEN for row in rows), sum(bool(row[0] & DELETED) for row in rows),
        sum(row[3] for row in rows), mailbox))
    if not found:
        raise NoSuchMailbox()
    uidnext, modseq = found[0][:2]
    uids = range(uidnext - len(rows), uidnext)
    con.executemany("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (
        (mailbox, uid, flags, modseq, date, saved, size, content, email_id)
        for uid, (flags, date, saved, size, content, email_id) in zip(uids, rows)))
    return uids


def _translated(con: apsw.Connection, source: int, target: int, flags: Sequence[int]) -> list[int]:
    """The masks by the target's table, which grows for them as far as it can."""
    mine, theirs = table(con, source), table(con, target)
    wanted = keywords.carried(mine, flags, theirs)
    grow(con, target, theirs, wanted)
    if wanted[:len(mine)] == mine:
        return [signed(mask) for mask in flags]
    return [signed(keywords.translate(mask, mine, wanted)) for mask in flags]
