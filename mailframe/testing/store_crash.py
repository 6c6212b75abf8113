"""The store contract about kill -9: what was acknowledged is there exactly once, and nothing is half done (I1)."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from threading import Timer
from typing import Any
from unittest import SkipTest

from mailframe.model.mailbox import INBOX

from .crash_model import Box, Boxes, Step, done, same
from .store_base import StoreBase

_WORKERS = 4
_PATIENCE_S = 60.0


class CrashContract(StoreBase):
    """Killed again and again at an acknowledgement drawn by lot, over one and the same place."""

    #: ``"package.module:Factory"``, importable in another process; called with (place, reactor) it gives a store, not started.
    child_factory: str | None = None
    kills, long_kills = 6, 200

    async def test_kill_9_loses_nothing_that_was_acknowledged_and_leaves_nothing_half_done(self) -> None:
        if self.child_factory is None:
            raise SkipTest("child_factory is not set")
        seed = int(os.environ.get("MAILFRAME_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 32)
        rng, place = random.Random(seed), self.mktemp()
        ledger = Ledger()
        for life in range(self.long_kills if self.long else self.kills):
            lines = self._killed(place, f"{seed} {life}", rng.randrange(1, 80))
            fault = ledger.read(lines)
            self.assertIsNone(fault, f"MAILFRAME_SEED={seed}, life {life}: {fault}")
        fault = ledger.read(self._killed(place, "0", 0))
        self.assertIsNone(fault, f"MAILFRAME_SEED={seed}, at the end: {fault}")

    def _killed(self, place: str, seed: str, answers: int) -> list[dict[str, Any]]:
        """What a child said until it was killed at so many answers."""
        child = subprocess.Popen(
            [sys.executable, "-m", "mailframe.testing.crash_child", str(self.child_factory), place, seed, str(_WORKERS)],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
        impatience = Timer(_PATIENCE_S, child.kill)
        impatience.start()
        said: list[bytes] = []
        with child:
            assert child.stdout is not None
            left = answers + 1          # the first line says what is there
            for line in child.stdout:
                said.append(line)
                left -= not line.startswith(b'{"worker"') or b'"answer"' in line
                if left == 0:
                    child.kill()
        impatience.cancel()
        self.assertEqual(0, max(left, 0), "the child ended by itself or took too long")
        return [json.loads(line) for line in said if line.endswith(b"\n")]


class Ledger:
    """What was promised in all lives so far."""

    def __init__(self) -> None:
        self._boxes: Boxes = {}                     # all workers', as acknowledged
        self._doubt: dict[str, Step] = {}           # by worker: what was asked and not answered
        self._given: dict[str, Box] = {}            # all that was ever acknowledged under these UIDs, by the present name
        self._inbox: set[str] = set()
        self._perhaps: set[str] = set()

    def read(self, lines: list[dict[str, Any]]) -> str | None:
        """One life: check what it found, note what it promised. A sentence about what is wrong, or None."""
        first, *rest = lines
        found: Boxes = {name: {uid: (key, flags) for uid, (key, flags) in box} for name, box in first["boxes"].items()}
        fault = "; ".join(first["wrong"]) or self._compare(found, first["uidnexts"])
        self._boxes = {name: box for name, box in found.items() if name.startswith("w")}
        self._doubt.clear()
        for line in rest:
            if "step" in line:
                self._doubt[line["worker"]] = line["step"]
                self._perhaps.update(key for key, _ in line["step"].get("mail", ()) if line["step"]["box"] == INBOX)
            else:
                self._promise(self._doubt.pop(line["worker"]), line["answer"])
        return fault or None

    def _promise(self, step: Step, answer: list[int] | None) -> None:
        if step["box"] == INBOX:
            self._inbox.update(key for key, _ in step["mail"])
            self._given.setdefault(INBOX, {}).update(zip(answer or (), map(tuple, step["mail"]), strict=True))
            return
        self._boxes = done(self._boxes, step, answer)
        if step["do"] in ("rename", "delete"):
            gone = self._given.pop(step["box"], {})
            if step["do"] == "rename":
                self._given[step["to"]] = gone
        for name, box in self._boxes.items():
            self._given.setdefault(name, {}).update(box)

    def _compare(self, found: Boxes, uidnexts: dict[str, int]) -> str:
        for worker in sorted({name.partition("/")[0] + "/" for name in (*found, *self._boxes) if name.startswith("w")}):
            mine = {name: box for name, box in self._boxes.items() if name.startswith(worker)}
            there = {name: box for name, box in found.items() if name.startswith(worker)}
            step = self._doubt.get(worker)
            before = same(mine, there, self._given)
            if step is None or step["box"] == INBOX:
                if not before:
                    return f"{worker} has {there} where {mine} was acknowledged"
            elif not before and not same(done(mine, step), there, {} if step["do"] == "rename" else self._given):
                return f"{worker} has {there} where {mine} was acknowledged, and {step} asked for"
        keys = [key for key, _ in found.get(INBOX, {}).values()]
        if len(keys) != len(set(keys)) or not self._inbox <= set(keys) <= self._perhaps:
            return f"INBOX lacks {self._inbox - set(keys)}, or has more than once, or has what nobody sent: {sorted(keys)}"
        for name, uidnext in uidnexts.items():
            if uidnext <= max(self._given.get(name, {}), default=0):
                return f"UIDNEXT of {name} is {uidnext}, and {max(self._given[name])} was given"
        return ""
