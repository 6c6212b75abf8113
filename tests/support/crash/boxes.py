"""An account as its one client knows it, as the server tells of it, and what sets the two apart."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from support.wires import Imap

from .messages import contents

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
