"""Mail from an mbox file or a tree of them: plain directories of files, or Thunderbird's ``Name`` beside ``Name.sbd/``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from mailframe.model.mailbox import INBOX, SEPARATOR

from .foldernames import SBD, level_of_mbox, read_kept
from .lineends import ToCrlf
from .mbox import HEADER, Heading, Quoting, Span, heading, spans, unquoting
from .source import SLICE_OCTETS, Listed, Meta, SourceFolder, Taker, TransferError, in_thread

_PAGE_OCTETS = 4_194_304    # listed in one go of a thread, which makes checksums of them
_PAGE = 200
_DEPTH = 32
_NOT_MAIL = (".msf", ".dat", ".json", ".html", ".db", ".lock", ".new", ".sqlite", ".log")
_BLANK = b"\r\n\t \0"


class MboxSource:
    """See Source. A message is known by its checksum, and its like by their order: the file may be compacted between runs."""

    numbered = True

    def __init__(self, root: Path, reactor: Any, quoting: Quoting = "mboxrd") -> None:
        self.title = f"mbox {root.resolve()}"
        self._root = root
        self._reactor = reactor
        self._quoting = quoting
        self._path = root
        self._pages: Iterator[list[Listed]] = iter(())

    async def open(self) -> None:
        """See Source."""
        if not await in_thread(self._reactor, self._root.exists):
            raise TransferError(f"There is no file or directory {self._root}")

    async def close(self) -> None:
        """See Source."""

    async def folders(self) -> Sequence[SourceFolder]:
        """See Source."""
        try:
            found = await in_thread(self._reactor, find_files, self._root)
        except OSError as error:
            raise TransferError(f"{error.filename}: {error.strerror}") from error
        if not found:
            raise TransferError(f"{self._root} is no mbox file and holds none")
        return found

    async def enter(self, folder: SourceFolder) -> None:
        """See Source."""
        self._path = self._root / os.fsdecode(folder.key.encode("latin-1")) if folder.key else self._root
        self._pages = _pages(self._path, self._quoting)

    async def page(self) -> Sequence[Listed]:
        """See Source."""
        try:
            return await in_thread(self._reactor, next, self._pages, [])
        except OSError as error:
            raise TransferError(f"{self._path}: {error.strerror}") from error

    async def read(self, wanted: Sequence[Listed], taker: Taker) -> None:
        """See Source."""
        try:
            file: BinaryIO = await in_thread(self._reactor, _opened, self._path)
        except OSError as error:
            raise TransferError(f"{self._path}: {error.strerror}") from error
        left = list(wanted)
        with file:
            while left:
                begun = await in_thread(self._reactor, self._begin_some, file, left)
                for listed, (pieces, octets) in zip(left, begun):
                    await self._give(file, listed, pieces, octets, taker)
                del left[:len(begun)]

    def _begin_some(self, file: BinaryIO, wanted: Sequence[Listed]) -> list[tuple[Message, bytes]]:
        """In a thread: the first octets of the first of `wanted`, as many as make some SLICE_OCTETS."""
        found, size = [], 0
        for listed in wanted:
            start, _, end = listed.place.partition("-")
            pieces = Message(file, Span(int(start), int(end)), self._quoting)
            found.append((pieces, pieces.next()))
            size += len(found[-1][1])
            if size >= SLICE_OCTETS:
                break
        return found

    async def _give(self, file: BinaryIO, listed: Listed, pieces: Message, octets: bytes, taker: Taker) -> None:
        taker.begin(listed)
        digest = hashlib.sha256()
        while octets:
            digest.update(octets)
            await taker.write(octets)
            octets = b"" if pieces.ended else await in_thread(self._reactor, pieces.next)
        if digest.hexdigest() != listed.key or pieces.heading is None:
            raise TransferError(f"{self._path} was changed by another program meanwhile; run it again to go on")
        date = pieces.heading.date
        await taker.end(Meta(pieces.heading.flags, int(os.fstat(file.fileno()).st_mtime) if date is None else date))


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


class Message:
    """One message of an open file, read in pieces; in a thread."""

    def __init__(self, file: BinaryIO, span: Span, quoting: Quoting) -> None:
        self.heading: Heading | None = None
        self._file = file
        self._span = span
        self._place = span.start
        self._unquote = unquoting(quoting)
        self._form = ToCrlf()
        self.ended = False

    def next(self) -> bytes:
        """The next octets with CRLF line ends, at most some SLICE_OCTETS; b"" at the end."""
        while not self.ended:
            self._file.seek(self._place)
            if self.heading is None:
                octets = self._begin()
            else:
                octets = self._file.read(min(SLICE_OCTETS, self._span.end - self._place))
                self._place += len(octets)
            self.ended = self._place >= self._span.end or not octets       # cut short by another program
            if self._unquote is not None:
                octets = self._unquote.feed(octets) + (self._unquote.end() if self.ended else b"")
            octets = self._form.feed(octets) + (self._form.end() if self.ended else b"")
            if self.ended and self.heading is not None and self.heading.cut:
                octets = octets.removesuffix(b"\r\n")
            if octets:
                return octets
        return b""

    def _begin(self) -> bytes:
        size = self._span.end - self._span.start
        octets = self._file.read(min(SLICE_OCTETS, size))
        if len(octets) < size and b"\n\n" not in octets and b"\n\r\n" not in octets:
            octets += self._file.read(min(HEADER, size) - len(octets))
        self.heading, header, taken = heading(octets)
        self._form = ToCrlf(self.heading.exact)
        rest = octets[taken:]
        self._place = self._span.start + len(octets)
        return header + rest


def _pages(path: Path, quoting: Quoting) -> Iterator[list[Listed]]:
    """Every message of a file, with its checksum; in a thread, a page of messages or octets at a time."""
    with path.open("rb") as file, path.open("rb") as again:
        page, octets = [], 0
        for span in spans(file):
            message = Message(again, span, quoting)
            digest = hashlib.sha256()
            while piece := message.next():
                digest.update(piece)
            assert message.heading is not None
            if not (message.heading.removed or message.heading.internal):
                page.append(Listed(digest.hexdigest(), span.start, f"{span.start}-{span.end}"))
            octets += span.end - span.start
            if page and (len(page) >= _PAGE or octets >= _PAGE_OCTETS):
                yield page
                page, octets = [], 0
        if page:
            yield page


def find_files(root: Path) -> list[SourceFolder]:
    """The mbox files at and below `root`, INBOX first; in a thread. One file alone is its own name, or INBOX."""
    if root.is_file():
        if not _is_mbox(root):
            return []
        level = level_of_mbox(root.name)
        spool = level.lower() in ("inbox", "mbox") or root.parent.as_posix() in ("/var/mail", "/var/spool/mail")
        return [SourceFolder("", INBOX if spool else level)]
    kept = read_kept(root)
    found = []
    for place, levels in _walk(root, [], "", _DEPTH):
        key = os.fsencode(place).decode("latin-1")
        if place in kept:
            found.append(SourceFolder(key, kept[place].name, kept[place].special_use, kept[place].subscribed))
        else:
            name = SEPARATOR.join([INBOX if levels[0].lower() == "inbox" else levels[0], *levels[1:]])
            found.append(SourceFolder(key, name))
    return sorted(found, key=lambda folder: (folder.name != INBOX, folder.name))


def _walk(directory: Path, levels: list[str], place: str, depth: int) -> Iterator[tuple[str, list[str]]]:
    """(path from the root, levels of the name) of each file that is an mbox."""
    with os.scandir(directory) as entries:
        found = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
    for name, is_directory in found:
        inner = f"{place}/{name}" if place else name
        if is_directory:
            if depth:
                yield from _walk(directory / name, [*levels, level_of_mbox(name.removesuffix(SBD))], inner, depth - 1)
        elif _is_mbox(directory / name):
            yield inner, [*levels, level_of_mbox(name.removesuffix(".mbox") or name)]


def _is_mbox(path: Path) -> bool:
    """An empty file is a folder without messages; others begin with a From_ line."""
    if path.suffix.lower() in _NOT_MAIL or not path.is_file():
        return False
    with path.open("rb") as file:
        octets = file.read(512)
    return octets.startswith(b"From ") or not octets.strip(_BLANK)
