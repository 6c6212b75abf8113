"""An account as one plain dictionary, and what can happen to it: pure functions, for `mailframe.stores.plain_store`.

Texts, numbers, lists and dictionaries, as JSON has them::

    {"last": 1767225601, "subscribed": ["INBOX"], "mailboxes": {"1767225601": {
        "name": "INBOX", "use": null, "next": 2, "keywords": [], "messages": {"1": [1, 1767225603, "Subject: hi\\r\\n..."]}}}}

A message, by its UID, is its flags (a mask), its date (seconds since the epoch) and its octets (Latin-1, a character for each).
A mailbox's key is its id and its UIDVALIDITY; "last" is the one given last, for none is ever given twice.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Sequence
from typing import Any

from mailframe.model.flags import DELETED, SEEN, FlagChange
from mailframe.model.mailbox import INBOX, Field, MailboxInfo, MailboxStatus, New, NewMailbox, Rows
from mailframe.model.refusal import MailboxExists, NoSuchMailbox

from .keywords import grown

Plain = dict[str, Any]


def loaded(plain: Plain | None) -> Plain:
    """An account as it was saved, UIDs as numbers again; a new one for None."""
    if plain is None:
        return {"last": int(time.time()), "subscribed": [], "mailboxes": {}}
    boxes = plain["mailboxes"].items()
    return plain | {"mailboxes": {
        key: box | {"messages": {int(uid): message for uid, message in box["messages"].items()}} for key, box in boxes}}


def copied(plain: Plain) -> Plain:
    """Another one to be changed: what happens to it leaves `plain` as it is. (A message is never changed, but replaced.)"""
    boxes = {key: box | {"messages": dict(box["messages"])} for key, box in plain["mailboxes"].items()}
    return plain | {"mailboxes": boxes}


# Each of these raises before it changes anything.


def mailbox(plain: Plain, key: str) -> Plain:
    """Raises NoSuchMailbox."""
    try:
        box: Plain = plain["mailboxes"][key]
    except KeyError:
        raise NoSuchMailbox() from None
    return box


def make(plain: Plain, new: NewMailbox) -> MailboxInfo:
    """Raises MailboxExists."""
    if any(box["name"] == new.name for box in plain["mailboxes"].values()):
        raise MailboxExists()
    plain["last"] += 1
    info = MailboxInfo(str(plain["last"]), new.name, new.special_use)
    plain["mailboxes"][info.id] = {"name": info.name, "use": info.special_use, "next": 1, "keywords": [], "messages": {}}
    if new.subscribed:
        subscribe(plain, new.name, True)
    return info


def delete(plain: Plain, key: str) -> None:
    """Its sub-mailboxes stay. Raises NoSuchMailbox."""
    mailbox(plain, key)
    del plain["mailboxes"][key]
    need_inbox(plain)


def rename(plain: Plain, moves: Sequence[tuple[str, str]]) -> None:
    """All or none. Raises NoSuchMailbox, MailboxExists."""
    names = {key: box["name"] for key, box in plain["mailboxes"].items()}
    for key, name in moves:
        mailbox(plain, key)
        names[key] = name
    if len(set(names.values())) < len(names):
        raise MailboxExists()
    for key, name in names.items():
        plain["mailboxes"][key]["name"] = name
    need_inbox(plain)


def need_inbox(plain: Plain) -> None:
    """A renamed INBOX leaves an empty one behind (RFC 3501 section 6.3.5)."""
    if all(box["name"] != INBOX for box in plain["mailboxes"].values()):
        make(plain, NewMailbox(INBOX))


def subscribe(plain: Plain, name: str, wanted: bool) -> None:
    """Whether there is such a mailbox or not."""
    plain["subscribed"] = [each for each in plain["subscribed"] if each != name] + [name] * wanted


def status(plain: Plain, key: str) -> MailboxStatus:
    """See `IMailbox.status`; without a cursor."""
    box = mailbox(plain, key)
    messages = box["messages"].values()
    return MailboxStatus(
        int(key), box["next"], len(messages), sum(not flags & SEEN for flags, _, _ in messages),
        sum(flags & DELETED != 0 for flags, _, _ in messages), sum(len(octets) for _, _, octets in messages))


def add_keywords(plain: Plain, key: str, words: Sequence[str]) -> tuple[str, ...]:
    """Raises LimitReached."""
    box = mailbox(plain, key)
    table = grown(box["keywords"], words)
    box["keywords"] = list(table)
    return table


def append(plain: Plain, key: str, messages: Sequence[New]) -> array[int]:
    """Their UIDs. The octets are at hand in each: a store without IContent is given no other."""
    box = mailbox(plain, key)
    uids = array("I", range(box["next"], box["next"] + len(messages)))
    bodies = [new.head + new.content for new in messages if isinstance(new.content, bytes)]
    for uid, new, body in zip(uids, messages, bodies, strict=True):
        box["messages"][uid] = [new.flags, new.date, body.decode("latin-1")]
    box["next"] += len(messages)
    return uids


def set_flags(plain: Plain, key: str, uids: Sequence[int], change: FlagChange) -> Rows:
    """The flags of those that exist, as they are now."""
    messages = mailbox(plain, key)["messages"]
    found = [uid for uid in uids if uid in messages]
    for uid in found:
        flags, date, octets = messages[uid]
        messages[uid] = [change.apply(flags), date, octets]
    return rows(plain, key, found, Field.FLAGS)


def expunge(plain: Plain, key: str, uids: Sequence[int] | None, only_deleted: bool) -> array[int]:
    """See `IMailbox.expunge`."""
    messages = mailbox(plain, key)["messages"]
    wanted = messages if uids is None else [uid for uid in uids if uid in messages]
    gone = array("I", [uid for uid in wanted if not only_deleted or messages[uid][0] & DELETED])
    for uid in gone:
        del messages[uid]
    return gone


def rows(plain: Plain, key: str, uids: Sequence[int], fields: Field) -> Rows:
    """`fields` of messages that exist."""
    messages = mailbox(plain, key)["messages"]
    found = [messages[uid] for uid in uids]
    return Rows.of(uids, fields, {
        Field.FLAGS: (flags for flags, _, _ in found), Field.DATE: (date for _, date, _ in found),
        Field.SIZE: (len(octets) for _, _, octets in found)})
