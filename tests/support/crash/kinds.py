"""How the servers are set up that are killed, and the ways in which their mail rests."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from support.servers import listeners

from .stranger import DELAY_S

HANDED_OVER_AT_ONCE = 10        # max_per_domain
ROOT = Path(__file__).parents[3]
GUARDS = ("bans", "rates", "early", "reverse", "hello", "sender", "recipients", "tarpit")
CONFIG = """
hostname = "life{life}.one.example"
data = "data"
domains = "one.example"
{top}
""" + listeners("smtp", "submission", "imap", "pop3") + """
[listeners.lmtp]
role = "lmtp"
endpoint = "127.0.0.1:0"
[listeners.socket]
role = "lmtp"
endpoint = "unix:{folder}/lmtp:mode=600"
tls = "none"
[smtp]
xclient_from = ["127.0.0.1"]
[queue]
first_delay_s = 0.3
max_per_domain = 10
[relay]
port = {sink}
nameservers = ["127.0.0.1:{dns}"]
[pipeline.submission]
save_sent = ["author@one.example"]
[pipeline.submission.rates]
messages_per_hour = 1_000_000
messages_per_day = 1_000_000
recipients_per_hour = 0
recipients_per_day = 0
on_loopback = true
save_s = 0.2
""" + "".join(f"[guards.{name}]\nroles = []\n" for name in GUARDS) + f"""
[guards.greylist]
roles = ["mx"]
delay_s = {DELAY_S}
good_after = 0
""" + "{tables}\n"


@dataclass(frozen=True)
class Kind:
    """A way to set the server up."""

    top: str = ""
    tables: str = ""
    hasty: bool = False                 # content is swept all the time
    joined: bool = True                 # mailboxes and queue are one database: all may be changed, and `faults` knows it
    env: dict[str, str] = field(default_factory=dict)


SQLITE = '[storage]\nplugin = "sqlite"\n'
PLAIN = Kind()
KINDS = {
    "in_pieces": Kind('content = "sqlite"'),
    "searched_and_swept": Kind(tables=SQLITE + "search_text = true\nsearch_index = true\n", hasty=True),
    "shards": Kind(tables=SQLITE + "shards = 3\n", hasty=True, joined=False),
    "maildir": Kind(tables='[storage]\nplugin = "maildir"\npath = "mail"\n', joined=False),
    "beside": Kind(tables='[storage]\nplugin = "mailframe_json_store:JsonStore:mail"\n', joined=False,
                   env={"PYTHONPATH": os.pathsep.join(map(str, (ROOT / "examples" / "json_store", ROOT, ROOT / "tests")))}),
}
SHORT = ("searched_and_swept", "shards")
