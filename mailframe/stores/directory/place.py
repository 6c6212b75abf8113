"""Where files rest beneath one folder, and the steps that put them there for good; all of it waits for the disk."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import threading
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from mailframe.model.refusal import NoSuchMessage
from mailframe.sqlite.errors import EngineError
from mailframe.sqlite.files import lock, sync

CHUNK = 256 * 1024
_STAGING, _LOCK = "staging", "lock"
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_SUFFIX = 8                 # random octets behind the sum: two contents of the same octets never share an id
_ID = re.compile(r"[0-9a-f]{64}-[0-9a-f]{16}")
_DIGITS = "0123456789abcdef"


class Place:
    """The folder `root`: ``a/b/ab...-suffix`` for an id that begins with ab, and ``staging`` for what is not whole.

    256 leaves, each made for its first content, which costs that one another sync or two. A leaf is listed to find equal
    octets; a hundred thousand files are 400 to a leaf. Every method may be called in any thread and raises OSError.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._staging = root / _STAGING
        self._lock = -1
        self._sound: set[Path] = set()          # folders whose own names this process knows to be on the disk
        self._making = threading.Lock()

    def open(self) -> None:
        """Make what is missing, keep other servers out, remove what a crash left. Raises EngineError with a sentence."""
        try:
            fresh = not self.root.exists()
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = lock(self.root, "the content folder", self.root / _LOCK)
            shutil.rmtree(self._staging, ignore_errors=True)
            self._staging.mkdir(mode=0o700, exist_ok=True)
            if fresh:
                sync(self.root.parent)
        except EngineError:
            raise
        except OSError as error:
            self.close()
            raise EngineError(f"cannot write the content folder {self.root}: {error.strerror}") from None

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def path(self, content_id: str) -> Path | None:
        """None: no id of ours looks like that."""
        if not _ID.fullmatch(content_id):
            return None
        return self._leaf(content_id) / content_id

    def begin(self) -> tuple[Path, int]:
        """(a new file that is not whole, its descriptor)."""
        path = self._staging / secrets.token_hex(16)
        try:
            return path, os.open(path, _NEW, 0o600)
        except FileNotFoundError:
            if not self._is_ours():
                raise
            self._staging.mkdir(mode=0o700, exist_ok=True)      # somebody took it away
            return path, os.open(path, _NEW, 0o600)

    def _is_ours(self) -> bool:
        """Whether the root is still the folder that was opened: below an unmounted disk, mail would be hidden by its return."""
        return self._lock >= 0 and os.path.samestat(os.fstat(self._lock), os.stat(self.root / _LOCK))

    def keep(self, path: Path, descriptor: int, digest: str) -> str:
        """Put the whole staged file at its place, durably; its id. What holds the same octets already is shared."""
        content_id = f"{digest}-{secrets.token_hex(_SUFFIX)}"
        leaf = self._leaf(digest)
        target = leaf / content_id
        self._make(leaf)
        if self._linked(descriptor, digest, leaf, target):
            os.unlink(path)
        else:
            os.fdatasync(descriptor)
            try:
                os.rename(path, target)
            except FileNotFoundError:
                self._sound.clear()             # somebody took a folder away; the next try makes it again
                raise
        try:
            sync(leaf)
        except OSError:
            target.unlink(missing_ok=True)      # nobody will be told this id
            raise
        return content_id

    def reading(self, content_id: str) -> int:
        """A descriptor. Raises NoSuchMessage where there is no such file."""
        path = self.path(content_id)
        try:
            if path is not None:
                return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            pass
        raise NoSuchMessage(detail=f"content {content_id!r} is gone")

    def remove(self, content_ids: Sequence[str]) -> None:
        """Each leaf is synced once, so that nothing of it comes back after a power cut."""
        leaves = set()
        for path in filter(None, map(self.path, content_ids)):
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue
            leaves.add(path.parent)
        for leaf in sorted(leaves):
            sync(leaf)

    def ids(self, after: str, limit: int) -> list[str]:
        """See `IContentStore.ids`."""
        found: list[str] = []
        for leaf in self._leaves(after):
            found += sorted(name for name in _names(leaf) if name > after and _ID.fullmatch(name))
            if len(found) >= limit:
                break
        return found[:limit]

    def verify(self, content_id: str) -> str | None:
        """What is wrong with the octets of this id, None if nothing."""
        path = self.path(content_id)
        try:
            if path is None:
                return "there is no such file"
            digest = sha256()
            with path.open("rb", buffering=0) as file:
                while octets := file.read(CHUNK):
                    digest.update(octets)
        except FileNotFoundError:
            return "there is no such file"
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        return None if content_id.startswith(digest.hexdigest()) else "its octets are not what was written"

    def _leaf(self, name: str) -> Path:
        return self.root / name[0] / name[1]

    def _make(self, leaf: Path) -> None:
        """One thread at a time, so that none relies on a folder that another has made but not yet synced."""
        if leaf in self._sound:
            return
        with self._making:
            for folder in (leaf.parent, leaf):
                if folder not in self._sound:
                    folder.mkdir(mode=0o700, exist_ok=True)
                    sync(folder.parent)
                    self._sound.add(folder)

    def _linked(self, descriptor: int, digest: str, leaf: Path, target: Path) -> bool:
        """Whether `target` is now another name of a file with the same octets.

        They are compared, not believed: a file that a failing disk has spoilt must not stand for mail that came whole.
        """
        for name in [name for name in _names(leaf) if name.startswith(digest)]:
            try:
                if _same(descriptor, leaf / name):
                    os.link(leaf / name, target)
                    return True
            except OSError:         # whatever it is: no more links, just gone, not to be read; then our own file is used
                continue
        return False

    def _leaves(self, after: str) -> Iterator[Path]:
        for upper in _DIGITS:
            for lower in _DIGITS:
                if upper + lower >= after[:2]:
                    yield self.root / upper / lower


def _names(folder: Path) -> list[str]:
    """All in it."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _same(descriptor: int, path: Path) -> bool:
    """Whether the file holds exactly what the open one does."""
    with path.open("rb", buffering=0) as other:
        size = os.fstat(descriptor).st_size
        if os.fstat(other.fileno()).st_size != size:
            return False
        return all(os.pread(descriptor, CHUNK, offset) == os.pread(other.fileno(), CHUNK, offset)
                   for offset in range(0, size, CHUNK))
