"""FUZZY searches over the index: what they find is what looking at each text would find, whether or not its text is made yet."""

from __future__ import annotations

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.imap_stub import run
from support.textworld import ALL, World

from mailframe.imap.search.searching import Searching
from mailframe.mime.casemap import fold
from mailframe.mime.fuzzy import Meant, plain
from mailframe.model.mailbox import New
from mailframe.model.query import Fuzzy, InBody, InHeader, InText
from mailframe.pacing.breath import Breath
from mailframe.stores.sqlite import fulltext
from mailframe.stores.sqlite.fuzzysearch import FuzzyMailbox

BREATH = Breath(lambda: 0.0, lambda: None)  # type: ignore[arg-type, return-value]
WORDS = ("alpha", "beta", "Résumé", "resume", "Größe", "groesse", "日本語", "ab", "a-b", "über", "uber", "\u0301", "x.y@example")


class FuzzyWorld(World):
    def __init__(self) -> None:
        super().__init__(True)

    def mailbox(self, name: str = "INBOX") -> FuzzyMailbox:
        info = run(self.account.find_mailbox(name))
        return FuzzyMailbox(self.store._parts, self.account._number, int(info.id), words=True, version=self.version)


def mail(subject: str, body: str) -> bytes:
    return f"Subject: {subject}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n".encode()


texts = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=8), texts, st.integers(0, 9))
def test_the_index_finds_what_looking_finds(messages: list[tuple[str, str]], wanted: str, made: int) -> None:
    world = FuzzyWorld()
    run(world.mailbox().append([New(mail(*message)) for message in messages]))
    for _ in range(made):
        run(world.maker.round())
    meant = Meant.of(fold(wanted))
    for leaf, text in (
        (InHeader(b"subject", fold(wanted)), lambda subject, body: subject), (InBody(fold(wanted)), lambda subject, body: body),
        (InText(fold(wanted)), lambda subject, body: mail(subject, body).decode()),
    ):
        expected = [uid for uid, message in enumerate(messages, 1) if meant.relevancy(fold(text(*message)))]
        search = Searching(world.mailbox(), (), Fuzzy(leaf), BREATH)
        assert list(run(search.among(ALL))) == expected
        assert set(search.relevancies) >= set(expected) and all(0 < each <= 100 for each in search.relevancies.values())


def test_the_index_narrows() -> None:
    """Only what has all words is read."""
    world = FuzzyWorld()
    run(world.mailbox().append([New(mail("x", f"number {number} of café")) for number in range(100, 140)]))
    world.make()
    read: list[str] = []
    world.engine.connection.exec_trace = lambda cursor, sql, bindings: not read.append(sql)
    assert list(run(world.mailbox().fuzzy(InBody(fold("Cafe 117")), ALL)).found) == [18]
    world.engine.connection.exec_trace = None
    assert sum("text_body" in sql for sql in read) == 1


@pytest.mark.parametrize(("low", "high"), [
    ("imapbreaks", "imap xx break"), ("imap xx break", "imap break"), ("the imap", "the imap of imap"),
    ("breaker imap", "break imap"),
])
def test_what_is_more_relevant(low: str, high: str) -> None:
    meant = Meant.of(fold("imap break" if "break" in low else "imap"))
    assert 0 < meant.relevancy(fold(low)) < meant.relevancy(fold(high)) <= 100


def test_every_word_must_be_there() -> None:
    assert Meant.of(fold("one two")).relevancy(fold("one")) == 0
    assert plain(fold("Crème Brûlée")) == "CREME BRULEE"


def test_an_index_of_an_earlier_version_is_made_anew() -> None:
    con = apsw.Connection(":memory:")
    con.execute("CREATE TABLE text (content INTEGER PRIMARY KEY, version INTEGER, indexed INTEGER, header BLOB)")
    con.execute(fulltext.MIGRATIONS[0])
    con.execute("INSERT INTO text VALUES (7, 1, 1, x''); INSERT INTO words (rowid, text) VALUES (7, 'E\u0301CLAIR')")
    con.execute(fulltext.MIGRATIONS[1])
    assert con.execute("SELECT indexed FROM text").fetchall() == [(0,)]
    con.execute("INSERT OR REPLACE INTO words (rowid, text) VALUES (7, 'E\u0301CLAIR'); UPDATE text SET indexed = 1")
    assert con.execute("SELECT rowid FROM words WHERE words MATCH ?", (fulltext.terms(fold("eclair")),)).fetchall() == [(7,)]
    con.execute("DELETE FROM text")
    assert con.execute("SELECT rowid FROM words WHERE words MATCH '\"ECL\"'").fetchall() == []
