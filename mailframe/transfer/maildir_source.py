"""Mail from a Maildir or a tree of them: Maildir++ as Courier and Dovecot write it, or directories within directories."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from mailframe.model.mailbox import INBOX, SEPARATOR

from .foldernames import maildir_level, read_kept
from .lineends import ToCrlf
from .maildirnames import KEYWORDS, base_name, exported, flags_of, read_keywords
from .source import SLICE_OCTETS, Listed, Meta, SourceFolder, Taker, TransferError, in_thread

_PAGE = 500
_DEPTH = 32                 # of directories: a link to above would never end
_PARTS = ("cur", "new")
_SLICE_FILES = 32           # opened in one go of a thread


@dataclass(frozen=True, slots=True)
class _Read:
    listed: Listed
    octets: bytes = b""
    meta: Meta = Meta()
    rest: BinaryIO | None = None        # a large one's open file, after `octets`
    why: str | None = None              # not read: "" gone, else a reason


class MaildirSource:
    """See Source. Files are read in the reactor's threads; what other programs do meanwhile does no harm."""

    numbered = False

    def __init__(self, root: Path, reactor: Any) -> None:
        self.title = f"maildir {root.resolve()}"
        self._root = root
        self._reactor = reactor
        self._folder = root
        self._keywords: dict[int, str] = {}
        self._scan: Iterator[Listed] = iter(())

    async def open(self) -> None:
        """See Source."""
        if not await in_thread(self._reactor, self._root.is_dir):
            raise TransferError(f"There is no directory {self._root}")

    async def close(self) -> None:
        """See Source."""

    async def folders(self) -> Sequence[SourceFolder]:
        """See Source."""
        found = await in_thread(self._reactor, find_folders, self._root)
        if not found:
            raise TransferError(f"{self._root} is no Maildir and holds none (a Maildir has the directories cur, new and tmp)")
        return found

    async def enter(self, folder: SourceFolder) -> None:
        """See Source."""
        self._folder = self._root / os.fsdecode(folder.key.encode("latin-1"))
        self._keywords = await in_thread(self._reactor, _keywords, self._folder)
        self._scan = _scanned(self._folder)

    async def page(self) -> Sequence[Listed]:
        """See Source."""
        try:
            return await in_thread(self._reactor, _take, self._scan)
        except OSError as error:
            raise TransferError(f"{error.filename}: {error.strerror}") from error

    async def read(self, wanted: Sequence[Listed], taker: Taker) -> None:
        """See Source."""
        for start in range(0, len(wanted), _SLICE_FILES):
            left = list(wanted[start:start + _SLICE_FILES])
            while left:
                found = await in_thread(self._reactor, self._read_some, left)
                del left[:len(found)]
                for one in found:
                    await self._give(one, taker)

    async def _give(self, one: _Read, taker: Taker) -> None:
        if one.why is not None:
            await taker.missing(one.listed, one.why)
            return
        taker.begin(one.listed)
        form = ToCrlf()
        octets, file = one.octets, one.rest
        try:
            while octets:
                await taker.write(form.feed(octets))
                octets = await in_thread(self._reactor, file.read, SLICE_OCTETS) if file else b""
        except OSError as error:
            await taker.missing(one.listed, error.strerror or str(error))
            return
        finally:
            if file is not None:
                file.close()
        if end := form.end():
            await taker.write(end)
        await taker.end(one.meta)

    def _read_some(self, wanted: Sequence[Listed]) -> list[_Read]:
        """In a thread: the first of `wanted`, as many as make some SLICE_OCTETS."""
        found, size = [], 0
        moved: dict[str, str] | None = None
        for listed in wanted:
            one = self._read(listed, listed.place)
            if one.why == "":               # its flags have changed, or it went from new to cur
                if moved is None:
                    keys = {each.key for each in wanted}
                    moved = {again.key: again.place for again in _scanned(self._folder) if again.key in keys}
                if listed.key in moved:
                    one = self._read(listed, moved[listed.key])
            found.append(one)
            size += len(one.octets)
            if size >= SLICE_OCTETS or one.rest is not None:
                break
        return found

    def _read(self, listed: Listed, place: str) -> _Read:
        name = os.fsdecode(place.encode("latin-1"))
        try:
            file = open(self._folder / name, "rb", buffering=0, opener=_no_link)   # noqa: SIM115 (read on later)
            octets = file.read(SLICE_OCTETS)
            about = os.fstat(file.fileno())
        except FileNotFoundError:
            return _Read(listed, why="")
        except OSError as error:
            return _Read(listed, why=error.strerror or str(error))
        meta = Meta(flags_of(name, self._keywords), int(about.st_mtime))
        if len(octets) < SLICE_OCTETS:
            file.close()
            return _Read(listed, octets, meta)
        return _Read(listed, octets, meta, file)


def _no_link(path: str, flags: int) -> int:
    """What was a file when it was listed may be a link now, to what the Maildir's owner may not read and we may."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _keywords(folder: Path) -> dict[int, str]:
    try:
        return read_keywords((folder / KEYWORDS).read_bytes())
    except OSError:
        return {}


def _take(scan: Iterator[Listed]) -> list[Listed]:
    return list(islice(scan, _PAGE))


def _scanned(folder: Path) -> Iterator[Listed]:
    """Every message of one Maildir as it lies there; in a thread."""
    for part in _PARTS:
        try:
            entries = os.scandir(folder / part)
        except FileNotFoundError:
            continue
        with entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                try:
                    about = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(about.st_mode):
                    name = os.fsencode(entry.name).decode("latin-1")
                    known = exported(name)          # its order is known better than by seconds
                    yield Listed(base_name(name), known[1] if known else int(about.st_mtime), f"{part}/{name}")


def find_folders(root: Path) -> list[SourceFolder]:
    """All Maildirs at and below `root`, INBOX first; in a thread."""
    kept = read_kept(root)
    subscribed = _subscriptions(root)
    found = []
    for place, levels in sorted(_walk(root, [], _DEPTH), key=lambda one: (one[1] != [INBOX], one[1])):
        name = SEPARATOR.join(levels)
        key = os.fsencode(place).decode("latin-1")
        if place in kept:
            found.append(SourceFolder(key, kept[place].name, kept[place].special_use, kept[place].subscribed))
        else:
            found.append(SourceFolder(key, name, None, subscribed is None or name in subscribed or name == INBOX))
    return found


def _walk(directory: Path, levels: list[str], depth: int, place: str = "") -> Iterator[tuple[str, list[str]]]:
    """(path from the root, levels of the name) of each Maildir."""
    if (directory / "cur").is_dir():
        yield place, levels or [INBOX]
    if depth == 0:
        return
    with os.scandir(directory) as entries:
        below = sorted(entry.name for entry in entries if entry.is_dir() and entry.name not in (*_PARTS, "tmp"))
    for name in below:
        parts = name.split(".")[1:] if name.startswith(".") else [name]
        if not all(parts):
            continue                        # ".", "..", "..x": nobody's folder
        deeper = [*levels, *(maildir_level(part) for part in parts)]
        if deeper[0].upper() == INBOX and (len(deeper) == 1 and place == "" and (directory / "cur").is_dir()):
            deeper[0] = "INBOX_"            # the root is the inbox already
        elif deeper[0].upper() == INBOX:
            deeper[0] = INBOX
        yield from _walk(directory / name, deeper, depth - 1, f"{place}/{name}" if place else name)


def _subscriptions(root: Path) -> set[str] | None:
    """The names in Dovecot's or Courier's list; None where there is none: everything is."""
    for name in ("subscriptions", "courierimapsubscribed"):
        try:
            lines = (root / name).read_text("utf-8", "surrogateescape").splitlines()
        except OSError:
            continue
        parting = "\t" if lines[:1] == ["V\t2"] else "."
        names = set()
        for line in lines:
            levels = [maildir_level(level) for level in line.split(parting)]
            if len(levels) > 1 and levels[0] == INBOX:
                names.add(SEPARATOR.join(levels[1:]))
            names.add(SEPARATOR.join(levels))
        return names
    return None
