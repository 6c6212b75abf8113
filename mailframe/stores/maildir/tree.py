"""An account's folders on disk, in threads: which there are, and how they are made, renamed and removed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from mailframe.model.mailbox import INBOX
from mailframe.model.refusal import MailboxExists, NoSuchMailbox

from . import names, words
from .disk import OWN, log, make_maildir, read_file, replace_file, sync_folder

#: Folder's name ("" for INBOX) to the inode of its cur.
Found = dict[str, int]

_MARK = "maildirfolder"     # the file that says: not an account, but a folder of one
_NAME = "mailframe-name"    # the mailbox's name, where it is too long for a folder's
_NUMBERS = count(1)
_OLD_S = 36 * 3600.0        # of a file in tmp: whoever wrote it is gone (the Maildir convention)


@dataclass(slots=True)
class Difference:
    """Mailboxes that are gone; (mailbox, folder) renamed; (mailbox, folder) put back under their name; unknown folders."""

    gone: list[int] = field(default_factory=list)
    renamed: list[tuple[int, str]] = field(default_factory=list)
    replaced: list[tuple[int, str]] = field(default_factory=list)
    arrived: list[str] = field(default_factory=list)


def found(root: Path) -> Found:
    """All folders. Raises FileNotFoundError when the account is gone."""
    answer = {"": os.stat(root / "cur").st_ino}
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.name.startswith(".") and len(entry.name) > 1 and entry.is_dir():
                with suppress(FileNotFoundError, NotADirectoryError):
                    answer[entry.name] = os.stat(root / entry.name / "cur").st_ino
    return answer


def compare(known: Sequence[tuple[int, str | None, int]], there: Mapping[str, int]) -> Difference:
    """`known` are (mailbox, folder, inode). A folder is known again by its inode, and else by its name."""
    left, difference = dict(there), Difference()
    pending = [each for each in known if left.get(each[1] or "") != each[2] or each[1] is None]
    for _, folder, inode in known:
        if folder is not None and left.get(folder) == inode:
            del left[folder]
    by_inode = {inode: folder for folder, inode in left.items()}
    for mailbox, folder, inode in list(pending):
        other = by_inode.pop(inode, None)
        if other is not None:
            del left[other]
            difference.renamed.append((mailbox, other))
            pending.remove((mailbox, folder, inode))
    for mailbox, folder, _ in pending:
        if folder is not None and folder in left:
            del left[folder]
            difference.replaced.append((mailbox, folder))
        else:
            difference.gone.append(mailbox)
    difference.arrived = sorted(left)
    return difference


def prepare(root: Path) -> None:
    """Make what an account needs, finish what a crash interrupted, and remove what has lain in tmp for 36 hours."""
    make_maildir(root)
    for name in os.listdir(root / "tmp"):
        path = root / "tmp" / name
        if name.startswith(OWN + "moving"):
            _put_back(root, path, name)
        elif name.startswith(OWN):
            shutil.rmtree(path, ignore_errors=True)
    for folder in (root, *(root / name for name in found(root) if name)):
        _clean(folder / "tmp")


def make(root: Path, folder: str, name: str) -> None:
    """A whole folder appears in one step. Raises MailboxExists."""
    if (root / folder).exists():
        raise MailboxExists()
    build = _own(root, "new")
    make_maildir(build)
    (build / _MARK).touch(0o600)
    if not names.is_short(folder):
        replace_file(build / _NAME, name.encode())
    sync_folder(build)
    os.rename(build, root / folder)
    sync_folder(root)


def remove(root: Path, folder: str) -> None:
    """It is gone in one step; INBOX comes again, empty. Raises NoSuchMailbox."""
    away = _own(root, "deleted")
    if folder:
        try:
            os.rename(root / folder, away)
        except FileNotFoundError:
            raise NoSuchMailbox() from None
    else:
        _empty_inbox(root, away)
    sync_folder(root)
    shutil.rmtree(away, ignore_errors=True)


def rename(root: Path, moves: Sequence[tuple[str, str, str]]) -> None:
    """(folder, its new one, the mailbox's new name), all or none; names may change places, also with INBOX.

    INBOX leaves an empty one behind, unless another becomes it. Raises MailboxExists, NoSuchMailbox.
    """
    leaving = {old for old, _, _ in moves}
    targets = {new for _, new, _ in moves}
    if len(targets) < len(moves) or any(new not in leaving and (root / new).exists() for new in targets):
        raise MailboxExists()
    crossing = not leaving.isdisjoint(targets)
    at = {old: root / "tmp" / f"{OWN}moving{old}" if crossing else root / old for old in leaving}
    done: list[tuple[Path, Path]] = []
    try:
        for old in leaving if crossing else ():
            if old:
                _step(root / old, at[old], done)
        # INBOX first, so that there is room for what becomes it, which goes last: these two do not go back
        for old, new, name in sorted(moves, key=lambda move: (move[0] != "", move[1] == "")):
            if not old:
                make(root, new, name)
                _empty_inbox(root, root / new)
            elif not new:
                _become_inbox(root, at[old])
            else:
                _step(at[old], root / new, done)
                _label(root / new, name)
    except BaseException:
        for before, after in reversed(done):
            if after.exists():
                os.rename(after, before)
        raise
    sync_folder(root)


def _label(path: Path, name: str) -> None:
    """What the folder of a name that is too long for one is called."""
    if names.is_short(path.name):
        (path / _NAME).unlink(missing_ok=True)
    else:
        replace_file(path / _NAME, name.encode())


def label(root: Path, folder: str) -> str:
    """The mailbox of a folder."""
    if not names.is_short(folder) and (octets := read_file(root / folder / _NAME)):
        return octets.decode("utf-8", "replace")
    return names.mailbox_of(folder) if folder else INBOX


def _become_inbox(root: Path, path: Path) -> None:
    for name in ("cur", "new"):
        os.rename(path / name, root / name)
    _take_words(path, root)
    sync_folder(root)
    shutil.rmtree(path, ignore_errors=True)


def _take_words(source: Path, target: Path) -> None:
    """Letters in file names mean the same in the other folder."""
    if octets := read_file(source / words.FILE):
        replace_file(target / words.FILE, octets)


def _step(before: Path, after: Path, done: list[tuple[Path, Path]]) -> None:
    try:
        os.rename(before, after)
    except FileNotFoundError:
        raise NoSuchMailbox() from None
    done.append((before, after))


def _empty_inbox(root: Path, target: Path) -> None:
    """Its cur, new and tmp become those of `target`; mail that arrives in between is refused or comes into the new ones."""
    target.mkdir(mode=0o700, exist_ok=True)
    for name in ("cur", "new"):
        os.rename(root / name, target / name)       # over an empty directory, if there is one
        (root / name).mkdir(mode=0o700)
    _take_words(root, target)
    make_maildir(target)
    sync_folder(target)


def _put_back(root: Path, path: Path, name: str) -> None:
    """A folder that was to change places with another when we were interrupted: it takes its old name, or a new one."""
    folder = name.removeprefix(OWN + "moving")
    target = root / folder
    if target.exists():
        target = root / f"{folder}-{time.time_ns()}"
    os.rename(path, target)
    log.warn("a folder that was being renamed has its name again: {path}", path=str(target))


def _own(root: Path, what: str) -> Path:
    return root / "tmp" / f"{OWN}{what}-{os.getpid()}-{time.time_ns()}-{next(_NUMBERS)}"


def _clean(tmp: Path) -> None:
    oldest = time.time() - _OLD_S
    try:
        for entry in os.scandir(tmp):
            if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_ctime < oldest:
                os.unlink(entry.path)
    except FileNotFoundError:
        pass
