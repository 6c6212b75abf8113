"""Messages for tests: those of the corpus beside the repository, if it is there, and building blocks."""

from __future__ import annotations

import re
from pathlib import Path

CORPUS = Path(__file__).parents[2] / "../shared/corpus/messages"
if not CORPUS.is_dir():         # a worktree lies one level deeper than the repository
    CORPUS = Path(__file__).parents[2] / "../../shared/corpus/messages"


def corpus() -> list[Path]:
    """Files of the corpus, [] where it is not there."""
    return sorted(path for path in CORPUS.rglob("*") if path.is_file() and not path.name.startswith("."))


def crlf(octets: bytes) -> bytes:
    """With CRLF line ends, as SMTP brings them."""
    return re.sub(rb"\r?\n", b"\r\n", octets)


def lines(*texts: str | bytes) -> bytes:
    """Each text as a line with CRLF."""
    return b"".join((text.encode() if isinstance(text, str) else text) + b"\r\n" for text in texts)
