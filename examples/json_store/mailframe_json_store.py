"""A whole mail store in one small file: each account is a JSON file. Copy it and put your own storage in its place.

It keeps every promise of `mailframe.interfaces.store`, and is made for few messages: each change writes the account's
file anew. What it does not offer - copying, searching, ENVELOPE, mod-sequences - the framework does over what is here.
"""

import json
import os
from array import array
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from zope.interface import implementer

from mailframe.interfaces.store import IAccount, IMailbox, IMailStore
from mailframe.model.flags import DELETED, SEEN
from mailframe.model.mailbox import INBOX, Field, FlagsStored, Listeners, MailboxInfo, MailboxList, MailboxStatus, NewMailbox, Rows
from mailframe.model.refusal import MailboxExists, NoSuchMailbox, NoSuchMessage
from mailframe.stores.keywords import grown


@implementer(IMailStore)
class JsonStore:
    """Mail as JSON files in the folder `path`."""

    def __init__(self, path: str) -> None:
        self.path, self.accounts = Path(path), {}

    async def start(self):
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def open_account(self, name, fresh):
        if name not in self.accounts:
            account = self.accounts[name] = JsonAccount(self.path / (quote(name, safe="") + ".json"))
            if not account.path.exists():
                account.make({each.name: each for each in (NewMailbox(INBOX), *fresh)}.values())
        return self.accounts[name]

    async def close(self):
        self.accounts.clear()


@implementer(IAccount)
class JsonAccount:
    def __init__(self, path):
        self.path, self.listeners = path, Listeners()
        self.load()

    def load(self):
        self.data = json.loads(self.path.read_bytes()) if self.path.exists() else {"last": 0, "subscribed": [], "mailboxes": {}}

    @contextmanager
    def changing(self, hint):
        """Durable when it ends (I1); what could not be kept did not happen."""
        try:
            yield self.data
            temporary = self.path.with_suffix(".tmp")
            with open(temporary, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                json.dump(self.data, file)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(self.path)
            os.fsync(folder := os.open(self.path.parent, os.O_RDONLY))
            os.close(folder)
        except BaseException:
            self.load()
            raise
        self.listeners.tell(hint)

    def box(self, mailbox_id):
        if mailbox_id not in self.data["mailboxes"]:
            raise NoSuchMailbox()
        return self.data["mailboxes"][mailbox_id]

    async def mailboxes(self):
        infos = tuple(MailboxInfo(key, box["name"], box["use"]) for key, box in self.data["mailboxes"].items())
        return MailboxList(infos, frozenset(self.data["subscribed"]))

    async def create(self, mailbox):
        if any(box["name"] == mailbox.name for box in self.data["mailboxes"].values()):
            raise MailboxExists()
        return MailboxInfo(self.make([mailbox]), mailbox.name, mailbox.special_use)

    def make(self, mailboxes):
        with self.changing("") as data:
            for new in mailboxes:
                data["last"] += 1           # both the id and UIDVALIDITY: neither is ever given twice
                data["mailboxes"][str(data["last"])] = {
                    "name": new.name, "use": new.special_use, "validity": data["last"], "next": 1, "keywords": [], "messages": {}}
                data["subscribed"] += [new.name] if new.subscribed else []
        return str(data["last"])

    async def delete(self, mailbox_id):
        self.box(mailbox_id)
        with self.changing("") as data:
            del data["mailboxes"][mailbox_id]

    async def rename(self, moves):
        with self.changing(""):
            for mailbox_id, name in moves:
                self.box(mailbox_id)["name"] = name
            if len({box["name"] for box in self.data["mailboxes"].values()}) < len(self.data["mailboxes"]):
                raise MailboxExists()

    async def set_subscribed(self, name, subscribed):
        with self.changing("") as data:
            data["subscribed"] = [each for each in data["subscribed"] if each != name] + [name] * subscribed

    async def open_mailbox(self, mailbox_id):
        self.box(mailbox_id)
        return JsonMailbox(self, mailbox_id)

    def subscribe(self, listener):
        return self.listeners.add(listener)


@implementer(IMailbox)
class JsonMailbox:
    """A message is [flags, date, octets as Latin-1], by its UID as a string, in ascending order."""

    def __init__(self, account, mailbox_id):
        self.account, self.id = account, mailbox_id

    async def status(self):
        box = self.account.box(self.id)
        messages = box["messages"].values()
        return MailboxStatus(
            box["validity"], box["next"], len(messages), sum(not flags & SEEN for flags, _, _ in messages),
            sum(flags & DELETED > 0 for flags, _, _ in messages), sum(len(octets) for _, _, octets in messages))

    async def keywords(self, add):
        table = self.account.box(self.id)["keywords"]
        if len(table) < len(more := grown(table, add)):
            with self.account.changing(self.id):
                table[:] = more
        return more

    async def rows(self, ranges, limit, fields):
        messages = self.account.box(self.id)["messages"]
        uids = [uid for uid in map(int, messages) if any(first <= uid <= last for first, last in ranges)][:limit]
        return columns(uids, [messages[str(uid)] for uid in uids], fields)

    async def read(self, uid, offset, size):
        messages = self.account.box(self.id)["messages"]
        if str(uid) not in messages:
            raise NoSuchMessage()
        return messages[str(uid)][2][offset:offset + size].encode("latin-1")

    async def append(self, messages):
        box = self.account.box(self.id)
        uids = array("I", range(box["next"], box["next"] + len(messages)))
        with self.account.changing(self.id):
            box["next"] += len(messages)
            for uid, new in zip(uids, messages):
                box["messages"][str(uid)] = [new.flags, new.date, (new.head + new.content).decode("latin-1")]
        return uids

    async def set_flags(self, uids, change, unchanged_since):
        messages = self.account.box(self.id)["messages"]
        found = [uid for uid in uids if str(uid) in messages]
        with self.account.changing(self.id):
            for uid in found:
                messages[str(uid)][0] = change.apply(messages[str(uid)][0])
        return FlagsStored(columns(found, [messages[str(uid)] for uid in found], Field.FLAGS))

    async def expunge(self, uids, only_deleted):
        messages = self.account.box(self.id)["messages"]
        wanted = list(map(int, messages)) if uids is None else [uid for uid in uids if str(uid) in messages]
        gone = array("I", [uid for uid in wanted if not only_deleted or messages[str(uid)][0] & DELETED])
        with self.account.changing(self.id):
            for uid in gone:
                del messages[str(uid)]
        return gone

    async def changes(self, cursor):
        return None                         # "compare yourself": the framework lists UIDs and flags


def columns(uids, messages, fields):
    return Rows.of(uids, fields, {
        Field.FLAGS: (flags for flags, _, _ in messages), Field.DATE: (date for _, date, _ in messages),
        Field.SIZE: (len(octets) for _, _, octets in messages)})
