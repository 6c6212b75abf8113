"""What stories of several servers share: other parts in processes of their own, names for all, and an INBOX that fills."""

from __future__ import annotations

import imaplib
import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from support.servers import PATIENCE_S, Child, until


def helper(stack: ExitStack, folder: Path, module: str, *words: str) -> Child:
    """`python -m` one of these modules, with `folder` for its place, until `stack` ends it."""
    child = Child([sys.executable, "-m", module, *words], folder, {"PYTHONPATH": str(Path(__file__).parents[1])})
    stack.callback(child.stop)
    return child


def names(stack: ExitStack, folder: Path, records: Mapping[str, Any], *words: str) -> int:
    """The port of a DNS server that answers with `records` (see `dnsserver`)."""
    (folder / "records.json").write_text(json.dumps(records))
    return int(helper(stack, folder, "support.dnschild", "records.json", *words).wait_for(r"dns on (\d+)")[1])


def inbox(ip: str, port: int, user: str, password: str, count: int = 1) -> list[bytes]:
    """The messages of an INBOX by IMAP, octet for octet, once there are `count` of them."""
    client = imaplib.IMAP4(ip, port, timeout=PATIENCE_S)
    client.login(user, password)
    until(lambda: int(client.select("INBOX")[1][0] or b"0") >= count, f"{count} messages in the INBOX of {user}")
    found = [part[1] for part in client.fetch("1:*", "(BODY.PEEK[])")[1] if isinstance(part, tuple)]
    client.logout()
    return found
