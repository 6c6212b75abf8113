"""docs/architecture.md describes the house as it stands: its floors, its seams, its files, and who holds the invariants."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from support.documents import ROOT
from test_layers import FLOORS

DOCUMENT = ROOT / "docs" / "architecture.md"
TEXT = DOCUMENT.read_text()
HOUSE = ROOT / "mailframe"


def test_its_floors_are_those_that_the_layer_test_holds() -> None:
    told: dict[int, list[str]] = {}
    for floor, room in re.findall(r"^\| (\d) \| (\w+) \|", TEXT, re.MULTILINE):
        told.setdefault(int(floor), []).append(room)
    assert [tuple(told[floor]) for floor in sorted(told)] == [tuple(rooms) for rooms in FLOORS]


def test_its_rooms_are_the_folders() -> None:
    folders = {path.name for path in HOUSE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert set(re.findall(r"^\| \d \| (\w+) \|", TEXT, re.MULTILINE)) == folders


@pytest.mark.parametrize("document", [DOCUMENT, *sorted((ROOT / "docs" / "decisions").glob("*.md"))], ids=lambda path: path.name)
def test_files_that_are_named_exist(document: Path) -> None:
    for name in re.findall(r"`((?:\w+/)+\w+\.py)`", document.read_text()):
        assert (HOUSE / name).exists() or (ROOT / name).exists(), name


def test_every_interface_is_told_of_and_no_other() -> None:
    seams = {node.name for path in (HOUSE / "interfaces").glob("*.py") for node in ast.walk(ast.parse(path.read_text()))
             if isinstance(node, ast.ClassDef)}
    assert set(re.findall(r"\bI[A-Z][a-z][A-Za-z]+\b", TEXT)) - {"ICredentialsChecker"} == seams


def test_the_methods_of_storage_are_told() -> None:
    tree = ast.parse((HOUSE / "interfaces" / "store.py").read_text())
    for name, methods in re.findall(r"^- `(I\w+)`: ([a-z_, ]+)\.$", TEXT, re.MULTILINE):
        (found,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
        defined = [node.name for node in found.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        assert methods.split(", ") == defined


def test_each_invariant_is_quoted_by_the_tests_that_hold_it() -> None:
    rows = re.findall(r"^\| (I\d) \| .* \| (`tests/[^|]+) \|$", TEXT, re.MULTILINE)
    assert [number for number, _ in rows] == [f"I{n}" for n in range(1, 10)]
    for number, files in rows:
        for name in re.findall(r"`([^`]+)`", files):
            assert re.search(rf"\b{number}\b", (ROOT / name).read_text()), f"{name} does not speak of {number}"
