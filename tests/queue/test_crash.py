"""Killed at any moment, the server loses nothing it has accepted, and tells nobody twice (I1)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import mailframe

PLACES = (str(Path(mailframe.__file__).parents[1]), str(Path(__file__).parents[1]))     # the package, and tests/support
ROUNDS = 3


def child(folder: Path, first: int, count: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PLACES)}
    script = Path(__file__).with_name("crash_child.py")
    return subprocess.Popen(
        [sys.executable, "-P", str(script), str(folder), str(first), str(count)], stdout=subprocess.PIPE, env=environment)


def test_kill_9_between_acceptance_and_hand_over_loses_and_doubles_nothing(tmp_path: Path) -> None:
    accepted: list[int] = []
    lot = random.Random(7)
    for number in range(ROUNDS):
        server = child(tmp_path, 1_000 * (number + 1), 900)
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        seen = [server.stdout.readline() for _ in range(lot.randint(20, 200))]
        server.send_signal(signal.SIGKILL)
        seen += server.stdout.read().splitlines(keepends=True)
        accepted += [int(line) for line in seen if line.endswith(b"\n")]
        server.wait()
    assert accepted
    server = child(tmp_path, 0, 0)
    said, _ = server.communicate(timeout=60)
    lines = said.decode().splitlines()
    assert lines[-1] == "done"
    counts = Counter(lines)
    relayed = Counter((tmp_path / "relayed").read_text().split())
    for one in accepted:
        assert counts[f"mail {one}"] == 1, "in the mailbox exactly once"
        assert counts[f"report {one}"] == 1, "its failure is reported exactly once"
        assert relayed[str(one)] >= 1, "handed on"
    assert max(counts.values()) == 1
    assert sum(relayed.values()) - len(relayed) <= ROUNDS * 60, "only what was in hand at a kill may go twice"
