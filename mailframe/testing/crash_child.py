"""A process that works on a store until it is killed: ``python -m mailframe.testing.crash_child FACTORY PLACE SEED WORKERS``.

Each line it prints is JSON: what is there at the start, then each step before it is asked for and each answer when it came.
"""

from __future__ import annotations

import json
import os
import random
import sys
from array import array
from collections.abc import Callable
from importlib import import_module
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import react

from mailframe.interfaces.content import IContent
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount, ICopyable, IMailbox, IMailStore, IMovable, IReplaces
from mailframe.model.flags import SEEN, FlagChange
from mailframe.model.mailbox import FRESH_ACCOUNT, INBOX, MAX_UID, Field, New, NewMailbox

from .crash_model import Boxes, Step, done, key_of, octets

ACCOUNT = "ada"
_LARGE = 100_000        # what is longer is staged, where the store can

_LOTS = ("append",) * 5 + ("inbox",) * 3 + ("flag", "replace") * 2 + ("expunge", "copy", "move", "create", "rename", "delete")


def say(line: dict[str, Any]) -> None:
    """At once, whole: what was said before a SIGKILL is read by the other side."""
    os.write(1, json.dumps(line).encode() + b"\n")


def factory(name: str) -> Callable[[str, Any], IMailStore]:
    """What ``package.module:Name`` is called; it is given the place and the reactor."""
    module, _, attribute = name.partition(":")
    found: Callable[[str, Any], IMailStore] = getattr(import_module(module), attribute)
    return found


async def observed(account: IAccount) -> tuple[Boxes, dict[str, int], list[str]]:
    """What is there: (mailboxes, their UIDNEXTs, sentences about what is wrong)."""
    boxes: Boxes = {}
    uidnexts: dict[str, int] = {}
    wrong: list[str] = []
    for info in (await settled(account.mailboxes())).mailboxes:
        mailbox = await settled(account.open_mailbox(info.id))
        rows = await settled(mailbox.rows([(1, MAX_UID)], 1_000_000, Field.FLAGS | Field.SIZE))
        status = await settled(mailbox.status())
        unseen = sum(not flags & SEEN for flags in rows.flags)
        if (status.messages, status.unseen, status.size) != (len(rows), unseen, sum(rows.sizes)):
            wrong.append(f"counts of {info.name}: {status} for {len(rows)} messages, {unseen} unseen, {sum(rows.sizes)} octets")
        uidnexts[info.name] = status.uidnext
        box = boxes[info.name] = {}
        for uid, flags in zip(rows.uids, rows.flags, strict=True):
            try:
                box[uid] = key_of(await settled(mailbox.read(uid, 0, 1 << 31))), flags
            except ValueError as fault:
                wrong.append(f"{info.name} {uid}: {fault}")
    return boxes, uidnexts, wrong


class Worker:
    """One of several that work at once, in mailboxes of its own, and in INBOX together with the others."""

    def __init__(self, number: int, rng: random.Random, store: IMailStore, account: IAccount, boxes: Boxes) -> None:
        self.prefix = f"w{number}/"
        self._rng, self._store, self._account = rng, store, account
        self._boxes = {name: box for name, box in boxes.items() if name.startswith(self.prefix)}
        self._made = 0

    async def work(self) -> None:
        """Until the process dies."""
        for name in ("a", "b"):
            if self.prefix + name not in self._boxes:
                await self._do({"do": "create", "box": self.prefix + name})
        while True:
            await self._do(self._drawn())

    def _drawn(self) -> Step:
        box, other = self._rng.sample([self.prefix + "a", self.prefix + "b"], 2)
        there = sorted(self._boxes[box])
        uids = sorted(self._rng.sample(there, min(self._rng.randrange(1, 4), len(there))))
        extra = [name for name in self._boxes if name[len(self.prefix):] not in ("a", "b")]
        do = self._rng.choice(_LOTS)
        if do in ("append", "inbox") or (do in ("flag", "expunge", "copy", "move", "replace") and not uids):
            mail = [(self._key(), self._rng.randrange(32)) for _ in range(self._rng.randrange(1, 4))]
            return {"do": "append", "box": INBOX if do == "inbox" else box, "mail": mail}
        if do == "replace":
            mail = [(self._key(), self._rng.randrange(32))]
            return {"do": do, "box": box, "uids": uids[:1], "to": self._rng.choice([box, other]), "mail": mail}
        if do == "flag":
            return {"do": do, "box": box, "uids": uids, "keep": self._rng.randrange(32), "set": self._rng.randrange(32)}
        if do in ("rename", "delete") and extra:
            return {"do": do, "box": self._rng.choice(extra), "to": self.prefix + self._key()}
        if do in ("create", "rename", "delete"):
            return {"do": "create", "box": self.prefix + self._key()}
        return {"do": do, "box": box, "uids": uids, "to": other}

    def _key(self) -> str:
        self._made += 1
        return f"{self.prefix.strip('/')}-{os.getpid()}-{self._made}"

    async def _do(self, step: Step) -> None:
        infos = {info.name: info.id for info in (await settled(self._account.mailboxes())).mailboxes}
        mailbox: Any = await settled(self._account.open_mailbox(infos[step["box"]])) if step["do"] != "create" else None
        carrying = {"copy": ICopyable, "move": IMovable, "replace": IReplaces}.get(step["do"])
        if carrying is not None and not carrying.providedBy(mailbox):
            return
        message = [await self._new(*mail) for mail in step.get("mail", ())]
        say({"worker": self.prefix, "step": step})
        answer = await self._asked(step, mailbox, infos, message)
        say({"worker": self.prefix, "answer": answer})
        if step["box"] != INBOX:
            self._boxes = done(self._boxes, step, answer)

    async def _new(self, key: str, flags: int) -> New:
        body = octets(key)
        if len(body) < _LARGE or not IContent.providedBy(self._store):
            return New(body, flags=flags, size=len(body))
        staged = await settled(self._store.stage())
        await settled(staged.write(body))
        return New(await settled(staged.seal()), flags=flags, size=len(body))

    async def _asked(self, step: Step, mailbox: IMailbox, infos: dict[str, str], messages: list[New]) -> list[int] | None:
        uids = array("I", step.get("uids", ()))
        match step["do"]:
            case "create":
                await settled(self._account.create(NewMailbox(step["box"])))
            case "delete":
                await settled(self._account.delete(mailbox.id))
            case "rename":
                await settled(self._account.rename([(mailbox.id, step["to"])]))
            case "append":
                return list(await settled(mailbox.append(messages)))
            case "flag":
                await settled(mailbox.set_flags(uids, FlagChange(step["keep"], step["set"]), None))
            case "expunge":
                await settled(mailbox.expunge(uids, False))
            case "replace":
                replaces: Any = mailbox
                return [await settled(replaces.replace(uids[0], infos[step["to"]], messages[0]))]
            case way:
                return list((await settled(getattr(mailbox, way)(uids, infos[step["to"]])))[1])
        return None


async def _run(reactor: Any, name: str, place: str, seed: str, workers: str) -> None:
    store = factory(name)(place, reactor)
    await settled(store.start())
    account = await settled(store.open_account(ACCOUNT, FRESH_ACCOUNT))
    boxes, uidnexts, wrong = await observed(account)
    say({"boxes": {name: [*box.items()] for name, box in boxes.items()}, "uidnexts": uidnexts, "wrong": wrong})
    await gatherResults([
        Deferred.fromCoroutine(Worker(number, random.Random(f"{seed} {number}"), store, account, boxes).work())
        for number in range(int(workers))])
    await settled(store.close())


if __name__ == "__main__":
    react(lambda reactor, *given: Deferred.fromCoroutine(_run(reactor, *given)), sys.argv[1:], SelectReactor())
