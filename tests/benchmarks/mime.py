"""How long hostile messages take, and whether twice as much takes twice as long: linear time, measured.

    python tests/benchmarks/mime.py [--runs 5]

"made" is one pass over the octets that yields index, ENVELOPE, BODYSTRUCTURE and preview; "text" what SEARCH reads. Each
message is made in two sizes, one twice the other; the ratio is that of the medians of processor time, and 2.0 is linear. Beyond
the stated limits (`mailframe.mime.limits`) octets are only passed over, so that the ratio may be smaller.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import thread_time

sys.path[:0] = [str(Path(__file__).parents[2])]

from mailframe.mime.attributes import attributes  # noqa: E402
from mailframe.mime.scan import scan  # noqa: E402
from mailframe.mime.searchtext import search_text  # noqa: E402

MULTIPART = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"


def _nested(depth: int) -> bytes:
    opened = [b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level) for level in range(depth)]
    return b"".join(opened) + b"\r\nx\r\n" + b"".join(b"\r\n--b%d--" % level for level in reversed(range(depth)))


MESSAGES: dict[str, Callable[[int], bytes]] = {
    "header lines": lambda n: b"X-A: b\r\n" * (500_000 * n) + b"\r\nbody\r\n",
    "one folded header": lambda n: b"Subject: a\r\n" + b" b\r\n" * (500_000 * n) + b"\r\nbody\r\n",
    "one long header line": lambda n: b"Subject: " + b"y" * (5_000_000 * n) + b"\r\n\r\n",
    "parts": lambda n: MULTIPART + b"--b\r\n\r\nx\r\n" * (25_000 * n) + b"--b--\r\n",
    "parts without an end": lambda n: MULTIPART + b"--b\r\nContent-Type: a/b\r\n" * (25_000 * n),
    "nested multiparts": lambda n: _nested(5_000 * n),
    "messages within one another": lambda n: b"Content-Type: message/rfc822\r\n\r\n" * (25_000 * n),
    "almost delimiters": lambda n: MULTIPART + b"--b-\r\n--bb\r\n--" * (200_000 * n),
    "addresses": lambda n: b"To: " + b"a@b.example, " * (1_000 * n) + b"c@d\r\n\r\n",
    "comments in addresses": lambda n: b"From: " + b"(" * (50_000 * n) + b"\r\n\r\n",
    "quotes": lambda n: b"To: " + b'"\\' * (50_000 * n) + b"\r\n\r\n",
    "parameters": lambda n: b"Content-Type: text/plain" + b"; x*0*=%41" * (10_000 * n) + b"\r\n\r\n",
    "encoded words": lambda n: b"Subject: " + b"=?utf-8?Q?=C3=A9?= " * (6_000 * n) + b"\r\n\r\n",
    "references": lambda n: b"References: " + b"<a@b> " * (20_000 * n) + b"\r\n\r\n",
    "base64": lambda n: b"Content-Transfer-Encoding: base64\r\n\r\n" + (b"QUJD" * 19 + b"\r\n") * (30_000 * n),
    "quoted-printable": lambda n: b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=3D=3D=\r\n" * (200_000 * n),
    "HTML": lambda n: b"Content-Type: text/html\r\n\r\n" + b"<a b=c>&amp;<!-- " * (100_000 * n),
    "line ends": lambda n: b"\r\n" * (1_000_000 * n), "NUL": lambda n: b"\0" * (2_000_000 * n),
    "hyphens": lambda n: MULTIPART + b"-" * (2_000_000 * n),
}


def made(octets: bytes) -> None:
    attributes(octets)


def text(octets: bytes) -> None:
    search_text(octets, scan(octets))


def milliseconds(work: Callable[[bytes], None], octets: bytes, runs: int) -> float:
    """Of processor time, the median."""
    took = []
    for _ in range(runs):
        begun = thread_time()
        work(octets)
        took.append((thread_time() - begun) * 1_000)
    return statistics.median(took)


def main() -> None:
    """Prints a row for each kind of message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    print("| message | octets | made, ms | ratio | text, ms | ratio |\n|---|---:|---:|---:|---:|---:|")
    for name, message in MESSAGES.items():
        one, two = message(1), message(2)
        row = [f"| {name} | {len(two):,}"]
        for work in (made, text):
            short, long = milliseconds(work, one, runs), milliseconds(work, two, runs)
            row.append(f"{long:.1f} | {long / short:.1f}")
        print(" | ".join(row) + " |")


if __name__ == "__main__":
    main()
