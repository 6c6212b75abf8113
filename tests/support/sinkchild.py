"""The scripted SMTP sink in a process of its own: python -m support.sinkchild; prints its port, then what it takes.

A line ``took KEY from NAME at TIME: MAIL`` is written before the reply to it; NAME is what the latest client called itself,
TIME the epoch's seconds, MAIL the command. Recipients whose name begins with "nobody" are refused, with "slow" put off.
"""

from __future__ import annotations

import re
import time
from typing import Any

from twisted.internet import reactor as the_reactor

from support.smtpsink import Received, SmtpSink

reactor: Any = the_reactor
_KEY = re.compile(rb"(?m)^X-Key: (\S+)\r$")


class Told(list[Received]):
    """What the sink takes is told at once, and not kept."""

    def __init__(self, sink: SmtpSink) -> None:
        super().__init__()
        self._sink = sink
        self.client = "-"

    def hello(self, line: str) -> str:
        self.client = line.split()[1]
        return ""

    def append(self, message: Received) -> None:
        found = _KEY.search(message.data)
        print(f"took {found[1].decode() if found else '-'} from {self.client} at {time.time():.3f}: {message.mail}", flush=True)
        self._sink.lines.clear()
        self._sink.writes.clear()


def main() -> None:
    sink = SmtpSink(reactor, keywords=("SIZE 50000000", "8BITMIME", "DELIVERBY", "MT-PRIORITY"))
    sink.messages = told = Told(sink)
    sink.answers["EHLO"] = told.hello
    sink.answers["RCPT"] = lambda line: (
        "550 5.1.1 Nobody here" if "<nobody" in line else "451 4.2.1 Come again" if "<slow" in line else "")
    print(f"sink on {sink.start()}", flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
