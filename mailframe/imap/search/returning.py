"""What SEARCH and SORT are asked to RETURN, and the ESEARCH response that answers (RFC 4731, 5182, 5267, 7377, 9394); pure."""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import writer
from ..cursor import BadSyntax, Cursor
from ..numset import render, render_numbers

#: Options by their names, with what `ReturnOption.read` made of their arguments.
Options = Mapping[bytes, object]


@dataclass(frozen=True, slots=True)
class ReturnOption:
    """A word of RETURN. `read` takes what follows it; `tell` gives what the response says of the numbers found, in their
    order; b"" says nothing. `keep`: which of them ``SAVE`` keeps when nothing else asks for all (RFC 5182 section 2.4).
    `begin`: what is done, before anything is told, with the session and the `commands.search.Outcome`. `asks`: whether it
    is a wish for results at all; where nobody wishes any, it is for ALL.
    """

    name: bytes
    tell: Callable[[Sequence[int], object], bytes] = lambda found, _: b""
    read: Callable[[Cursor], object] = lambda cursor: None
    keep: Callable[[Sequence[int], object], Sequence[int]] | None = None
    begin: Callable[[Any, Any], Awaitable[None]] | None = None
    asks: bool = True
    of_relevancies: bool = False        # `tell` is given those of the results instead of their numbers (RFC 6203)


def partial_range(cursor: Cursor) -> tuple[int, int]:
    """``partial-range``: from the first or from the last result on, both ends on one side (RFC 9394 section 3.1)."""
    cursor.space()
    backwards = cursor.take(b"-")
    first = cursor.nz_number()
    cursor.expect(b":")
    if backwards:
        cursor.expect(b"-")
    last = cursor.nz_number()
    first, last = min(first, last), max(first, last)
    return (-first, -last) if backwards else (first, last)


def window(found: Sequence[int], wanted: tuple[int, int]) -> Sequence[int]:
    """The results that a ``partial-range`` names."""
    first, last = wanted
    if first > 0:
        return found[first - 1:last]
    return found[max(0, len(found) + last):max(0, len(found) + first + 1)]


def window_of(spans: Sequence[tuple[int, int]], wanted: tuple[int, int]) -> list[tuple[int, int]]:
    """The same of half-open spans, as `window` of all that lies in them."""
    count = sum(stop - start for start, stop in spans)
    first, last = wanted if wanted[0] > 0 else (max(1, count + wanted[1] + 1), count + wanted[0] + 1)
    found, passed = [], 0
    for start, stop in spans:
        low, high = max(start, start + first - 1 - passed), min(stop, start + last - passed)
        if low < high:
            found.append((low, high))
        passed += stop - start
    return found


def _tell_partial(found: Sequence[int], wanted: object) -> bytes:
    assert isinstance(wanted, tuple)
    shown = window(found, wanted)
    return b"PARTIAL (%d:%d %b)" % (*wanted, numbers_of(shown) if shown else b"NIL")


def _keep_partial(found: Sequence[int], wanted: object) -> Sequence[int]:
    assert isinstance(wanted, tuple)
    return window(found, wanted)


def numbers_of(numbers: Sequence[int]) -> bytes:
    """A sequence-set; of a list (SORT's) it keeps the order (RFC 5267 section 3), an array is ascending."""
    if isinstance(numbers, array):
        return render_numbers(numbers)
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return render(runs)


BUILT_IN: tuple[ReturnOption, ...] = (
    ReturnOption(b"MIN", lambda found, _: b"MIN %d" % found[0] if found else b"", keep=lambda found, _: found[:1]),
    ReturnOption(b"MAX", lambda found, _: b"MAX %d" % found[-1] if found else b"", keep=lambda found, _: found[-1:]),
    ReturnOption(b"ALL", lambda found, _: b"ALL " + numbers_of(found) if found else b""),
    ReturnOption(b"COUNT", lambda found, _: b"COUNT %d" % len(found)),
    ReturnOption(b"SAVE"),
)
RELEVANCY = ReturnOption(
    b"RELEVANCY", lambda found, _: b"RELEVANCY (%b)" % b" ".join(map(b"%d".__mod__, found)), of_relevancies=True)
PARTIAL = ReturnOption(b"PARTIAL", _tell_partial, partial_range, _keep_partial)


def read(cursor: Cursor, known: Mapping[bytes, ReturnOption]) -> Options:
    """``"(" [option *(SP option)] ")"``; nothing named means ALL."""
    found: dict[bytes, object] = {}

    def option() -> None:
        word = cursor.keyword()
        if word not in known:
            raise BadSyntax("Unknown RETURN option")
        if word == b"PARTIAL" and word in found:
            raise BadSyntax("One PARTIAL at most")                       # RFC 9394 section 3.1
        found[word] = known[word].read(cursor)

    cursor.list_of(option, empty=True)
    if {b"ALL", b"PARTIAL"} <= found.keys():
        raise BadSyntax("ALL and PARTIAL exclude each other")        # RFC 9394 section 3.1
    return found if any(known[word].asks for word in found) else {**found, b"ALL": None}


def says(options: Options, known: Mapping[bytes, ReturnOption]) -> bool:
    """Whether there is to be an ESEARCH response: not for SAVE alone (RFC 5182 section 2.4)."""
    return any(known[word].asks and word != b"SAVE" for word in options)


def worth_saving(found: Sequence[int], options: Options, known: Mapping[bytes, ReturnOption]) -> array[int]:
    """What "$" stands for afterwards: all, unless only some of them were asked for (RFC 5182 section 2.4). `found` is in the
    order of the results, which says what is the first and the last of SORT's."""
    parts = [(keep, argument) for name, argument in options.items() if (keep := known[name].keep) is not None]
    if options.keys() & {b"ALL", b"COUNT"} or not parts:
        return array("I", sorted(found))
    return array("I", sorted({uid for keep, argument in parts for uid in keep(found, argument)}))


def response(
    found: Sequence[int], options: Options, known: Mapping[bytes, ReturnOption], tag: bytes, by_uid: bool, where: bytes = b"",
    relevancies: Sequence[int] = (),
) -> bytes:
    """An ESEARCH response without ``* `` (RFC 4731 section 3.1), its parts in the order of `known`; `where` follows the tag,
    `relevancies` are those of `found`."""
    parts = [b"ESEARCH (TAG %b%b)" % (writer.quoted(tag), where)]
    if by_uid:
        parts.append(b"UID")
    if b"PARTIAL" in options:
        relevancies = _keep_partial(relevancies, options[b"PARTIAL"])
    parts += filter(None, (
        option.tell(relevancies if option.of_relevancies else found, options[name])
        for name, option in known.items() if name in options))
    return b" ".join(parts)

