"""Of all documents: configurations can be read, links lead somewhere, commands and their options exist (habits 12 and 13)."""

from __future__ import annotations

import io
import re
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import pytest
from support.documents import DOCUMENTS, ROOT, blocks

from mailframe.app import command as command_line
from mailframe.app.config import FIXED, Config
from mailframe.app.options import Options
from mailframe.app.toml import Document, read


@pytest.mark.parametrize(("place", "text"), [
    pytest.param(place, block.text, id=place) for document in DOCUMENTS for block in blocks(document, "toml")
    for place in (f"{document.relative_to(ROOT)}:{block.line}",)
])
def test_every_configuration_shown_can_be_read(place: str, text: str) -> None:
    if "domains" not in tomllib.loads(text):
        text = f'domains = ["example.org"]\n{text}'
    read(Document.parse(text, place), Config, FIXED)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        there = (document.parent / path).resolve() if path else document
        assert there.exists(), f"{document.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, target


def shell_lines() -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        for block in blocks(document, "sh"):
            for number, line in enumerate(block.text.replace("\\\n", "  ").splitlines()):
                yield f"{document.relative_to(ROOT)}:{block.line + number}", line


@cache
def explained(*command: str) -> str:
    """What `mailframe COMMAND --help` says."""
    said = io.StringIO()
    with redirect_stdout(said), pytest.raises(SystemExit):
        command_line.main([*command, "--help"])
    return said.getvalue()


def test_every_option_shown_exists() -> None:
    """Of twistd mailframe and of mailframe, in all shell blocks."""
    known = set(re.findall(r"--[a-z0-9-]+", Options().getUsage()))
    shown = 0
    for place, line in shell_lines():
        for command in re.split(r"&&|;|\|", line.partition("  #")[0]):
            words = command.split()
            if "twistd" in words and "mailframe" in words[words.index("twistd"):]:
                options = " ".join(words).partition("twistd")[2].partition(" mailframe ")[2].split()
                assert {word.partition("=")[0] for word in options if word.startswith("--")} <= known, place
                shown += 1
            elif words and words[0].endswith("mailframe") and len(words) > 1 and not words[1].startswith("-"):
                depth = 3 if words[1] in ("user", "queue", "store", "import", "export", "trace", "guards") else 2
                assert all(not word.startswith("--") or word in explained(*words[1:depth]) for word in words[depth:]), place
                shown += 1
    assert shown > 15
