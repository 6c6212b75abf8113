"""Debian's Postfix as another server: as root, since it gives up root itself, with all that it has in a folder of the caller's."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from support.certificates import pem_pair
from support.servers import Child

PROGRAM = shutil.which("postfix", path=os.environ.get("PATH", "") + ":/usr/sbin")
USABLE = PROGRAM is not None and os.geteuid() == 0
UNUSABLE = "Postfix is not installed (apt-get install postfix), or we are not root"
STDOUT = "/dev/stdout"

_STOP_S = 60.0
_MAIN = """
compatibility_level = 3.6
config_directory = {folder}
queue_directory = {folder}/queue
data_directory = {folder}/data
myhostname = {hostname}
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
maillog_file = {log}
virtual_mailbox_base = {folder}/mail
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
smtpd_tls_security_level = may
smtpd_tls_chain_files = {folder}/pair.pem
"""
_MASTER = """
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@contextmanager
def postfix(folder: Path, hostname: str, listens: Mapping[str, str], settings: str, log: str = STDOUT) -> Iterator[Child]:
    """Runs one that listens on each `address:port` of `listens`, with these options of its smtpd, and yields it.

    `settings`: the rest of its main.cf; virtual mailboxes lie in `folder`/mail. Postfix's own user must be able to reach `folder`.
    It is ready when it is yielded, unless its `log` goes elsewhere than to the standard output."""
    assert PROGRAM is not None
    owner, group = (int(subprocess.check_output(["id", flag, "postfix"], text=True)) for flag in ("-u", "-g"))
    for name in ("", "queue", "data", "mail"):
        (folder / name).mkdir(exist_ok=True)
        if name in ("data", "mail"):
            os.chown(folder / name, owner, group)
    (folder / "pair.pem").write_bytes(b"".join(reversed(pem_pair(hostname))))
    (folder / "main.cf").write_text(_MAIN.format(folder=folder, hostname=hostname, log=log, uid=owner, gid=group) + settings)
    (folder / "master.cf").write_text(
        "".join(f"{address} inet n - n - - smtpd {options}\n" for address, options in listens.items()) + _MASTER)
    child = Child([PROGRAM, "-c", str(folder), "start-fg"], folder)
    try:
        if log == STDOUT:
            child.wait_for("daemon started")
        yield child
    finally:
        subprocess.run([PROGRAM, "-c", str(folder), "stop"], capture_output=True, timeout=_STOP_S, check=False)
        child.stop()
