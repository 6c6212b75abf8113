"""Every pair of reply code and enhanced code in the source is one of the registry's and does not contradict itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

#: How many details of each subject IANA's registry knows (RFC 5248): those of RFC 3463, and of 3886 (1.9), 4468 (5.6, 7.8 and
#: on), 4954, 6531 (6.7 to 6.10), 6710 (3.6, 7.15), 7293 (7.17 to 7.19), 7372 (7.20 to 7.26), 7505 (1.10), 8689 (7.30) and later.
REGISTERED = {"0": 1, "1": 11, "2": 5, "3": 7, "4": 8, "5": 7, "6": 12, "7": 31}
PAIR = re.compile(
    r"""\b([2-5][0-9]{2}),\s*f?b?["']([0-9]\.[0-9]{1,3}\.[0-9]{1,3})["' ]|"""
    r"""["'(]([2-5][0-9]{2})[ -]([245]\.[0-9]+\.[0-9]+) """)
SOURCE = Path(__file__).parents[2] / "mailframe"


def pairs() -> list[tuple[str, str, str]]:
    """(code, enhanced code, file)."""
    return sorted({
        (found[1] or found[3], found[2] or found[4], path.name)
        for path in SOURCE.rglob("*.py") for found in PAIR.finditer(path.read_text())})


def test_there_are_some() -> None:
    assert len(pairs()) > 60


@pytest.mark.parametrize(("code", "enhanced"), sorted({(code, enhanced) for code, enhanced, _ in pairs()}))
def test_a_code_is_registered_and_of_its_replys_class(code: str, enhanced: str) -> None:
    """RFC 2034 section 3, RFC 3463 section 2, RFC 5248 section 2.4."""
    kind, subject, detail = enhanced.split(".")
    assert kind == code[0] and int(detail) < REGISTERED[subject]
