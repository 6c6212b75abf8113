"""`twistd` whose sweepers come ten times a second, and remove what has had no reference for two seconds instead of ten minutes."""

from __future__ import annotations

import sys
from pathlib import Path

_PROGRAM = """#!{python}
from mailframe.sqlite import content, outside, sweeper
content.GRACE_S, outside.ORPHAN_S, sweeper._EVERY_S = {grace_s}, {grace_s}, 0.1
from mailframe.stores.sqlite import departures      # takes its own from there
assert departures.GRACE_S == content.GRACE_S
from twisted.scripts.twistd import run
run()
"""


def hasty(folder: Path, grace_s: float = 2.0) -> Path:
    """A folder with that program, as `servers.MailServer(programs=...)` takes it."""
    folder.mkdir(exist_ok=True)
    program = folder / "twistd"
    program.write_text(_PROGRAM.format(python=sys.executable, grace_s=grace_s))
    program.chmod(0o700)
    return folder
