"""An SMTP server in a process of its own that tells what it was given: python -m support.capturechild ADDRESS PORT KEYWORD...

Each message is one line: ``took `` and JSON of MAIL, the RCPTs and the octets (as Latin-1). Recipients whose name begins with
"late" are put off, with "nobody" refused.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from twisted.internet import reactor as the_reactor

from support.smtpsink import Received, SmtpSink

reactor: Any = the_reactor


class Told(list[Received]):
    """What the sink takes is told at once, and not kept."""

    def append(self, message: Received) -> None:
        told = {"mail": message.mail, "rcpts": message.rcpts, "data": message.data.decode("latin-1")}
        print("took " + json.dumps(told), flush=True)


def main(address: str, port: str, *keywords: str) -> None:
    sink = SmtpSink(reactor, keywords=keywords, name=f"[{address}]")
    sink.messages = Told()
    sink.answers["RCPT"] = lambda line: (
        "550 5.1.1 Who is that?" if "<nobody" in line else "451 4.2.1 Come again" if "<late" in line else "")
    sink.start(int(port), address)
    print("capturing", flush=True)
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
