"""Folder names as file names: Maildir++ (".Lists.2026") and trees of mbox files ("Lists.sbd/2026"), there and back. Pure."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from mailframe.imap import mutf7
from mailframe.model.mailbox import INBOX, SEPARATOR

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
    try:
        found = json.loads((root / KEPT).read_text("utf-8"))
        return {place: KeptFolder(**folder) for place, folder in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def write_kept(root: Path, folders: Mapping[str, KeptFolder]) -> None:
    """Note it at `root`, all or nothing, durably."""
    text = json.dumps({place: asdict(folder) for place, folder in sorted(folders.items())}, ensure_ascii=False, indent=1)
    write_whole(root / KEPT, text.encode() + b"\n")


def write_whole(path: Path, octets: bytes) -> None:
    """Put a small file in place of what was there, all or nothing, durably."""
    fresh = path.with_name(path.name + ".new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
