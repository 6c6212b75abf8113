"""A server that takes mail in by SMTP, submission and LMTP, for `intakeclient`; nobody takes what it would hand on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

from .intakeclient import DOMAIN, PASSWORD
from .servers import MailServer, listeners

CONFIG = """
hostname = "mail.one.example"
data = "data"
domains = "one.example"
{top}
""" + listeners("smtp", "submission") + """
[listeners.lmtp]
role = "lmtp"
endpoint = "127.0.0.1:0"
[relay.smarthost]
host = "127.0.0.1"
port = 1
tls = "none"
"""


def start(folder: Path, top: str = "", owned: Callable[[Path], tuple[str, ...]] = lambda _: (), **env: str) -> MailServer:
    """`top`: tables of its configuration, after a key or two; `owned`: given the folder when all is in it, twistd's own options."""
    (folder / "data").mkdir(mode=0o700, exist_ok=True)
    hashed = hash_password(PASSWORD)
    for user in ("alice", "bob") if not (folder / "data" / "accounts").exists() else ():
        add(folder / "data" / "accounts", f"{user}@{DOMAIN}", hashed)
    (folder / "mailframe.toml").write_text(CONFIG.format(top=top))
    return MailServer(folder, "--config", "mailframe.toml", before=owned(folder), env=env)
