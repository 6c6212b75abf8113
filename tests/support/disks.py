"""Whole servers over data folders to which bad things happen."""

from __future__ import annotations

from pathlib import Path

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
