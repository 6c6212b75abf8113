"""What the writer does when messages arrive, by append or by delivery."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

import apsw

from mailframe.mime.attributes import links_in
from mailframe.mime.limits import LIMITS
from mailframe.model.mailbox import Links, New, NewMailbox, SharedOctets
from mailframe.model.refusal import Refusal, TryAgainLater
from mailframe.sqlite.content import SqliteContent
from mailframe.sqlite.pieces import PIECE
from mailframe.sqlite.rows import Row

from . import quota
from .counting import Counted, Counts, count, count_in_folder, counts_of, uncount
from .departures import current_modseq
from .schema import signed
from .settings import SqliteSettings

#: (content id or None, the octets to be kept or None, their size)
Place = tuple[int | None, bytes | None, int]

_UNKNOWN = (None,) * 5
#: For so many messages: a statement for each message would give the interpreter away and wait for it again each time.
_ARRIVE = ["INSERT INTO arrival VALUES " + ", ".join(["(" + ", ".join("?" * 19) + ")"] * count) for count in range(17)]


def links_of(message: New) -> Links:
    """Before the writer's turn. Without attributes they are read from the octets in hand; a long header has none."""
    if message.attributes is not None:
        return message.attributes.links
    if isinstance(message.content, str):
        return Links()
    return links_in(message.head + message.content[:LIMITS.header_octets])


def append(
    con: apsw.Connection, content: SqliteContent, settings: SqliteSettings, mailbox: int, messages: Sequence[New],
    links: Sequence[Links],
) -> range:
    """The new UIDs. Raises NoSuchMailbox, OverQuota, and TryAgainLater for content that is gone."""
    if not messages:
        current_modseq(con, mailbox)
        return range(0)
    saved = int(content.clock.seconds())
    shelf = Shelf(con, content, messages)
    placed = [shelf.place(message) for message in messages]
    sizes = [len(message.head) + place[2] for message, place in zip(messages, placed)]
    counted = count(con, mailbox, counts_of(messages, sizes))
    if quota.too_much(con, counted, settings, sizes):
        raise quota.refusal(con, counted.account)
    uids = range(counted.uidnext - len(messages), counted.uidnext)
    _arrive(con, [_row(counted, uid, saved, message, link, place)
                  for uid, message, link, place in zip(uids, messages, links, placed)])
    return uids


def register(con: apsw.Connection, mailbox: int, messages: Sequence[New], saved: int) -> range:
    """Rows for messages whose octets rest elsewhere, `New.size` of them, and which refer to no content. Raises NoSuchMailbox."""
    counted = count(con, mailbox, counts_of(messages, [message.size for message in messages]))
    uids = range(counted.uidnext - len(messages), counted.uidnext)
    _arrive(con, [
        _row(counted, uid, saved, message, message.attributes.links if message.attributes else Links(), (0, None, message.size))
        for uid, message in zip(uids, messages)])
    return uids


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message's (account, folder, message) targets; `changed` is told the (account, mailbox) of those that got it."""

    targets: Sequence[tuple[str, str, New]]
    links: Sequence[Links]                      # of each target's message
    fresh: Sequence[NewMailbox]
    changed: list[tuple[int, int]] = field(default_factory=list)


#: One target on its way; a refusal is noted at its number of the delivery's outcomes. Plain, since there are thousands a second.
Arriving = tuple[Delivery, list[Refusal | None], int, New, Place]


def deliver(
    con: apsw.Connection, deliveries: Sequence[Delivery], content: SqliteContent, settings: SqliteSettings,
) -> list[list[Refusal | None]]:
    """Many deliveries, each mailbox counted up once: for each, one outcome for each of its targets."""
    saved = int(content.clock.seconds())
    outcomes: list[list[Refusal | None]] = []
    arriving: dict[tuple[str, str], list[Arriving]] = {}
    for delivery in deliveries:
        shelf = Shelf(con, content, [message for _, _, message in delivery.targets])
        delivery.changed.clear()
        mine: list[Refusal | None] = [None] * len(delivery.targets)
        outcomes.append(mine)
        for number, (name, folder, message) in enumerate(delivery.targets):
            try:
                arriving.setdefault((name, folder), []).append((delivery, mine, number, message, shelf.place(message)))
            except Refusal as refusal:          # raised before anything was changed for this target
                mine[number] = refusal
    rows: list[Row] = []
    for (name, folder), mail in arriving.items():
        if mail:
            rows += _arrived(con, name, folder, mail, saved, content, settings)
    _arrive(con, rows)
    return outcomes


def _arrived(
    con: apsw.Connection, name: str, folder: str, mail: Sequence[Arriving], saved: int, content: SqliteContent,
    settings: SqliteSettings,
) -> list[Row]:
    """Count the mailbox up; the rows to insert, in the order of arrival. What is too much for the account is refused."""
    counts, sizes = _counts(mail)
    counted = count_in_folder(con, name, folder, mail[0][0].fresh, saved, counts)
    refused = quota.too_much(con, counted, settings, sizes)
    if refused:
        uncount(con, counted.mailbox, counts)
        mail = _without(con, mail, refused, counted.account, content)
        if not mail:
            return []
        counted = count(con, counted.mailbox, _counts(mail)[0])
    rows = []
    for uid, (delivery, _, number, message, place) in enumerate(mail, counted.uidnext - len(mail)):
        delivery.changed.append((counted.account, counted.mailbox))
        rows.append(_row(counted, uid, saved, message, delivery.links[number], place))
    return rows


def _counts(mail: Sequence[Arriving]) -> tuple[Counts, list[int]]:
    sizes = [len(message.head) + place[2] for _, _, _, message, place in mail]
    return counts_of([each[3] for each in mail], sizes), sizes


def _without(
    con: apsw.Connection, mail: Sequence[Arriving], refused: Sequence[int], account: int, content: SqliteContent,
) -> list[Arriving]:
    """Those that stay; the others are told, and refer to their content no more."""
    for which in refused:
        _, outcomes, number, _, place = mail[which]
        outcomes[number] = quota.refusal(con, account)
        if place[0] is not None:
            content.release(con, place[0])
    gone = set(refused)
    return [each for which, each in enumerate(mail) if which not in gone]


def _arrive(con: apsw.Connection, rows: Sequence[Row]) -> None:
    most = len(_ARRIVE) - 1
    for first in range(0, len(rows), most):
        some = rows[first:first + most]
        con.execute(_ARRIVE[len(some)], tuple(chain.from_iterable(some)))


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
            if id(octets) not in self._kept:
                octets.kept = None          # noted by a try that was undone: by now that id may be somebody else's mail
            self._kept[id(octets)] = content = self._content.keep(self._con, octets)
            return content, None, len(octets)
        times = self._times[id(octets)]
        if times == 1 and len(octets) <= PIECE:
            return None, octets, len(octets)
        if id(octets) not in self._kept:
            self._kept[id(octets)] = self._content.insert(self._con, octets, times)
        return self._kept[id(octets)], None, len(octets)


def _row(counted: Counted, uid: int, saved: int, message: New, links: Links, place: Place) -> Row:
    content, octets, size = place
    known = message.attributes
    attributes = (known.version, known.envelope, known.structure, known.index, known.preview) if known else _UNKNOWN
    return (counted.mailbox, uid, signed(message.flags), counted.modseq, message.date, saved, size + len(message.head), content,
            octets, message.head, *attributes, counted.account, links.own, links.parent, links.root)
