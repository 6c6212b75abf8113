"""A Maildir++ tree that an export makes: files by UIDVALIDITY and UID, so that a later run knows what is there."""

from __future__ import annotations

import hashlib
import os
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mailframe.model.mailbox import SEPARATOR

from .exporter import Outgoing
from .foldernames import KeptFolder, claim, maildir_folder, sync_folder, write_whole
from .lineends import Canonical, ToCrlf, ToLf
from .maildirnames import KEYWORDS, MOST_KEYWORDS, exported, exported_name, letters_for, read_keywords, render_keywords
from .source import SLICE_OCTETS, Report, TransferError, in_thread

_PARTS = ("cur", "new", "tmp")
_BATCH_FILES = 100
_BATCH_OCTETS = 4_194_304
_LONGEST = 200              # octets of a directory's name; a longer one is told in KEPT alone


@dataclass(slots=True)
class _File:
    base: str
    letters: str
    date: int
    octets: bytes


class MaildirTree:
    """See Tree. Delivery is tmp, fsync, rename, fsync of the directory."""

    def __init__(self, root: Path, account: str, reactor: Any) -> None:
        """`account` is whose mail it becomes: a directory is one account's."""
        self._root = root
        self._account = account
        self._reactor = reactor
        self._folder = root
        self._validity = 0
        self._there = array("Q")            # UIDs, ascending
        self._words: list[str] = []
        self._report = Report()
        self._batch: list[_File] = []
        self._octets = 0
        self._message: Outgoing | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._file: BinaryIO | None = None  # of a large message
        self._form = ToLf()
        self._names: dict[int, str] | None = None

    async def begin(self, folders: Sequence[KeptFolder]) -> None:
        """See Tree."""
        await self._do(_begin, self._root, self._account, folders)

    async def enter(self, name: str, uidvalidity: int, keywords: Sequence[str], report: Report) -> None:
        """See Tree."""
        self._folder, self._validity, self._report, self._names = self._root / directory(name), uidvalidity, report, None
        self._there, self._words = await self._do(_enter, self._folder, uidvalidity, keywords)
        if len(keywords) > MOST_KEYWORDS:
            report.note(f"{name}: a Maildir has room for {MOST_KEYWORDS} keywords; those beyond are left out")

    def missing(self, uids: Sequence[int]) -> Sequence[int]:
        """See Tree."""
        return [uid for uid in uids if not self._has(uid)]

    def _has(self, uid: int) -> bool:
        place = bisect_left(self._there, uid)
        return place < len(self._there) and self._there[place] == uid

    async def start(self, message: Outgoing) -> None:
        """See Tree."""
        self._message, self._pieces, self._size, self._form = message, [], 0, ToLf()

    async def write(self, octets: bytes) -> None:
        """See Tree: a message that is large goes to its file as it comes."""
        self._pieces.append(self._form.feed(octets))
        self._size += len(self._pieces[-1])
        if self._size > SLICE_OCTETS:
            if self._file is None:
                self._file = await self._do(_create, self._folder / "tmp" / self._base())
            pieces, self._pieces, self._size = b"".join(self._pieces), [], SLICE_OCTETS
            await self._do(self._file.write, pieces)

    async def finish(self) -> None:
        """See Tree."""
        assert self._message is not None
        self._pieces.append(self._form.end())
        octets = b"".join(self._pieces)
        letters, _ = letters_for(self._message.meta.flags, self._words)
        file = _File(self._base(), letters, self._message.meta.date, octets)
        if self._file is not None:
            await self._do(_finish, self._folder, self._file, file)
            self._file = None
            return
        self._batch.append(file)
        self._octets += len(octets)
        if len(self._batch) >= _BATCH_FILES or self._octets >= _BATCH_OCTETS:
            await self.flush()

    async def drop(self) -> None:
        """See Tree."""
        file, self._file = self._file, None
        if file is not None:
            await self._do(_drop, file)

    async def flush(self) -> None:
        """See Tree."""
        batch, self._batch, self._octets = self._batch, [], 0
        if batch:
            await self._do(_write_all, self._folder, batch)

    async def digest(self, message: Outgoing) -> bytes | None:
        """See Tree."""
        letters, _ = letters_for(message.meta.flags, self._words)
        base = exported_name(message.meta.date, self._validity, message.uid)
        found: bytes | None = await self._do(_digest, self._folder / "cur" / f"{base}:2,{letters}")
        if found is None:                   # another program has changed its flags, or the store has
            if self._names is None:
                self._names = await self._do(_names, self._folder, self._validity)
            if message.uid in self._names:
                found = await self._do(_digest, self._folder / self._names[message.uid])
        return found

    def _base(self) -> str:
        assert self._message is not None
        return exported_name(self._message.meta.date, self._validity, self._message.uid)

    async def _do(self, work: Any, *arguments: Any) -> Any:
        try:
            return await in_thread(self._reactor, work, *arguments)
        except OSError as error:
            raise TransferError(f"{error.filename or self._folder}: {error.strerror}") from error


def directory(name: str) -> str:
    """A folder's directory within the root."""
    found = maildir_folder(name)
    if len(found) <= _LONGEST and all(name.split(SEPARATOR)):      # an empty level would lead elsewhere: "/" would be ".."
        return found
    return "." + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _begin(root: Path, account: str, folders: Sequence[KeptFolder]) -> None:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = claim(root, account, "maildir", {directory(folder.name): folder for folder in folders})
    _make(root)
    lines = ["V\t2", "", *sorted(folder.name.replace(SEPARATOR, "\t") for folder in kept.values()
                                 if folder.subscribed and folder.name.isprintable())]
    write_whole(root / "subscriptions", "".join(line + "\n" for line in lines).encode())


def _make(folder: Path) -> None:
    for part in _PARTS:
        (folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
    sync_folder(folder)


def _enter(folder: Path, validity: int, keywords: Sequence[str]) -> tuple[array[int], list[str]]:
    """(UIDs that are there, words of the letters a to z)."""
    _make(folder)
    if folder.name.startswith("."):
        (folder / "maildirfolder").touch(0o600)
        sync_folder(folder.parent)
    for entry in os.scandir(folder / "tmp"):
        if exported(entry.name):
            os.unlink(entry.path)           # a run that was killed left it
    known = {}
    with suppress(FileNotFoundError):
        known = read_keywords((folder / KEYWORDS).read_bytes())
    words = [known.get(number, f"unused{number}") for number in range(max(known, default=-1) + 1)]
    lower = {word.lower() for word in words}
    fresh = [word for word in keywords if word.lower() not in lower]
    if fresh:
        words += fresh
        write_whole(folder / KEYWORDS, render_keywords(words))
    return array("Q", sorted(_names(folder, validity))), words


def _names(folder: Path, validity: int) -> dict[int, str]:
    found = {}
    for part in ("cur", "new"):
        with os.scandir(folder / part) as entries:
            for entry in entries:
                known = exported(entry.name)
                if known is not None and known[0] == validity:
                    found[known[1]] = f"{part}/{entry.name}"
    return found


def _create(path: Path) -> BinaryIO:
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _put(folder: Path, handle: BinaryIO, file: _File) -> None:
    handle.write(file.octets)
    handle.flush()
    os.fsync(handle.fileno())
    handle.close()
    path = folder / "tmp" / file.base
    os.utime(path, (file.date, file.date))
    path.rename(folder / "cur" / f"{file.base}:2,{file.letters}")


def _write_all(folder: Path, files: Sequence[_File]) -> None:
    for file in files:
        _put(folder, _create(folder / "tmp" / file.base), file)
    sync_folder(folder / "cur")


def _finish(folder: Path, handle: BinaryIO, file: _File) -> None:
    _put(folder, handle, file)
    sync_folder(folder / "cur")


def _drop(handle: BinaryIO) -> None:
    handle.close()
    with suppress(FileNotFoundError):
        os.unlink(handle.name)


def _digest(path: Path) -> bytes | None:
    digest, crlf, form = hashlib.sha256(), ToCrlf(), Canonical()
    try:
        with path.open("rb", buffering=0) as file:
            while octets := file.read(SLICE_OCTETS):
                digest.update(form.feed(crlf.feed(octets)))
    except FileNotFoundError:
        return None
    digest.update(form.feed(crlf.end()) + form.end())
    return digest.digest()

