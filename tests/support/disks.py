"""Whole servers over data folders to which bad things happen."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

from .hostile import CONFIG, DOMAIN, PASSWORD, USERS, Target
from .servers import MailServer

BODY = b"z" * 76 + b"\r\n"


def message(key: str, octets: int) -> bytes:
    """Of about so many octets."""
    return f"Subject: {key}\r\n\r\n".encode() + BODY * (octets // len(BODY))


def prepare(folder: Path) -> None:
    """A configuration, and accounts."""
    (folder / "data").mkdir(mode=0o700, exist_ok=True)
    hashed = hash_password(PASSWORD)
    for user in USERS:
        add(folder / "data" / "accounts", f"{user}@{DOMAIN}", hashed)
    (folder / "mailframe.toml").write_text(CONFIG.format(sink=1))


def start(folder: Path) -> Target:
    """The server over it."""
    server = MailServer(folder, "--config", "mailframe.toml")
    return Target(server, server)


@contextmanager
def small_disk(place: Path, size: str = "5m") -> Iterator[Path]:
    """A file system of its own at `place`, which is made; the test is skipped where nothing may be mounted."""
    place.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no tmpfs to be had here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def free(place: Path) -> int:
    """Octets that fit in."""
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def fill_up(place: Path, leave: int) -> Path:
    """A file that leaves so many octets."""
    ballast = place / "ballast"
    with ballast.open("ab") as file:
        while (more := free(place) - leave) > 0:
            file.write(b"\1" * min(more, 65_536))
            file.flush()
    return ballast
