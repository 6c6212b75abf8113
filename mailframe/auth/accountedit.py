"""Changing the accounts file: for the command line, safe beside a server that reads it and beside one another."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mailframe.sqlite.files import sync

from .accountlines import Line, account_line, numbered
from .hashing import check_hash
from .names import account_name


def names(path: Path) -> list[str]:
    """The accounts in the file's order. Raises ValueError (file, line, reason) and OSError, as everything here."""
    return [line.name for _, line in numbered(path.read_text("utf-8-sig"), str(path)) if not line.targets]


def add(path: Path, name: str, stored: str, now: float | None = None) -> str:
    """Add account `name` with a password's hash (`hash_password`); the file is made if there is none (mode 0600).

    `now` (seconds since the epoch) is written down: since when the address is this person's (RFC 7293).

    Returns the name as it stands there now.
    """
    name = account_name(name)
    check_hash(stored)

    def change(text: str) -> str:
        if any(line.name == name for _, line in numbered(text, str(path))):
            raise ValueError(f"{path} has {name} already")
        return text + ("" if not text or text.endswith("\n") else "\n") + account_line(name, stored, now) + "\n"

    _edit(path, change, create=True)
    return name


def set_password(path: Path, name: str, stored: str) -> None:
    """Give an existing account another hash."""
    check_hash(stored)
    _replace_line(path, name, lambda line: account_line(line.name, stored, line.since))


def remove(path: Path, name: str) -> None:
    """Take an account out of the file. Its mail stays in the store; aliases that lead to it stay as well."""
    _replace_line(path, name, None)


def _replace_line(path: Path, name: str, make: Callable[[Line], str] | None) -> None:
    name = account_name(name)

    def change(text: str) -> str:
        found = [(number, line) for number, line in numbered(text, str(path)) if line.name == name and not line.targets]
        if not found:
            raise ValueError(f"{path} has no account {name}")
        lines = text.split("\n")
        number, line = found[0]
        lines[number - 1: number] = [make(line)] if make else []
        return "\n".join(lines)

    _edit(path, change, create=False)


def _edit(path: Path, change: Callable[[str], str], create: bool) -> None:
    """Read, change, and put the whole new file in the old one's place: a reader sees the one or the other."""
    path = path.resolve()           # a symbolic link stays one
    with _locked(path):
        try:
            text = path.read_text("utf-8-sig")
        except FileNotFoundError:
            if not create:
                raise
            text = ""
        changed = change(text).encode("utf-8")
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(changed)
                file.flush()
                os.fsync(file.fileno())
            _keep_owner(path, temporary)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        sync(path.parent)


def _keep_owner(path: Path, temporary: str) -> None:
    """When root edits it, the file stays the mail user's own (a new one: its folder's owner's), who must read it."""
    if os.geteuid() == 0:
        status = (path if path.exists() else path.parent).stat()
        os.chown(temporary, status.st_uid, status.st_gid)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer at a time, by a lock on the folder: the file itself is replaced, and no lock file is left behind."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
