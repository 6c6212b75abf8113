"""What has changed in a folder: by the times of its directories, then by comparing what is there with what is known."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice

from twisted.logger import Logger

from . import names
from .octets import growth

log = Logger()

SURE_NS = 1_000_000_000     # a directory that changed so recently may change again without a new time
_CHUNK = 1 << 20
_SORTED = 2_000

#: Base name to (whether in new, whole name).
Listed = dict[bytes, tuple[bool, bytes]]


class Seen:
    """One directory: the time up to which everything in it is known, and whether that is sure."""

    def __init__(self, known: int = 0) -> None:
        self.known = known
        self.sure = True

    def needs_listing(self, mtime: int, now: int) -> bool:
        return mtime != self.known or (not self.sure and now >= mtime + SURE_NS)

    def listed(self, mtime: int, now: int) -> None:
        """All that was there is known; `mtime` and `now` (ns) were taken before it was listed."""
        self.known, self.sure = mtime, now >= mtime + SURE_NS

    def changed_by_us(self, before: int, after: int) -> None:
        """We did something between these two times; another may have, in the same moment, so one more look will follow."""
        if before == self.known:
            self.known, self.sure = after, False

    @property
    def lasting(self) -> int:
        """What may be believed by who comes later."""
        return self.known if self.sure else 0


@dataclass(slots=True)
class Difference:
    """UIDs that are gone; (uid, in new, name) of those with another name; (in new, name) of the unknown, as they arrived."""

    gone: list[int] = field(default_factory=list)
    renamed: list[tuple[int, bool, bytes]] = field(default_factory=list)
    arrived: list[tuple[bool, bytes]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file that is new to the index."""

    fresh: bool
    name: bytes
    size: int                   # of the message, CRLF counted
    date: int


def mtime(path: bytes) -> int:
    return os.stat(path).st_mtime_ns


def times(folder: bytes) -> tuple[int, int]:
    """(of cur, of new), ns."""
    return mtime(folder + b"/cur"), mtime(folder + b"/new")


def listing(folder: bytes, only_new: bool) -> Listed:
    """The message files. One that is in both directories is on its way from new to cur."""
    found: Listed = {}
    for fresh, directory in ((True, b"/new"), (False, b"/cur"))[:1 if only_new else 2]:
        for name in os.listdir(folder + directory):
            if not name.startswith(b"."):
                found[names.base_of(name)] = (fresh, name)
    return found


def compare(
    folder: bytes, known: Sequence[tuple[int, int, bytes]], placing: Collection[bytes], only_new: bool, fresh_letters: bytes = b"",
) -> Difference | None:
    """What is there against `known` rows (uid, in new, name). None: look at all of it.

    `placing` grows meanwhile, before anything is placed: what is in it once the directories have been listed is not unknown.
    A file with one of `fresh_letters` counts as renamed, for these letters had no meaning before.
    A listing may miss a file that is renamed meanwhile: what seems gone is looked for a second time.
    """
    found = listing(folder, only_new)
    if len(found) < len(known) or any(names.base_of(row[2]) not in found for row in known):
        if only_new:
            return None
        found |= listing(folder, False)
    difference = Difference()
    for uid, fresh, name in known:
        place = found.pop(names.base_of(name), None)
        if place is None:
            difference.gone.append(uid)
        elif place != (bool(fresh), name) or (fresh_letters and any(each in fresh_letters for each in names.letters_of(name))):
            difference.renamed.append((uid, *place))
    difference.arrived = [found[base] for base in _in_order([base for base in found if base not in placing])]
    return difference


def _in_order(bases: Sequence[bytes]) -> Iterable[bytes]:
    """As they arrived. One sort of a hundred thousand would keep the interpreter from everybody else for a tenth of a second."""
    parts = [sorted(map(names.arrival_order, bases[start:start + _SORTED])) for start in range(0, len(bases), _SORTED)]
    return (base for _, base in merge(*parts))


def measured(folder: bytes, arrived: Iterable[tuple[bool, bytes]]) -> list[Arrived]:
    """Size and date of files; those that are no files, or gone already, are left out."""
    answer: list[Arrived] = []
    for fresh, name in arrived:
        path = path_of(folder, fresh, name)
        try:
            status = os.stat(path)
            if stat.S_ISREG(status.st_mode):
                virtual = names.virtual_size(names.base_of(name), status.st_size)
                size = counted(path) if virtual is None else virtual
                answer.append(Arrived(fresh, name, size, status.st_mtime_ns // 1_000_000_000))
        except FileNotFoundError:
            pass
        except PermissionError as error:        # one file must not hide the others
            log.warn("a message that cannot be read is left out: {path}: {error}", path=os.fsdecode(path), error=error.strerror)
    return answer


def counted(path: bytes) -> int:
    """Octets with CRLF line ends."""
    size, after_cr = 0, False
    with open(path, "rb", buffering=0) as file:
        while octets := file.read(_CHUNK):
            size += len(octets) + growth(octets, after_cr)
            after_cr = octets.endswith(b"\r")
    return size


def path_of(folder: bytes, fresh: bool, name: bytes) -> bytes:
    return folder + (b"/new/" if fresh else b"/cur/") + name


def in_slices(items: Sequence[tuple[bool, bytes]], size: int) -> Iterable[list[tuple[bool, bytes]]]:
    pending = iter(items)
    while part := list(islice(pending, size)):
        yield part
