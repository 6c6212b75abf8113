"""Any octets are a message: the whole MIME room is run over them, and what it says has to hold together.

    cd tests; python -m fuzz message [FOLDER] [-max_total_time=600] [libFuzzer's options]
"""

from __future__ import annotations

from support.imapread import check_body, check_envelope, read_data

from mailframe.mime.attributes import attributes, from_scan
from mailframe.mime.index import Index, Part
from mailframe.mime.preview import candidates, octets_of, preview_of
from mailframe.mime.scan import Scanner, scan
from mailframe.mime.searchtext import search_text
from mailframe.mime.section import locate
from mailframe.mime.structure import render_body


def one_input(octets: bytes) -> None:
    """Raises when something does not hold. The first octet says how the rest is cut into pieces (I4)."""
    size, octets = octets[:1], octets[1:]
    whole = scan(octets)
    scanner, step = Scanner(), (size[0] if size else 0) + 1
    for at in range(0, len(octets), step):
        scanner.feed(octets[at:at + step])
    assert scanner.finish() == whole
    found = attributes(octets)
    check_envelope(read_data(found.envelope))
    check_body(read_data(found.structure), True)
    check_body(read_data(render_body(whole)), False)
    assert Index.unpack(found.index) == whole
    from_scan(whole, octets, b"")
    search_text(octets, whole)
    for number, part in enumerate(whole.parts):
        _holds(whole, number, part, octets)
    for part in candidates(whole):
        preview_of(octets[part.body:part.body + octets_of(part)], part)
    assert locate(whole, (), "") == (0, len(octets))


def _holds(whole: Index, number: int, part: Part, octets: bytes) -> None:
    assert 0 <= part.start <= part.body <= part.end <= len(octets)
    assert part.lines == octets.count(b"\n", part.body, part.end)
    assert part.parent < number
    if number:
        parent = whole.parts[part.parent]
        assert parent.body <= part.start and part.end <= parent.end

