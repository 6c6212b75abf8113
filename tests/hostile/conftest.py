"""One whole server for all hostile clients of a module: what one does must not harm the next."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.hostile import CONFIG, DOMAIN, PASSWORD, USERS, Target
from support.servers import Child, MailServer

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "data").mkdir(mode=0o700)
    hashed = hash_password(PASSWORD)
    for user in USERS:
        add(folder / "data" / "accounts", f"{user}@{DOMAIN}", hashed)
    with ExitStack() as stack:
        sink = Child([sys.executable, "-m", "support.sinkchild"], folder, {"PYTHONPATH": str(Path(__file__).parents[1])})
        stack.callback(sink.stop)
        (folder / "mailframe.toml").write_text(CONFIG.format(sink=sink.wait_for(r"sink on (\d+)")[1]))
        child = MailServer(folder, "--config", "mailframe.toml")
        stack.callback(child.stop)
        yield Target(child, sink)


@pytest.fixture(autouse=True)
def unharmed(server: Target) -> Iterator[None]:
    """A session that was there before still works after, a new one works too, and the log holds no fault of ours."""
    with server.bystander() as bystander:
        yield
        bystander.works()
    server.works()
    server.assert_clean()


@pytest.fixture(autouse=True, scope="module")
def stops(server: Target) -> Iterator[None]:
    yield
    assert not [line for line in server.child.lines if re.search("Traceback|Unhandled", line)]
