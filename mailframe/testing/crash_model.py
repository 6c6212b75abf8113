"""What must be in a store after its process was killed: each worker's mailboxes as they were before or after its last step."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from mailframe.model.flags import FlagChange

#: A mailbox: (key, flags) by UID. An account: mailboxes by name.
Box = dict[int, tuple[str, int]]
Boxes = dict[str, Box]
Step = dict[str, Any]


def octets(key: str) -> bytes:
    """The message of this key, always the same; one in ten is large enough to be staged."""
    lot = random.Random(key)
    size = lot.randrange(300_000, 600_000) if lot.random() < 0.1 else lot.randrange(3_000)
    return f"Subject: {key}\r\n\r\n".encode() + lot.randbytes(size)


def key_of(message: bytes) -> str:
    """Raises ValueError for what is not exactly the message of a key."""
    key = message.partition(b"\r\n")[0].removeprefix(b"Subject: ").decode("ascii", "replace")
    if message != octets(key):
        raise ValueError(f"the message of {key} is not as it was given")
    return key


def done(boxes: Boxes, step: Step, answer: Any = None) -> Boxes:
    """`boxes` after `step`. Where its `answer` never came, new UIDs are taken to be the next ones."""
    boxes = {name: dict(box) for name, box in boxes.items()}
    box = boxes.get(step.get("box", ""), {})
    match step["do"]:
        case "create":
            boxes[step["box"]] = {}
        case "delete":
            boxes.pop(step["box"], None)
        case "rename":
            boxes[step["to"]] = boxes.pop(step["box"])
        case "append":
            box.update(zip(answer or _next(box), ((key, flags) for key, flags in step["mail"])))
        case "flag":
            change = FlagChange(step["keep"], step["set"])
            box.update({uid: (box[uid][0], change.apply(box[uid][1])) for uid in step["uids"]})
        case "expunge":
            for uid in step["uids"]:
                del box[uid]
        case "replace":
            target = boxes[step["to"]]
            new = list(zip(answer or _next(target), ((key, flags) for key, flags in step["mail"])))
            del box[step["uids"][0]]
            target.update(new)
        case "copy" | "move":
            target = boxes[step["to"]]
            target.update(zip(answer or _next(target), [box[uid] for uid in step["uids"]]))
            for uid in step["uids"] if step["do"] == "move" else ():
                del box[uid]
    return boxes


def _next(box: Box) -> range:
    return range(max(box, default=0) + 1, 1 << 32)


def same(expected: Boxes, found: Boxes, known: Mapping[str, Box]) -> bool:
    """Whether the mailboxes hold the same in the same order, and what was `known` by its UID still has it."""
    if expected.keys() != found.keys():
        return False
    for name, box in expected.items():
        if [box[uid] for uid in sorted(box)] != [found[name][uid] for uid in sorted(found[name])]:
            return False
        if any(found[name].get(uid, mail)[0] != mail[0] for uid, mail in known.get(name, {}).items()):
            return False
    return True
