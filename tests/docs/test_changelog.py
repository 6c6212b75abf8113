"""CHANGELOG.md stays one that is read: by kind and protocol, an entry a line, nothing told twice."""

from __future__ import annotations

import re
from collections import Counter

from support.documents import ROOT

TEXT = (ROOT / "CHANGELOG.md").read_text()
KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]      # of Keep a Changelog, in its order


def test_each_version_has_the_usual_kinds_in_their_order() -> None:
    for version in TEXT.split("\n## ")[1:]:
        kinds = re.findall(r"^### (.+)$", version, re.MULTILINE)
        assert kinds and kinds == sorted(set(kinds), key=KINDS.index)


def test_each_entry_stands_under_its_protocol_and_is_a_line_or_two() -> None:
    for part in re.split(r"^#### .+$", TEXT, flags=re.MULTILINE)[1:]:
        for entry in re.split(r"^- ", re.sub(r"^#+ .*$", "", part, flags=re.MULTILINE), flags=re.MULTILINE)[1:]:
            assert len(entry.strip().splitlines()) <= 2 and len(entry) <= 200, entry
    assert not re.search(r"^### .+\n+- ", TEXT, re.MULTILINE)


def test_no_setting_is_added_twice() -> None:
    for added in re.findall(r"^### Added$(.*?)^### ", TEXT, re.MULTILINE | re.DOTALL):
        told = Counter(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", added))
        assert {name for name, count in told.items() if count > 1} <= {"max_recipients", "search_index"}, told
