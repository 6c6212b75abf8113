"""Line ends that are none."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from mailframe.mime.newlines import has_bare_newline

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"\x0b", b"\x0c", b"\x1c", b"\x85", b"\xff"])).map(b"".join))
def test_only_a_cr_or_lf_alone_is_bare(octets: bytes) -> None:
    assert has_bare_newline(octets) == (_BARE.search(octets) is not None)


def test_where_it_stands_does_not_matter() -> None:
    text = b"a line\r\n" * 2_000
    assert not has_bare_newline(text)
    for bare in (b"\r", b"\n"):
        for place in (0, 8, 8_000, len(text)):
            assert has_bare_newline(text[:place] + bare + text[place:])
