"""A client that has an account to itself and changes all there is to change by IMAP."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import deepcopy

from support.wires import Imap

from .boxes import Box, Boxes, difference, joined, read_boxes, same
from .client import Client, Score
from .messages import DOMAIN, PASSWORD, as_imap, content

_OWN = "w-"             # names of mailboxes that an Editor makes
_FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "$Label1", "later")


class Editor(Client):
    """Has an account to itself and changes all there is to change; after a crash it is as before the last change, or as after."""

    def __init__(self, name: str, seed: int, score: Score, *, atomic: bool = True) -> None:
        """`atomic`: whether the store promises that what is done to several messages is done whole or not at all."""
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
        return sorted(self.lot.sample(uids, self.lot.randint(1, min(5 if self.atomic else 1, len(uids)))))

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
