"""The test DNS server in a process of its own: python -m support.dnschild RECORDS.json [authenticated]; prints its port."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from twisted.internet import reactor

from support.dnsserver import DnsServer


def main(path: Path, *words: str) -> None:
    server = DnsServer(reactor, json.loads(path.read_text()))
    server.authenticated = "authenticated" in words
    print(f"dns on {server.start()}", flush=True)
    reactor.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
