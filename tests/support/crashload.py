"""Clients that load a server until it dies, remember what they were promised, and check the promises afterwards (I1)."""

from __future__ import annotations

import random
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field

from support.wires import Imap, Pop3, Smtp

PASSWORD = "correct horse"
DOMAIN = "one.example"


def content(key: str, sender: str = "sender@elsewhere.example") -> bytes:
    """The message of this key, always the same; one in twelve is larger than a piece of the store, up to 3 MiB."""
    lot = random.Random(key)
    lines = int(3_500 * 10 ** lot.random()) if lot.random() < 0.08 else lot.randint(1, 80)
    body = b"".join(b"%d %d .\r\n.%b\r\n" % (number, lot.getrandbits(64), b"x" * 60) for number in range(lines))
    return (f"From: <{sender}>\r\nTo: <somebody@{DOMAIN}>\r\nSubject: {key}\r\nMessage-ID: <{key}@elsewhere.example>\r\n"
            f"Date: Mon, 01 Jan 2024 10:00:00 +0000\r\nX-Key: {key}\r\n\r\n").encode() + body


class Score:
    """How many promises were made by all; wakes who waits for so many."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.promises = 0

    def add(self) -> None:
        with self._changed:
            self.promises += 1
            self._changed.notify_all()

    def wait(self, promises: int, patience_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.promises >= promises, patience_s)


class Ledger:
    """Mail to accounts that several clients fill and empty. Keys are never sent twice."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.tried: set[tuple[str, str]] = set()        # (account, key)
        self.taken: set[tuple[str, str]] = set()        # the server said 250
        self.leaving: set[tuple[str, str]] = set()      # asked to be removed
        self.gone: set[tuple[str, str]] = set()         # the server said that they are
        self.relayed: set[str] = set()                  # the server said 250 to mail for elsewhere
        self.refused: set[str] = set()                  # the same, and elsewhere will refuse it
        self._seen: dict[tuple[str, int, int], str] = {}
        self._uidnext: dict[str, tuple[int, int]] = {}

    def note(self, which: set[tuple[str, str]], pairs: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> None:
        with self.lock:
            which.update(pairs)

    def keys(self, account: str, port: int) -> list[str]:
        """Of what is in the account's INBOX."""
        with Imap(port) as wire:
            return [*contents(as_imap(wire).greet().login(f"{account}@{DOMAIN}", PASSWORD), "INBOX")[2].values()]

    def check(self, account: str, port: int, reports_twice: int = 0) -> None:
        """Everything promised about the account's INBOX, asked over IMAP. So many reports may be there again: nobody was
        told of them, and where queue and mailboxes are different databases a kill may come between the two."""
        with Imap(port) as wire:
            imap = as_imap(wire).greet().login(f"{account}@{DOMAIN}", PASSWORD)
            uidvalidity, uidnext, keys = contents(imap, "INBOX")
            self._check_bodies(imap, keys)
        counts: dict[str, int] = {}
        for key in keys.values():
            counts[key] = counts.get(key, 0) + 1
        twice = [key for key, count in counts.items() if count > 1]
        if all(key.startswith("report") for key in twice) and len(twice) <= reports_twice:
            twice = []
        assert not twice, f"{account}: in the mailbox twice: {twice}"
        mine = {key for name, key in self.taken if name == account}
        leaving = {key for name, key in self.leaving if name == account}
        gone = {key for name, key in self.gone if name == account}
        lost = mine - leaving - set(counts)
        assert not lost, f"{account}: acknowledged and lost: {sorted(lost)}"
        back = gone & set(counts)
        assert not back, f"{account}: acknowledged as gone, and back: {sorted(back)}"
        self._check_uids(account, uidvalidity, uidnext, keys)

    def _check_bodies(self, imap: Imap, keys: Mapping[int, str]) -> None:
        """The oldest and the newest are whole, octet for octet."""
        for uid in sorted(keys)[:1] + sorted(keys)[-4:]:
            key = keys[uid]
            if key.startswith("report"):
                continue
            _, untagged = imap.ok(f"UID FETCH {uid} (BODY.PEEK[])")
            octets = untagged[0].split(b"\r\n", 1)[1]
            sender = re.search(rb"(?m)^From: <([^>]+)>", octets)
            assert sender is not None
            whole = content(key, sender[1].decode())
            assert whole in octets, f"{key}: not the octets that were sent"

    def _check_uids(self, account: str, uidvalidity: int, uidnext: int, keys: Mapping[int, str]) -> None:
        before = self._uidnext.get(account)
        if before is not None:
            assert uidvalidity == before[0], f"{account}: UIDVALIDITY changed from {before[0]} to {uidvalidity}"
            assert uidnext >= before[1], f"{account}: UIDNEXT went back from {before[1]} to {uidnext}"
        self._uidnext[account] = uidvalidity, uidnext
        for uid, key in keys.items():
            was = self._seen.setdefault((account, uidvalidity, uid), key)
            assert was == key, f"{account}: UID {uid} was {was} and is {key}"
            assert uid < uidnext


def as_imap(wire: object) -> Imap:
    assert isinstance(wire, Imap)
    return wire


def contents(imap: Imap, mailbox: str) -> tuple[int, int, dict[int, str]]:
    """(UIDVALIDITY, UIDNEXT, key by UID); a report's key is that of the message it is about, with "report " before."""
    _, untagged = imap.ok(f'EXAMINE "{mailbox}"')
    said = b"".join(untagged)
    found = re.search(rb"UIDVALIDITY (\d+)", said), re.search(rb"UIDNEXT (\d+)", said)
    assert found[0] and found[1], said
    uidvalidity, uidnext = int(found[0][1]), int(found[1][1])
    if b"* 0 EXISTS" in said:
        return uidvalidity, uidnext, {}
    _, untagged = imap.ok("FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (X-Key In-Reply-To)])")
    keys = {}
    for response in untagged:
        if b" FETCH (" not in response:
            continue
        uid = re.search(rb"UID (\d+)", response)
        key = re.search(rb"X-Key: (\S+)", response) or re.search(rb"In-Reply-To: <([^@]+)@", response)
        assert uid is not None and key is not None, response
        keys[int(uid[1])] = ("report " if b"In-Reply-To: <" in response else "") + key[1].decode()
    return uidvalidity, uidnext, keys


class Client(ABC):
    """One thread's work; `work` loops until the connection breaks."""

    def __init__(self, name: str, seed: int, score: Score) -> None:
        self.name = name
        self.lot = random.Random(f"{name} {seed}")
        self.score = score
        self.count = 0
        self.fault: BaseException | None = None
        self._thread: threading.Thread | None = None

    def start(self, ports: Mapping[str, int]) -> None:
        self._thread = threading.Thread(target=self._run, args=(ports,), name=self.name)
        self._thread.start()

    def join(self) -> None:
        assert self._thread is not None
        self._thread.join()
        if self.fault is not None:
            raise AssertionError(f"{self.name}: {self.fault!r}") from self.fault

    def _run(self, ports: Mapping[str, int]) -> None:
        try:
            while True:
                self.work(ports)
        except OSError:         # it was killed, as it should be
            pass
        except BaseException as fault:
            self.fault = fault

    @abstractmethod
    def work(self, ports: Mapping[str, int]) -> None:
        """One round: connect, do it, note in the ledger or score what the server has promised."""

    def key(self) -> str:
        self.count += 1
        return f"{self.name}-{self.count}"


class Sender(Client):
    """Another server that brings mail for several of ours at once, some messages to a connection."""

    def __init__(self, name: str, seed: int, score: Score, ledger: Ledger, accounts: tuple[str, ...]) -> None:
        super().__init__(name, seed, score)
        self.ledger, self.accounts = ledger, accounts

    def work(self, ports: Mapping[str, int]) -> None:
        with Smtp(ports["smtp"]) as wire:
            assert isinstance(wire, Smtp)
            wire.greet()
            for _ in range(self.lot.randint(1, 8)):
                key = self.key()
                accounts = self.lot.sample(self.accounts, self.lot.randint(1, len(self.accounts)))
                self.send(wire, key, accounts)
            if self.lot.random() < 0.5:
                wire.say(b"QUIT")

    def send(self, wire: Smtp, key: str, accounts: list[str]) -> None:
        pairs = [(account, key) for account in accounts]
        self.ledger.note(self.ledger.tried, pairs)
        sender, recipients = "sender@elsewhere.example", [f"{account}@{DOMAIN}" for account in accounts]
        if self.lot.random() < 0.5:
            code, _ = wire.mail(sender, recipients, content(key))
        else:
            code, _ = wire.chunks(sender, recipients, content(key), self.lot.randint(2_000, 400_000))
        assert code == 250
        self.ledger.note(self.ledger.taken, pairs)
        self.score.add()


class Submitter(Client):
    """A user of ours who writes to people elsewhere, some of whom do not exist, and to neighbours in the same message."""

    def __init__(self, name: str, seed: int, score: Score, ledger: Ledger, neighbour: str) -> None:
        super().__init__(name, seed, score)
        self.ledger, self.neighbour = ledger, neighbour

    def work(self, ports: Mapping[str, int]) -> None:
        with Smtp(ports["submission"]) as wire:
            assert isinstance(wire, Smtp)
            wire.greet().login(f"{self.name}@{DOMAIN}", PASSWORD)
            for _ in range(self.lot.randint(1, 6)):
                self.send(wire)

    def send(self, wire: Smtp) -> None:
        key, me = self.key(), f"{self.name}@{DOMAIN}"
        nobody, neighbour = self.lot.random() < 0.2, self.lot.random() < 0.3
        recipients = ["nobody@far.example" if nobody else "friend@far.example"]
        pairs = [(self.name, f"report {key}")] if nobody else []
        if neighbour:
            recipients.append(f"{self.neighbour}@{DOMAIN}")
            self.ledger.note(self.ledger.tried, [(self.neighbour, key)])
        self.ledger.note(self.ledger.tried, pairs)
        code, _ = wire.mail(me, recipients, content(key, me))
        assert code == 250
        with self.ledger.lock:
            (self.ledger.refused if nobody else self.ledger.relayed).add(key)
            if neighbour:
                self.ledger.taken.add((self.neighbour, key))
        self.score.add()


class Keeper(Client):
    """Reads a mailbox that others fill, and removes some of it for good."""

    def __init__(self, name: str, seed: int, score: Score, ledger: Ledger, account: str) -> None:
        super().__init__(name, seed, score)
        self.ledger, self.account = ledger, account

    def work(self, ports: Mapping[str, int]) -> None:
        with Imap(ports["imap"]) as wire:
            imap = as_imap(wire).greet().login(f"{self.account}@{DOMAIN}", PASSWORD)
            while True:
                _, _, keys = contents(imap, "INBOX")
                imap.ok("SELECT INBOX")
                self.remove_some(imap, keys)

    def remove_some(self, imap: Imap, keys: Mapping[int, str]) -> None:
        for _ in range(min(3, len(keys) // 4)):
            uids = self.lot.sample(sorted(keys), self.lot.randint(1, 2))
            words = ",".join(map(str, uids))
            imap.ok(f"UID STORE {words} +FLAGS.SILENT (\\Deleted)")
            pairs = [(self.account, keys[uid]) for uid in uids]
            self.ledger.note(self.ledger.leaving, pairs)
            imap.ok(f"UID EXPUNGE {words}")
            self.ledger.note(self.ledger.gone, pairs)
            self.score.add()


class Collector(Client):
    """Downloads a maildrop that others fill, and deletes what it has."""

    def __init__(self, name: str, seed: int, score: Score, ledger: Ledger, account: str) -> None:
        super().__init__(name, seed, score)
        self.ledger, self.account = ledger, account

    def work(self, ports: Mapping[str, int]) -> None:
        with Pop3(ports["pop3"]) as wire:
            assert isinstance(wire, Pop3)
            wire.greet().login(f"{self.account}@{DOMAIN}", PASSWORD)
            count = int(wire.ok("STAT").split()[1])
            pairs = []
            for number in range(1, min(count, self.lot.randint(2, 6)) + 1):
                wire.ok(f"RETR {number}")
                key = re.search(rb"(?m)^X-Key: (\S+)\r$", wire.lines())
                assert key is not None
                wire.ok(f"DELE {number}")
                pairs.append((self.account, key[1].decode()))
            self.ledger.note(self.ledger.leaving, pairs)
            wire.ok("QUIT")
            self.ledger.note(self.ledger.gone, pairs)
            if pairs:
                self.score.add()


Message = tuple[str, frozenset[str]]        # key, flags


@dataclass
class Box:
    """A mailbox as its one client knows it."""

    uidvalidity: int = 0                    # 0: not asked yet
    uidnext: int = 1
    messages: dict[int, Message] = field(default_factory=dict)
    comment: str = ""                       # /private/comment
    granted: str = ""                       # to somebody who never comes

    def add(self, messages: list[Message]) -> list[int]:
        uids = [*range(self.uidnext, self.uidnext + len(messages))]
        self.messages.update(zip(uids, messages))
        self.uidnext += len(messages)
        return uids


Boxes = dict[str, Box]
_OWN = "w-"             # names of mailboxes that an Editor makes
_FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "$Label1", "later")


class Editor(Client):
    """Has an account to itself and changes all there is to change; after a crash it is as before the last change, or as after."""

    def __init__(self, name: str, seed: int, score: Score, *, atomic: bool = True) -> None:
        """`atomic`: whether the store promises that COPY and MOVE are done whole or not at all."""
        super().__init__(name, seed, score)
        self.atomic = atomic
        self.boxes: Boxes = {}
        self.after: Boxes | None = None             # when a change was asked for and not answered
        self.used: dict[int, dict[int, str]] = {}   # key by UID by UIDVALIDITY, for ever
        self.selected = ""

    def work(self, ports: Mapping[str, int]) -> None:
        with Imap(ports["imap"]) as wire:
            imap = as_imap(wire).greet().login(f"{self.name}@{DOMAIN}", PASSWORD)
            self.selected = ""
            if not self.boxes:
                self.boxes = self.read(imap)
            acts = self.acts()
            for _ in range(self.lot.randint(20, 60)):
                self.lot.choice(acts)(imap)
            imap.ok("LOGOUT")

    def acts(self) -> list[Callable[[Imap], None]]:
        """What is done, each as often as it is in the list."""
        return [
            self.append, self.append, self.append, self.store, self.store, self.expunge, self.create, self.rename, self.delete,
            *((self.copy, self.move) if self.atomic else ()),
        ]

    def read(self, imap: Imap) -> Boxes:
        """What the server says that there is."""
        return read_boxes(imap)

    def change(self, after: Boxes, imap: Imap, command: str, *literals: bytes) -> bytes:
        """Ask for what makes `boxes` be `after`; once acknowledged, it is so."""
        self.after = after
        answer, _ = imap.ok(command, *literals)
        self.boxes, self.after = after, None
        self.score.add()
        return answer

    def select(self, imap: Imap, name: str) -> None:
        if self.selected != name:
            imap.ok(f'SELECT "{name}"')
            self.selected = name

    def box(self, *, filled: bool = False) -> str | None:
        names = sorted(name for name, box in self.boxes.items() if box.messages or not filled)
        return self.lot.choice(names) if names else None

    def some(self, name: str) -> list[int]:
        uids = sorted(self.boxes[name].messages)
        return sorted(self.lot.sample(uids, self.lot.randint(1, min(5, len(uids)))))

    def append(self, imap: Imap) -> None:
        name = self.box()
        assert name is not None
        after = deepcopy(self.boxes)
        count = self.lot.choice((1, 1, 1, 3))
        messages = [(self.key(), frozenset(self.lot.sample(_FLAGS, self.lot.randint(0, 2)))) for _ in range(count)]
        uids = after[name].add(messages)
        flags = "".join(f" ({' '.join(sorted(each))}) {{}}" for _, each in messages)
        answer = self.change(after, imap, f'APPEND "{name}"{flags}', *(content(key) for key, _ in messages))
        found = re.search(rb"APPENDUID (\d+) (\d+)(?::(\d+))?", answer)
        assert found is not None, answer
        assert (int(found[2]), int(found[3] or found[2])) == (uids[0], uids[-1]), (answer, uids)

    def store(self, imap: Imap) -> None:
        name = self.box(filled=True)
        if name is None:
            return
        self.select(imap, name)
        uids, sign, flags = self.some(name), self.lot.choice("+-"), set(self.lot.sample(_FLAGS, self.lot.randint(1, 2)))
        after = deepcopy(self.boxes)
        for uid in uids:
            key, had = after[name].messages[uid]
            after[name].messages[uid] = key, had | flags if sign == "+" else had - flags
        self.change(after, imap, f"UID STORE {joined(uids)} {sign}FLAGS.SILENT ({' '.join(sorted(flags))})")

    def copy(self, imap: Imap, *, move: bool = False) -> None:
        source, target = self.box(filled=True), self.box()
        if source is None or target is None or source == target:
            return
        self.select(imap, source)
        uids = self.some(source)
        after = deepcopy(self.boxes)
        after[target].add([after[source].messages[uid] for uid in uids])
        if move:
            for uid in uids:
                del after[source].messages[uid]
        self.change(after, imap, f'UID {"MOVE" if move else "COPY"} {joined(uids)} "{target}"')

    def move(self, imap: Imap) -> None:
        self.copy(imap, move=True)

    def expunge(self, imap: Imap) -> None:
        name = self.box(filled=True)
        if name is None:
            return
        self.select(imap, name)
        uids = self.some(name)
        marked = deepcopy(self.boxes)
        for uid in uids:
            key, flags = marked[name].messages[uid]
            marked[name].messages[uid] = key, flags | {"\\Deleted"}
        self.change(marked, imap, f"UID STORE {joined(uids)} +FLAGS.SILENT (\\Deleted)")
        after = deepcopy(self.boxes)
        for uid in uids:
            del after[name].messages[uid]
        self.change(after, imap, f"UID EXPUNGE {joined(uids)}")

    def create(self, imap: Imap) -> None:
        if sum(name.startswith(_OWN) for name in self.boxes) >= 5:
            return
        name = f"{_OWN}{self.lot.randint(1, 9)}"
        if name not in self.boxes:
            self.change(deepcopy(self.boxes) | {name: Box()}, imap, f'CREATE "{name}"')

    def rename(self, imap: Imap) -> None:
        own = sorted(name for name in self.boxes if name.startswith(_OWN) and name != self.selected)
        to = f"{_OWN}{self.lot.randint(1, 9)}"
        if own and to not in self.boxes:
            name = self.lot.choice(own)
            after = deepcopy(self.boxes)
            after[to] = after.pop(name)
            self.change(after, imap, f'RENAME "{name}" "{to}"')

    def delete(self, imap: Imap) -> None:
        own = sorted(name for name in self.boxes if name.startswith(_OWN) and name != self.selected)
        if own and self.lot.random() < 0.3:
            name = self.lot.choice(own)
            self.change({other: box for other, box in self.boxes.items() if other != name}, imap, f'DELETE "{name}"')

    def check(self, port: int) -> None:
        """All is as it was before the change that was under way, or as it should be after it."""
        if not self.boxes:
            return
        with Imap(port) as wire:
            real = self.read(as_imap(wire).greet().login(f"{self.name}@{DOMAIN}", PASSWORD))
        if not (same(real, self.boxes) or (self.after is not None and same(real, self.after))):
            raise AssertionError(f"{self.name}: neither before nor after:\n" + "\n".join(
                difference(real, expected) for expected in (self.boxes, self.after) if expected is not None))
        self.boxes, self.after = real, None
        for box in real.values():
            used = self.used.setdefault(box.uidvalidity, {})
            for uid, (key, _) in box.messages.items():
                assert used.setdefault(uid, key) == key, f"{self.name}: UID {uid} was {used[uid]} and is {key}"


def joined(uids: list[int]) -> str:
    return ",".join(map(str, uids))


def same(real: Boxes, expected: Boxes) -> bool:
    return real.keys() == expected.keys() and all(
        (box.messages, box.uidnext, box.comment, box.granted) == (
            expected[name].messages, expected[name].uidnext, expected[name].comment, expected[name].granted)
        and expected[name].uidvalidity in (0, box.uidvalidity) for name, box in real.items())


def difference(real: Boxes, expected: Boxes) -> str:
    lines = [f"mailboxes {sorted(real.keys() ^ expected.keys())}"] if real.keys() != expected.keys() else []
    for name in sorted(real.keys() & expected.keys()):
        mine, theirs = real[name], expected[name]
        if mine != theirs:
            odd = dict(set(mine.messages.items()) ^ set(theirs.messages.items()))
            lines.append(f"{name}: UIDVALIDITY {mine.uidvalidity} {theirs.uidvalidity}, "
                         f"UIDNEXT {mine.uidnext} {theirs.uidnext}, comment {mine.comment!r} {theirs.comment!r}, "
                         f"granted {mine.granted!r} {theirs.granted!r}, {odd}")
    return "; ".join(lines)


def read_boxes(imap: Imap) -> Boxes:
    """The whole account."""
    _, listed = imap.ok('LIST "" "*"')
    boxes: Boxes = {}
    for response in listed:
        name = response.rstrip(b"\r\n").rpartition(b" ")[2].strip(b'"').decode()
        uidvalidity, uidnext, keys = contents(imap, name)
        flags = {}
        if keys:
            for fetched in imap.ok("FETCH 1:* (UID FLAGS)")[1]:
                found = re.search(rb"UID (\d+) FLAGS \(([^)]*)\)", fetched)
                assert found is not None, fetched
                flags[int(found[1])] = frozenset(found[2].decode().split()) - {"\\Recent"}
        boxes[name] = Box(uidvalidity, uidnext, {uid: (key, flags[uid]) for uid, key in keys.items()})
    return boxes

