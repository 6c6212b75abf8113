"""docs/specifications.md tells the truth: about what is announced, where it is written down, and which RFCs are spoken of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pytest
from support.announced import announced, real_server
from support.specifications import DOCUMENT, imap_rows, made, numbers, pop3_rows, quoted, renewed, smtp_rows

ANEW = "make it anew: PYTHONPATH=tests python -m support.specifications"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Sequence[str]]:
    """What a real server announces, over sockets."""
    server = real_server(tmp_path_factory.mktemp("server"))
    try:
        return announced(server)
    finally:
        assert server.stop() == 0, server.output


def section(title: str) -> str:
    """The document's text under a heading of the second level."""
    return DOCUMENT.read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def listed() -> set[str]:
    """The RFCs of the list at the document's end."""
    return set(re.findall(r"^\| \[(\d+)\]", section("The RFCs"), re.M))


def test_its_made_parts_are_up_to_date(found: Mapping[str, Sequence[str]]) -> None:
    text = DOCUMENT.read_text()
    parts = made(found)
    assert set(re.findall(r"<!-- made: (\S+) -->", text)) == set(parts)
    assert text == renewed(text, parts), ANEW


def test_everything_announced_has_a_row_with_an_rfc(found: Mapping[str, Sequence[str]]) -> None:
    """Nothing is announced that nobody wrote down."""
    smtp = dict.fromkeys(("SMTP", "Submission", "LMTP"), smtp_rows())
    for protocol, rows in {**smtp, "IMAP": imap_rows(), "POP3": pop3_rows()}.items():
        words = {word for announced_as, _, _, _ in rows for word in announced_as}
        for situation, said in found.items():
            if situation.startswith(protocol):
                for line in said:
                    assert {line, re.split("[ =]", line)[0]} & words, f"{situation}: {line} has no row"
        for announced_as, rfc, commands, _ in rows:
            assert numbers(rfc) or "README" in rfc, f"{announced_as or commands} names no RFC"


def test_every_registered_word_is_announced_in_some_situation(found: Mapping[str, Sequence[str]]) -> None:
    """Nothing doable is hidden: with a store that can do all, every capability is offered sooner or later."""
    said = {part for words in found.values() for word in words for part in (word, re.split("[ =]", word)[0])}
    for rows in (smtp_rows(), imap_rows(), pop3_rows()):
        for words, _, _, _ in rows:
            assert set(words) <= said


def test_every_rfc_in_the_code_is_in_the_list() -> None:
    missing = {number: files for number, files in quoted().items() if number not in listed()}
    assert not missing


def test_the_list_holds_nothing_that_the_code_does_not_speak_of() -> None:
    followed_in_form = {"3462"}        # the code says "RFC 3461 to 3464"
    assert listed() - followed_in_form <= set(quoted())


def test_every_rfc_named_anywhere_in_the_document_is_in_the_list() -> None:
    assert set(re.findall(r"RFC (\d{3,5})", DOCUMENT.read_text())) <= listed()


def test_what_is_not_there_is_not_announced(found: Mapping[str, Sequence[str]]) -> None:
    absent = section("Not there")
    for protocol in ("SMTP", "IMAP", "POP3"):
        words = set(re.findall(r"`([A-Z0-9=+-]+)`", re.search(rf"^{protocol}: .*?(?=\n\n)", absent, re.M | re.S)[0]))  # type: ignore[index]
        assert words
        said = {part for situation, lines in found.items() for line in lines for part in (line, line.split()[0], line.split("=")[0])
                if situation.startswith(protocol) or (protocol == "SMTP" and situation.startswith("Submission"))}
        assert not words & said
    mechanisms = set(re.findall(r"`([A-Z0-9-]+)`", absent.partition("SASL: ")[2]))
    offered = {word for lines in found.values() for line in lines for word in re.split("[ =]", line)}
    assert mechanisms and not mechanisms & offered


def test_rows_of_the_list_are_in_order_and_link_to_their_rfc() -> None:
    row = r"^\| \[(\d+)\]\(https://www\.rfc-editor\.org/rfc/rfc(\d+)\) \| [^|]+ \| [^|]+ \|$"
    rows = re.findall(row, section("The RFCs"), re.M)
    assert [int(number) for number, _ in rows] == sorted({int(number) for number in listed()})
    assert all(number == linked for number, linked in rows)
