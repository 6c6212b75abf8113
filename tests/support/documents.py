"""What stands in the documents between code fences, and how to try it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .servers import PATIENCE_S

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md")),
)
AUTHORS = ROOT / "docs" / "plugin-authors.md"
_BLOCK = re.compile(r"^```([a-z]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w/.-]+\.(?:py|toml))\n")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; `name` is the file that its first line says it is (part of), or ""."""

    language: str
    text: str
    name: str
    line: int


def blocks(document: Path, language: str = "") -> list[Block]:
    """In order; of one language if given."""
    text = document.read_text()
    found = []
    for match in _BLOCK.finditer(text):
        file = _FILE.match(match[2])
        found.append(Block(match[1], match[2], file[1] if file else "", text.count("\n", 0, match.start()) + 2))
    return [block for block in found if not language or block.language == language]


def write_files(document: Path, folder: Path) -> set[str]:
    """The files that a document shows, put together from their blocks; returns their names."""
    files: dict[str, str] = {}
    for block in blocks(document):
        if block.name:
            files[block.name] = files.get(block.name, "") + "\n\n" * (block.name in files) + block.text
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return set(files)


def any_port(text: str) -> str:
    """Loopback endpoints in a configuration on ports that the system chooses."""
    return re.sub(r'"127\.0\.0\.1:\d+"', '"127.0.0.1:0"', text)


def run(*command: str, cwd: Path, text: str = "", code: int = 0, patience_s: float = PATIENCE_S) -> str:
    """What a command says, of which `code` is expected; it finds mailframe, and what lies in `cwd`."""
    done = subprocess.run(command, cwd=cwd, input=text, text=True, capture_output=True, timeout=patience_s, check=False,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join((str(cwd), str(ROOT), str(ROOT / "tests")))})
    assert done.returncode == code, (command, done.stdout, done.stderr)
    return done.stdout + done.stderr


def mailframe(*arguments: str, cwd: Path, text: str = "", code: int = 0) -> str:
    """What the `mailframe` command says."""
    return run(sys.executable, "-m", "mailframe.app.command", *arguments, cwd=cwd, text=text, code=code)
