"""Debian's Dovecot as another server: unprivileged, on a free port of loopback, its mail in a Maildir of the test's."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = shutil.which("dovecot", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
USER, PASSWORD = "ada", "correct-horse"
PATIENCE_S = 20.0

_CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
ssl = no
disable_plaintext_auth = no
{users}
first_valid_uid = 0
first_valid_gid = 0
mail_location = maildir:{folder}/mail
listen = 127.0.0.1
auth_mechanisms = plain login
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}
}}
namespace inbox {{
  inbox = yes
  separator = .
  prefix = INBOX.
  mailbox Sent {{
    special_use = \\Sent
  }}
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""


@contextmanager
def dovecot(folder: Path, settings: str = "") -> Iterator[int]:
    """Runs one that keeps all it has in `folder` (a short path: its sockets lie there), what was there before too; yields the
    port. `settings` follow its own."""
    assert PROGRAM is not None
    me = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    group = grp.getgrgid(me.pw_gid).gr_name
    users = f"default_internal_user = {me.pw_name}\ndefault_login_user = {me.pw_name}\ndefault_internal_group = {group}"
    (folder / "mail").mkdir(exist_ok=True)
    if os.getuid() == 0:                # it serves no mail as root, and logs nobody in as root
        users = ""
        folder.chmod(0o755)
        os.chown(folder / "mail", me.pw_uid, me.pw_gid)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "dovecot.conf"
    config.write_text(_CONFIG.format(
        folder=folder, users=users, uid=me.pw_uid, gid=me.pw_gid, port=port,
        password=PASSWORD) + settings)
    process = subprocess.Popen([PROGRAM, "-F", "-c", str(config)], start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=(folder / "errors").open("wb"))
    try:
        _ready(port, process, folder)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)


def _ready(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    begun = time.monotonic()
    while process.poll() is None and time.monotonic() - begun < PATIENCE_S:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
                if connection.recv(5) == b"* OK ":
                    return
        except OSError:
            continue
    log = folder / "log"
    raise AssertionError((folder / "errors").read_text() + (log.read_text() if log.exists() else ""))
