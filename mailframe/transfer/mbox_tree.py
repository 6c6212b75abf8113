"""A tree of mbox files that an export makes, as Thunderbird has them: ``Name``, and ``Name.sbd/`` for what is below it."""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from mailframe.model.mailbox import SEPARATOR

from .exporter import Outgoing
from .foldernames import KEPT, KeptFolder, claim, mbox_file, sync_folder, write_whole
from .lineends import Canonical, ToLf
from .mbox import quoting, render_heading, spans
from .mbox_source import Message
from .source import Report, TransferError, in_thread

STATE = "mailframe-export.json"     # how far each file is
_BATCH_OCTETS = 4_194_304
_NONE = 1 << 62                     # a UID that no message has
_BEGINNING = 66                     # octets of a From_ line and the word after it
_LONGEST = 200                      # octets of a file's name; a longer one is told in KEPT alone


@dataclass(frozen=True, slots=True)
class _State:
    """What is durably in a file: messages up to `uid` of the mailbox with that UIDVALIDITY, `octets` long."""

    uidvalidity: int
    uid: int = 0
    octets: int = 0


class MboxTree:
    """See Tree. Octets are appended and synced, then noted; what a run that was killed wrote beyond that is cut off."""

    def __init__(self, root: Path, account: str, reactor: Any) -> None:
        """`account` is whose mail it becomes: a directory is one account's."""
        self._root = root
        self._account = account
        self._reactor = reactor
        self._states: dict[str, _State] = {}
        self._place = ""
        self._uid = 0
        self._pieces: list[bytes] = []
        self._octets = 0
        self._message: Outgoing | None = None
        self._mark: tuple[int, int] = (0, 0)
        self._spilled = False               # some of the message under way is in the file already
        self._form, self._lines = ToLf(), quoting()
        self._reading: Iterator[tuple[int, bytes]] = iter(())
        self._read: deque[tuple[int, bytes]] = deque()

    async def begin(self, folders: Sequence[KeptFolder]) -> None:
        """See Tree."""
        self._states = await self._do(_begin, self._root, self._account, folders)

    async def enter(self, name: str, uidvalidity: int, keywords: Sequence[str], report: Report) -> None:
        """See Tree."""
        self._place = place(name)
        state = self._states.get(self._place)
        if state is not None and state.uidvalidity != uidvalidity:
            raise TransferError(f"{self._root / self._place} was exported from another mailbox; name another directory")
        self._states[self._place] = state or _State(uidvalidity)
        await self._do(_enter, self._root, self._place, self._states, state is None)
        self._uid = self._states[self._place].uid
        self._reading, self._read = _read_back(self._root / self._place), deque()

    def missing(self, uids: Sequence[int]) -> Sequence[int]:
        """See Tree."""
        return [uid for uid in uids if uid > self._uid]

    async def start(self, message: Outgoing) -> None:
        """See Tree."""
        self._message, self._mark, self._spilled = message, (len(self._pieces), self._octets), False
        self._form, self._lines = ToLf(), quoting()
        self._add(render_heading(message.meta.flags, message.meta.date, message.uid, message.cut))

    async def write(self, octets: bytes) -> None:
        """See Tree."""
        self._add(self._lines.feed(self._form.feed(octets)))
        if self._octets >= _BATCH_OCTETS:
            await self._spill()

    async def finish(self) -> None:
        """See Tree."""
        assert self._message is not None
        self._add(self._lines.feed(self._form.end()) + self._lines.end() + (b"\n\n" if self._message.cut else b"\n"))
        self._uid, self._message = self._message.uid, None
        if self._octets >= _BATCH_OCTETS:
            await self.flush()

    async def drop(self) -> None:
        """See Tree."""
        if self._message is not None and self._spilled:
            raise TransferError("A message was removed while it was being written; run it again")
        del self._pieces[self._mark[0]:]
        self._octets, self._message = self._mark[1], None

    async def flush(self) -> None:
        """See Tree."""
        await self._spill()
        state = self._states[self._place]
        if self._uid != state.uid:
            self._states[self._place] = await self._do(_commit, self._root, self._place, self._states, self._uid)

    async def digest(self, message: Outgoing) -> bytes | None:
        """See Tree."""
        while not self._read or self._read[-1][0] < message.uid:
            self._read = deque(await self._do(_some, self._reading)) or deque([(_NONE, b"")])
        while self._read[0][0] < message.uid:
            self._read.popleft()
        return self._read[0][1] if self._read[0][0] == message.uid else None

    def _add(self, octets: bytes) -> None:
        self._pieces.append(octets)
        self._octets += len(octets)

    async def _spill(self) -> None:
        octets, self._pieces, self._octets = b"".join(self._pieces), [], 0
        self._spilled, self._mark = True, (0, 0)
        if octets:
            await self._do(_append, self._root / self._place, octets)

    async def _do(self, work: Any, *arguments: Any) -> Any:
        try:
            return await in_thread(self._reactor, work, *arguments)
        except OSError as error:
            raise TransferError(f"{error.filename or self._root}: {error.strerror}") from error


def place(name: str) -> str:
    """A folder's file within the root."""
    found = mbox_file(name)
    if all(name.split(SEPARATOR)) and not found.startswith((KEPT, STATE)) and all(
            len(level.encode()) <= _LONGEST for level in found.split("/")):
        return found            # a file of its own, and none of ours
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _begin(root: Path, account: str, folders: Sequence[KeptFolder]) -> dict[str, _State]:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    claim(root, account, "mbox", {place(folder.name): folder for folder in folders})
    with suppress(FileNotFoundError):
        return {name: _State(**state) for name, state in json.loads((root / STATE).read_text("utf-8")).items()}
    return {}


def _note(root: Path, states: dict[str, _State]) -> None:
    write_whole(root / STATE, json.dumps({name: asdict(state) for name, state in states.items()}).encode())


def _enter(root: Path, name: str, states: dict[str, _State], fresh: bool) -> None:
    path, octets = root / name, states[name].octets
    if fresh:
        if path.exists() and path.stat().st_size:
            raise TransferError(f"{path} is no export of ours; name another directory")
        _note(root, states)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size < octets:
            raise TransferError(f"{path} is shorter than it was left; remove it with {STATE}, or name another directory")
        if size > octets:
            file.seek(octets)
            if not _ours(file.read(_BEGINNING)):
                raise TransferError(f"{path} has been added to by another program; name another directory")
            file.truncate(octets)
        os.fsync(file.fileno())
    sync_folder(path.parent)


def _ours(beginning: bytes) -> bool:
    """Whether a message of ours may begin so, as far as it was written."""
    whole = render_heading((), 0, 0, False)[:_BEGINNING]
    return beginning[:19] == whole[:len(beginning)][:19] and beginning[44:] == whole[44:len(beginning)]


def _opened(path: Path) -> BinaryIO:
    return open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")


def _append(path: Path, octets: bytes) -> None:
    with path.open("ab") as file:
        file.write(octets)


def _commit(root: Path, name: str, states: dict[str, _State], uid: int) -> _State:
    with (root / name).open("r+b") as file:
        os.fsync(file.fileno())
        state = _State(states[name].uidvalidity, uid, os.fstat(file.fileno()).st_size)
    _note(root, {**states, name: state})
    return state


def _some(reading: Iterator[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    return list(islice(reading, 32))


def _read_back(path: Path) -> Iterator[tuple[int, bytes]]:
    """(UID, digest) of each message of a file of ours; in a thread."""
    with path.open("rb") as file, path.open("rb") as again:
        for span in spans(file):
            message = Message(again, span, "mboxrd")
            digest, form = hashlib.sha256(), Canonical()
            while octets := message.next():
                digest.update(form.feed(octets))
            digest.update(form.end())
            if message.heading is not None:
                yield message.heading.uid, digest.digest()

