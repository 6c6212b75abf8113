"""The configuration's documents say what the code does; each test tells how to make its document anew."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from mailframe.app.config import FIXED, Config
from mailframe.app.example import example
from mailframe.app.guardreference import COMMON, by_role
from mailframe.app.reference import TABLES, markdown, settings
from mailframe.app.toml import Document, read
from mailframe.filters.guards import NAMES, GuardsSettings
from mailframe.filters.scope import ROLES, Scope

ROOT = Path(__file__).parents[2]


def test_the_reference_is_up_to_date() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text() == markdown(), (
        "make it anew: python -m mailframe.app.reference > docs/configuration.md")


def test_the_example_is_up_to_date() -> None:
    assert (ROOT / "examples" / "mailframe.toml").read_text() == example(), (
        "make it anew: mailframe config > examples/mailframe.toml")


@pytest.mark.parametrize(("title", "name", "reason"), [
    (title, item.name, item.reason) for table, title, cls in TABLES for item in settings(table, cls) if item.kind != "table"])
def test_every_setting_has_a_reason(title: str, name: str, reason: str) -> None:
    assert len(reason.split()) > 1, f"[{title}] {name} wants a comment behind its definition"


def test_what_the_example_shows_are_the_defaults() -> None:
    """Every commented line, taken as it stands, changes nothing."""
    text = example()
    defaults = "\n".join(line.removeprefix("#") for line in text[text.index("#[smtp]"):].splitlines())
    shown = read(Document.parse('domains = ["example.org"]\n' + defaults, "example"), Config, FIXED)
    assert shown == Config(domains=("example.org",))


def test_every_table_of_the_configuration_is_described() -> None:
    described = {re.sub(r'\.?(NAME|"DOMAIN")$|[\[\]]', "", title) for _, title, _ in TABLES}
    for item in dataclasses.fields(Config):
        if item.name not in FIXED[()] and ("Settings" in str(item.type) or "TlsConfig" in str(item.type)):
            assert item.name in described
    assert "listeners" in described


def test_what_is_told_once_of_all_guards_is_so_of_each() -> None:
    common = [item for item in settings((), Scope) if item.name in COMMON]
    for name in NAMES:
        own = {item.name: item for item in settings(("guards", name), type(getattr(GuardsSettings(), name)))}
        assert [own[each.name] for each in common] == common


def test_which_guards_are_on_is_told_by_role() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", by_role(), re.MULTILINE)
    assert [name for name, _ in rows] == list(NAMES)
    for name, cells in rows:
        told = {role for role, cell in zip(ROLES, cells.split(" | ")) if cell.startswith("on")}
        assert told == set(getattr(GuardsSettings(), name).roles)
