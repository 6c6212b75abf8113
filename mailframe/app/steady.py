"""How a process is set up so that its reactor is never late (I2): `twistd mailframe` calls this, and so may who embeds it."""

from __future__ import annotations

import gc
import sys
from typing import Any

from mailframe.pacing.events import few_at_once

#: How long a thread may keep the interpreter while the reactor waits (docs/architecture.md, "SQLite manners").
SWITCH_INTERVAL_S = 0.0005

#: When the collector runs. Nearly nothing here is freed by it: 4,000 messages take 330 runs with Python's own thresholds and one
#: with these, and the full runs among them held everybody up for 7 ms with 400 sessions open, the longer the more there are.
COLLECT_AT = (5_000, 20, 50)


def steady(reactor: Any = None) -> None:
    """Call once everything is started. It changes the whole process: the interpreter's switch interval and its collector, and
    how much `reactor` takes up in one turn (None: as it does).

    What is there now stays for good, so that the collector need not walk over it again and again while the reactor waits.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AT)
    few_at_once(reactor)
