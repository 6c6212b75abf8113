"""Folder names as file names: Maildir++ (".Lists.2026") and trees of mbox files ("Lists.sbd/2026"), there and back;
and what an export notes of them."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from mailframe.imap import mutf7
from mailframe.model.mailbox import INBOX, SEPARATOR
from mailframe.sqlite.files import sync

from .source import TransferError

KEPT = "mailframe-folders.json"     # what file names cannot say: exact names, special uses, subscriptions
SBD = ".sbd"                        # Thunderbird's: the folder that holds what is below an mbox file

_ESCAPED = re.compile("%([0-9A-F]{2})")
_AWKWARD = re.compile(r'^\.|\.(?:sbd|msf|dat)$|[%/\\:*?"<>|\x00-\x1f\x7f]|[. ]$', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KeptFolder:
    """One folder of an export, beside its place in the tree."""

    name: str
    special_use: str | None = None
    subscribed: bool = False


def maildir_folder(name: str) -> str:
    """The directory of a mailbox in a Maildir++ tree; "" is the root itself. A "." within a level is shifted, as by Courier."""
    if name == INBOX:
        return ""
    return "".join("." + _dotless(level) for level in name.split(SEPARATOR))


def _dotless(level: str) -> str:
    return mutf7.encode(level).replace(b".", b"&AC4-").replace(b"/", b"&AC8-").decode("ascii")


def maildir_level(text: str) -> str:
    """A level of a name from a file name: modified UTF-7, or whatever else it is. A "/" in it is "_" to us."""
    try:
        level = mutf7.decode(text.encode("utf-8", "surrogateescape"), lenient=True)
    except ValueError:
        level = os.fsencode(text).decode("utf-8", "replace")
    return level.replace(SEPARATOR, "_")


def mbox_level(level: str) -> str:
    """A level of a name as a file name that all systems and mail programs bear."""
    return _AWKWARD.sub(lambda found: "".join(f"%{octet:02X}" for octet in found[0].encode()), level)


def level_of_mbox(text: str) -> str:
    """The level that a file name stands for; one that was not escaped stands for itself."""
    text = os.fsencode(text).decode("utf-8", "replace")
    octets = b"".join(
        bytes([int(part, 16)]) if number % 2 else part.encode() for number, part in enumerate(_ESCAPED.split(text)))
    try:
        return octets.decode().replace(SEPARATOR, "_")
    except UnicodeDecodeError:
        return text


def mbox_file(name: str) -> str:
    """The path of a mailbox's file in a tree of mbox files."""
    *above, last = (mbox_level(level) for level in name.split(SEPARATOR))
    return "/".join((*(level + SBD for level in above), last))


def read_kept(root: Path) -> Mapping[str, KeptFolder]:
    """What an export of ours noted at `root`, by path within it; nothing where none did, or somebody else's file lies there."""
    return _kept(root)[2]


def _kept(root: Path) -> tuple[str | None, str, dict[str, KeptFolder]]:
    """(whose mail it is, in what form, its folders)."""
    try:
        found = json.loads((root / KEPT).read_text("utf-8"))
        folders = {place: KeptFolder(**folder) for place, folder in found["folders"].items()}
        return str(found["account"]), str(found["form"]), folders
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return None, "", {}


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Makes the directory and holds it: two exports at once into it would both add what is missing. Raises TransferError."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TransferError(f"Another export into {root} is running") from None
        except OSError:
            pass                    # a file system without locks
        yield
    finally:
        os.close(descriptor)


def claim(root: Path, account: str, form: str, folders: Mapping[str, KeptFolder]) -> dict[str, KeptFolder]:
    """Note these folders of `account` at `root` beside what is noted there, all or nothing, durably; returns all.

    Raises TransferError where the directory holds another account's mail, mail in another form ("maildir", "mbox"), or anything
    that is not ours.
    """
    owner, there, known = _kept(root)
    if owner is None and any(entry.name != KEPT + ".new" for entry in os.scandir(root)):
        raise TransferError(f"{root} has something in it that is no export of ours; name another directory")
    if owner not in (None, account):
        raise TransferError(f"{root} is an export of {owner}; name another directory")
    if owner is not None and there != form:
        raise TransferError(f"{root} is an export to {there}; name another directory")
    known.update(folders)
    noted = {place: asdict(folder) for place, folder in sorted(known.items())}
    text = json.dumps({"account": account, "form": form, "folders": noted}, ensure_ascii=False, indent=1)
    write_whole(root / KEPT, text.encode() + b"\n")
    return known


def write_whole(path: Path, octets: bytes) -> None:
    """Put a small file in place of what was there, all or nothing, durably."""
    fresh = path.with_name(path.name + ".new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync(path.parent)
