"""What a word in a configuration was perhaps meant to be: a similar one, its new name, or a setting of another table."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_type_hints

#: Values that have been called otherwise.
_RENAMED = {("bare_newlines", "reject"): "refuse", ("bare_newlines", "repair"): "normalise"}


def did_you_mean(word: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    """", did you mean ...?" or the list of what there is."""
    close = difflib.get_close_matches(word, list(known), 1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are: {', '.join(sorted(known))}" if known else ""


def setting_meant(table: str, word: str, known: Mapping[str, Any], root: type, fixed: Mapping[Any, Sequence[str]]) -> str:
    """The same for a setting that `table` does not have: one that `root` has in other tables beats what only looks like it.

    `fixed` names, by table, fields that are no settings.
    """
    close = difflib.get_close_matches(word, list(known), 1, cutoff=0.8)
    if not close and (others := [
            each for each in _tables_with(word, root) if each != table and word not in fixed.get(tuple(each.split(".")), ())]):
        below = [each for each in others if each.startswith(f"{table}.")]
        return f"; it belongs into {' or '.join(f'[{each}]' for each in below or others)}"
    return did_you_mean(word, known)


def value_meant(key: str, value: object, known: Sequence[object]) -> str:
    """The same for a value: all that are allowed, and the one that was perhaps meant."""
    expected = f"expected one of {', '.join(map(repr, known))}"
    if (key, value) in _RENAMED:
        return f"{expected}; {value!r} is now called {_RENAMED[key, str(value)]!r}"
    words = [word for word in known if isinstance(word, str)]
    close = difflib.get_close_matches(value, words, 1) if isinstance(value, str) else []
    return f"{expected}; did you mean {close[0]!r}?" if close else expected


def _tables_with(word: str, into: type, table: str = "") -> Iterator[str]:
    """Tables beneath `into` (a dataclass), by their names, that have a setting or a table of this name."""
    for name, kind in get_type_hints(into).items():
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and any(each.init for each in dataclasses.fields(kind)):
            below = f"{table}.{name}" if table else name
            if any(each.name == word and each.init for each in dataclasses.fields(kind)):
                yield below
            yield from _tables_with(word, kind, below)
