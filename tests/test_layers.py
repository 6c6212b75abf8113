"""Imports run strictly downward (docs/architecture.md, "The floors")."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mailframe

ROOT = Path(mailframe.__file__).parent

# Each floor's rooms in order; a room may import earlier rooms of its own floor and everything below.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("model",),
    ("mime", "sasl", "interfaces"),
    ("pacing", "proxied", "sqlite", "dns", "tls", "staging", "tracing"),
    ("smtp", "pop3", "imap", "stores", "auth", "pipeline", "queue"),
    ("relay", "transfer"),
    ("testing",),
    ("app",),
)
WINGS = {"smtp", "pop3", "imap"}
APART = {(room, wing) for room in (*WINGS, "pipeline", "queue") for wing in WINGS if room != wing}
PURE_ROOMS = {"model", "mime", "sasl"}
PURE_FILES = {"machine", "framer", "data", "syntax", "reply", "schedule", "bounce", "cursor", "writer", "numset", "view"}
GLOBAL_REACTOR = {"twisted.internet.reactor"}
POSITION = {room: (floor, place) for floor, rooms in enumerate(FLOORS) for place, room in enumerate(rooms)}


def files() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT)


def dotted(path: Path) -> str:
    return ".".join(("mailframe", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


def imported(path: Path) -> list[tuple[str, bool]]:
    """(absolute dotted name, whether it is run when the module is) of each import."""
    tree = ast.parse(path.read_text())
    package = ("mailframe", *path.relative_to(ROOT).parent.parts)
    found: list[tuple[str, bool]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, True) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            found += [(f"{module}.{alias.name}", True) for alias in node.names]
    return found


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downward(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    assert room in POSITION, f"room {room} is on no floor"
    for name, _ in imported(path):
        parts = name.split(".")
        if parts[0] != "mailframe" or len(parts) < 2 or parts[1] == room or parts[1] == "__version__":
            continue
        target = parts[1]
        assert target in POSITION, f"{path}: imports {name}, which is in no room"
        assert POSITION[target] < POSITION[room], f"{path}: {room} must not import {target}"
        assert (room, target) not in APART, f"{path}: {room} and {target} are kept apart"


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_pure_rooms_know_nothing_of_twisted(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    if room in PURE_ROOMS or path.stem in PURE_FILES:
        assert not [name for name, _ in imported(path) if name.split(".")[0] == "twisted"]


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_global_reactor_is_an_argument(path: Path) -> None:
    if path.relative_to(ROOT).parts == ("app", "tap.py"):
        return
    text = path.read_text()
    assert not [name for name, _ in imported(path) if name in GLOBAL_REACTOR]
    for word in ("deferToThread(", "task.cooperate(", "TimeoutMixin", "callInThread("):
        assert word not in text or f"reactor.{word}" in text or "deferToThreadPool(" in text, f"{path}: {word}"


def test_no_circular_imports() -> None:
    graph: dict[str, set[str]] = {}
    names = {dotted(path): path for path in files()}
    for name, path in names.items():
        graph[name] = set()
        for target, _ in imported(path):
            while target and target not in names:
                target = target.rpartition(".")[0]
            if target and target != name and not name.startswith(target + "."):
                graph[name].add(target)
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name):], name))
        if name in done:
            return
        for target in sorted(graph[name]):
            visit(target, (*trail, name))
        done.add(name)

    for name in graph:
        visit(name, ())
