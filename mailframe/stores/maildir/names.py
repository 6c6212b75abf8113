"""Names in a Maildir: of message files, of folders, of accounts. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from hashlib import sha256
from itertools import count

from mailframe.imap import mutf7
from mailframe.model.mailbox import INBOX, SEPARATOR
from mailframe.model.refusal import Forbidden

MAX_OCTETS = 255            # of one name, on every file system in use
NOTHING = "\\00"            # a level of no characters: two separators in a row mean no folder to anybody
RAW = b"R=1"                # a field of ours: the file holds the message's own octets, not one with LF line ends

_LONG = ".\\long-"         # no escape of ours looks like it
_ESCAPED = re.compile(r"\\([0-9a-f]{2})")
_ACCOUNT = re.compile(r"[/\\\x00-\x1f\x7f]|^\.")
_NUMBER = re.compile(rb"\d{1,15}")


class Namer:
    """Makes names of message files that nobody makes again: time, process, a counter, and the host."""

    def __init__(self, host: str, process: Callable[[], int], now: Callable[[], float]) -> None:
        tame = host.replace("/", "\\057").replace(":", "\\072").replace(",", "\\054")
        self._host = os.fsencode(tame or "localhost")[:64]
        self._process = process
        self._now = now
        self._numbers = count(1)

    def base(self, fields: bytes = b"") -> bytes:
        """A new one; `fields` are those of `sizes`, or another file's."""
        seconds = self._now()
        whole = int(seconds)
        unique = b"%d.M%06dP%dQ%d.%s" % (whole, int((seconds - whole) * 1e6), self._process(), next(self._numbers), self._host)
        return unique + b"," + fields if fields else unique


def sizes(octets: int, virtual: int, raw: bool) -> bytes:
    """The fields of a base name: S, the file's octets; W, the octets with CRLF line ends; or the mark of a raw one."""
    return b"S=%d,%s" % (octets, RAW) if raw else b"S=%d,W=%d" % (octets, virtual)


def base_of(name: bytes) -> bytes:
    """What stays when flags change."""
    return name.partition(b":")[0]


def fields_of(base: bytes) -> bytes:
    """What stands behind the first comma."""
    return base.partition(b",")[2]


def is_raw(base: bytes) -> bool:
    """Whether the file's octets are the message's."""
    return RAW in fields_of(base).split(b",")


def virtual_size(base: bytes, octets: int) -> int | None:
    """The message's size where the name of a file of `octets` tells it; None: it must be counted."""
    known = dict(field.partition(b"=")[::2] for field in fields_of(base).split(b","))
    if is_raw(base):
        return octets
    if _NUMBER.fullmatch(known.get(b"W", b"")) and known.get(b"S") == b"%d" % octets:
        return int(known[b"W"])
    return None


def letters_of(name: bytes) -> bytes:
    """The flags of a file in cur."""
    info = name.partition(b":")[2]
    return info[2:].partition(b",")[0] if info.startswith(b"2,") else b""


def with_letters(name: bytes, letters: bytes) -> bytes:
    """The same file's name with other flags, in ASCII order as all want them; what others put behind them stays."""
    base, _, info = name.partition(b":")
    behind = b"".join(info[2:].partition(b",")[1:]) if info.startswith(b"2,") else b""
    return base + b":2," + bytes(sorted(set(letters))) + behind


def arrival_order(base: bytes) -> tuple[int, bytes]:
    """Sorts files as they were delivered, as far as their names tell."""
    match = _NUMBER.match(base)
    return (int(match[0]) if match else 0, base)


def folder_of(mailbox: str) -> str:
    """The directory of a mailbox in its account, "" for INBOX. Raises Forbidden for what no directory can be called.

    Levels are parted by "." and written in modified UTF-7; what would mean something there is escaped as Dovecot's
    ``listescape`` does it, as a backslash and two hexadecimal digits.
    """
    if mailbox == INBOX:
        return ""
    folder = "".join("." + level_of(level) for level in mailbox.split(SEPARATOR))
    if "\0" in mailbox:
        raise Forbidden("No NUL in a mailbox name")
    return folder if len(folder) <= MAX_OCTETS else _LONG + sha256(mailbox.encode("utf-8", "surrogatepass")).hexdigest()


def is_short(folder: str) -> bool:
    """Whether the folder's name tells the mailbox's; where that would be too long, a file in the folder does."""
    return not folder.startswith(_LONG)


def level_of(level: str) -> str:
    """One level as it is written in a folder's name."""
    if not level:
        return NOTHING
    escaped = level.replace("\\", "\\5c").replace(".", "\\2e")
    if escaped[0] == "~":
        escaped = "\\7e" + escaped[1:]
    return mutf7.encode(escaped).decode("ascii")


def mailbox_of(folder: str) -> str:
    """The mailbox of a directory's name (which begins with "."): `folder_of` backwards, also for what others have made."""
    return SEPARATOR.join(level_from(level) for level in folder[1:].split("."))


def level_from(written: str) -> str:
    """One level again; what is no modified UTF-7 is taken as it stands."""
    if written == NOTHING:
        return ""
    try:
        level = mutf7.decode(written.encode("ascii"))
    except ValueError:
        level = os.fsencode(written).decode("utf-8", "replace")
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), level).replace("\0", "")


def check_layout(layout: str) -> None:
    """Raises ValueError, one sentence."""
    try:
        apart = account_folder(layout, "one@a.example") != account_folder(layout, "two@a.example")
    except (KeyError, IndexError, ValueError, AttributeError):
        raise ValueError(f"layout {layout!r} may hold {{account}}, {{local}} and {{domain}}, and nothing else in braces") from None
    if not apart:
        raise ValueError(f"layout {layout!r} puts all accounts into one folder: it needs {{account}} or {{local}}")


def account_folder(layout: str, account: str) -> str:
    """The path of an account by a layout with {account}, {local} and {domain}; no account's name leads out of it."""
    local, _, domain = account.rpartition("@") if "@" in account else (account, "", "")
    path = layout.format(account=_tame(account), local=_tame(local), domain=_tame(domain or "local"))
    if max(len(os.fsencode(part)) for part in path.split("/")) > MAX_OCTETS:
        raise Forbidden("Account name is too long")
    return path


def _tame(part: str) -> str:
    return _ACCOUNT.sub(lambda match: f"\\{ord(match[0]):02x}", part) or NOTHING
