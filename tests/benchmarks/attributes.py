"""What is made of each message that comes in - index, ENVELOPE, BODYSTRUCTURE, preview, links - in microseconds of processor time.

    python tests/benchmarks/attributes.py [--against CHECKOUT] [--runs 11] [--messages 2000]

The messages are those of `mails.py`: 10 KiB, three parts on average. With `--against`, the `mailframe/mime` of another checkout of
this project is loaded beside this one's, both take turns in the same process, and all that they make is compared.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import thread_time
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

from mails import Mails  # noqa: E402

HEAD = (b"Return-Path: <person5@example.org>\r\nDelivered-To: reader@bench.example\r\n"
        b"Received: from mx.example.net (localhost [127.0.0.1])\r\n\tby bench.example with ESMTP id 0123456789ab\r\n"
        b"\tfor <reader@bench.example>;\r\n\tMon, 01 Jan 2024 10:00:00 +0000\r\n")


class Room:
    """One `mime` room, under whatever name it was imported."""

    def __init__(self, package: str) -> None:
        def module(name: str) -> ModuleType:
            return importlib.import_module(f"{package}.{name}")
        self.attributes, self.scan, self.envelope = module("attributes"), module("scan"), module("envelope")
        self.structure, self.preview, self.header = module("structure"), module("preview"), module("header")

    def stages(self, octets: bytes) -> list[tuple[str, Callable[[], Any]]]:
        """Each stage of what a delivery does, ready to be run; the first is all of them."""
        index = self.scan.scan(octets)
        header = octets[:self.header.split_header(octets)]
        return [
            ("all", lambda: self.attributes.attributes(octets)), ("index", lambda: self.scan.scan(octets)),
            ("preview", lambda: self.preview.preview(octets, index)),
            ("head + ENVELOPE, BODYSTRUCTURE, links", lambda: self.attributes.from_scan(index, header, HEAD)),
            ("ENVELOPE", lambda: self.envelope.render_envelope(header)),
            ("BODYSTRUCTURE", lambda: self.structure.render_bodystructure(index)),
            ("index packed", lambda: index.pack(len(HEAD))), ("links", lambda: self.attributes.links_in(header)),
        ]


def other(checkout: Path) -> Room:
    """The `mailframe/mime` of `checkout`, imported as `mime_before`."""
    where = checkout / "mailframe" / "mime"
    spec = importlib.util.spec_from_file_location("mime_before", where / "__init__.py", submodule_search_locations=[str(where)])
    assert spec is not None and spec.loader is not None
    sys.modules["mime_before"] = importlib.util.module_from_spec(spec)
    return Room("mime_before")


def same(one: object, other: object) -> bool:
    """Whether two rooms made the same: their classes differ, so by what is shown of them."""
    return repr(one) == repr(other)


def main() -> None:
    """Prints a row for each stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--messages", type=int, default=2_000)
    given = parser.parse_args()
    rooms = [*([other(given.against)] if given.against else []), Room("mailframe.mime")]
    mails = Mails()
    messages = [mails.make(number) for number in range(given.messages)]
    work = [[[stage[1] for stage in room.stages(octets)] for octets in messages] for room in rooms]
    names = [name for name, _ in rooms[0].stages(messages[0])]
    print("| stage | " + " | ".join(["before, us", "now, us"][-len(rooms):]) + " |\n|---|" + "---:|" * len(rooms))
    for place, name in enumerate(names):
        took: list[list[float]] = [[] for _ in rooms]
        for _ in range(given.runs):
            for each, mine in zip(took, work):
                begun = thread_time()
                for stages in mine:
                    stages[place]()
                each.append((thread_time() - begun) * 1e6 / len(messages))
        if len(work) == 2 and not all(same(*(stages[place]() for stages in pair)) for pair in zip(*work)):
            raise SystemExit(f"{name}: not the same")
        print(f"| {name} | " + " | ".join(f"{statistics.median(each):.1f}" for each in took) + " |")


if __name__ == "__main__":
    main()
