"""The report says of a store exactly what a server over it announces."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.bare_store import BareStore
from support.coroutines import result_of
from support.imap_world import World, run
from twisted.internet.task import Clock

from mailframe.interfaces import store as seams
from mailframe.stores.memory import MemoryStore
from mailframe.testing.report import OPTIONAL, report

EXAMPLE = Path(__file__).parents[2] / "examples" / "json_store"


@pytest.mark.parametrize("make", [MemoryStore, BareStore])
def test_what_is_reported_is_what_is_announced(make: type) -> None:
    async def conversation(world: World) -> None:
        line, *_ = await (await world.login()).command("a CAPABILITY")
        clock = Clock()
        assert [*(await report(make(), clock)).announced] == line.split()[2:]
        assert not clock.getDelayedCalls()
    run(conversation, World(make()))


def test_what_is_missing_and_what_is_done_without_it() -> None:
    rich, bare = result_of(report(MemoryStore(), Clock())), result_of(report(BareStore(), Clock()))
    assert {offer.interface for offer in bare.offers if offer.provided} == set()
    assert {"IModSequenced", "IContent", "IQuota", "IMovable"} <= {offer.interface for offer in rich.offers if offer.provided}
    condstore = next(offer for offer in rich.offers if offer.interface == "IModSequenced")
    assert condstore.capabilities == ("CONDSTORE", "QRESYNC")
    assert "CONDSTORE" in rich.announced and "CONDSTORE" not in bare.announced
    assert "MOVE" in bare.announced and set(bare.announced) == set(bare.supplied) <= set(rich.announced)


def test_every_optional_interface_of_the_seam_is_reported() -> None:
    minimum = {"IMailStore", "IAccount", "IMailbox"}
    known = {name for name, value in vars(seams).items() if getattr(value, "__module__", "") == seams.__name__ and name[0] == "I"}
    assert known - minimum <= {interface.__name__ for interface, _, _ in OPTIONAL}


def test_it_is_printed_as_a_table(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mailframe.testing.report", "support.crash_factories:sqlite", str(tmp_path)], capture_output=True,
        text=True, check=True, timeout=60, env={"PYTHONPATH": ":".join(sys.path), "HOME": str(tmp_path)})
    assert "provided  IModSequenced" in done.stdout and "[CONDSTORE QRESYNC]" in done.stdout
    assert "announced after login: IMAP4rev1" in done.stdout
    done = subprocess.run(                      # a factory that wants a Path is given one, as by the configuration
        [sys.executable, "-m", "mailframe.testing.report", "mailframe_json_store:JsonStore", str(tmp_path / "mail")], text=True,
        capture_output=True, check=True, timeout=60, env={"PYTHONPATH": ":".join([str(EXAMPLE), *sys.path]), "HOME": str(tmp_path)})
    assert "missing   IModSequenced" in done.stdout and (tmp_path / "mail").is_dir()
    done = subprocess.run(
        [sys.executable, "-m", "mailframe.testing.report"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith("usage: ")
    for factory, said in (("nowhere:Store", "No module named 'nowhere'"), ("mailframe.stores.memory:None_", "has no attribute"),
                          ("mailframe.stores.sqlite:SqliteStore", "missing a required argument"), ("os:getcwd", "IMailStore")):
        done = subprocess.run([sys.executable, "-m", "mailframe.testing.report", factory], capture_output=True, text=True,
                              check=False, timeout=60, env={"PYTHONPATH": ":".join(sys.path), "HOME": str(tmp_path)})
        assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr, done.stderr
