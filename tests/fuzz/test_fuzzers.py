"""The fuzzers' inputs, tried without atheris, so that they cannot rot; and atheris itself for some seconds where it is there."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.lying import LYING
from support.messages import corpus

from fuzz import command, message, smtp

TESTS = Path(__file__).parents[1]
SAID = (
    b"a NOOP\r\n", b"a FETCH 1 (BODY[] ENVELOPE)\r\n", b"a LOGIN {3+}\r\nbob {6+}\r\nsecret\r\n", b"a SELECT INBOX\r\n",
    b"a SEARCH OR (TEXT x) NOT SEEN\r\n", b"a STORE 1 +FLAGS (\\Seen)\r\n", b"a IDLE\r\n", b"DONE\r\n", b"a APPEND x {9}\r\n",
    b'a SETACL "Other Users/bob/Team" bob lr\r\n', b'a GETMETADATA "Other Users/bob/Team" /shared/comment\r\n',
    b"a REPLACE 1 INBOX {2+}\r\nhi\r\n",
    b'a COPY 1 "Other Users/bob/Team"\r\n', b"a NOTIFY SET (personal (MessageNew MessageExpunge))\r\n", b"a ENABLE UIDONLY\r\n",
    b"a SEARCH RETURN (UPDATE COUNT) ALL\r\n", b"a CAPABILITY\r\n", b"a MOVE 1 INBOX\r\n", b'a DELETE "Other Users/bob/Team"\r\n',
    b"a AUTHENTICATE PLAIN\r\n", b"AGJvYgBzZWNyZXQ=\r\n", b"{", b"}", b"(", b")", b'"', b"\\", b"\0", b"\xff", b"\r\n", b"a ",
)


@settings(max_examples=60, deadline=None)
@given(LYING)
def test_messages(octets: bytes) -> None:
    message.one_input(octets)


@pytest.mark.parametrize("path", corpus(), ids=[path.name for path in corpus()])
def test_messages_from_the_wild(path: Path) -> None:
    message.one_input(b"\xff" + path.read_bytes())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 255), st.lists(st.sampled_from(SAID), max_size=8).map(b"".join) | st.binary(max_size=60))
def test_commands(how: int, octets: bytes) -> None:
    command.one_input(bytes([how]) + octets)


SMTP_SAID = (
    b"EHLO c\r\n", b"LHLO c\r\n", b"MAIL FROM:<a@far.example>", b"RCPT TO:<b@mx.example>", b"DATA\r\n", b"text\r\n.\r\n",
    b"BDAT 5\r\n", b"BDAT 5 LAST\r\n", b"RSET\r\n", b"QUIT\r\n", b"AUTH PLAIN AGJvYgBzZWNyZXQ=\r\n", b"AUTH LOGIN\r\n", b"*\r\n",
    b"XCLIENT ADDR=192.0.2.9 LOGIN=bob\r\n", b"XFORWARD NAME=[UNAVAILABLE]\r\n", b"VRFY bob\r\n", b"ETRN @mx.example\r\n",
    b" BODY=BINARYMIME", b" SMTPUTF8", b" HOLDFOR=60", b" BY=1;R", b" ENVID=+41", b" NOTIFY=NEVER", b" ORCPT=rfc822;b", b"\r\n",
    b"STARTTLS\r\n", b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 25\r\n", b"PROXY UNKNOWN\r\n", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
    b"\0", b"\xff", b"x" * 2_100, b"<", b">", b"@", b" ",
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 255), st.lists(st.sampled_from(SMTP_SAID), max_size=10).map(b"".join) | st.binary(max_size=60))
def test_smtp(how: int, octets: bytes) -> None:
    smtp.one_input(bytes([how]) + octets)


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed (pip install 'mailframe[fuzz]')")
@pytest.mark.parametrize("fuzzer", ["message", "command", "smtp"])
def test_atheris(fuzzer: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    runs = "-max_total_time=600" if request.config.getoption("--long") else "-runs=1000"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(TESTS), str(TESTS.parent)))}
    done = subprocess.run(
        [sys.executable, "-m", "fuzz", fuzzer, str(tmp_path), runs, "-max_len=4096", "-rss_limit_mb=2048"], cwd=tmp_path,
        env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-4_000:]
