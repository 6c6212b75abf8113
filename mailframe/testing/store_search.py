"""The store contract about search: never another answer than that of reading each message."""

from __future__ import annotations

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import ISearchable
from mailframe.mime.casemap import fold
from mailframe.mime.header import decode_words, fields, split_header
from mailframe.mime.searchtext import search_text
from mailframe.model.mailbox import MAX_UID, TextMatches, UidRanges
from mailframe.model.query import InBody, InHeader, InText

from .cases import cases
from .store_base import ALL, StoreBase

Leaf = InHeader | InBody | InText

_PART = b"--b\r\nContent-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n%b\r\n"
MAIL: tuple[bytes, ...] = (
    b"", b"no header at all", b"Subject: Engine\r\n\r\nIt might act upon other things.\r\n",
    b"Subject: =?utf-8?q?=C3=9Cbung_macht?=\r\n =?utf-8?q?_den_Meister?=\r\nFrom: Ada <ada@example.org>\r\n\r\nKurz.\r\n",
    b"Subject: folded\r\n over lines\r\nX-Twice: one\r\nX-Twice: two\r\n\r\n.\r\n",
    b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "Grüße aus Köln, 受信トレイ\r\n".encode(),
    b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"Gr=FC=DFe au=\r\ns K=F6ln\r\n",
    b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPHA+SGVsbG8gPGI+V288L2I+cmxkPC9wPg==\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\nSubject: parts\r\n\r\n" + _PART % (b"text/plain", b"7bit", b"inner words")
    + _PART % (b"application/pdf", b"base64", b"aGlkZGVuIHdvcmRz") + _PART % (
        b"message/rfc822", b"7bit", b"Subject: enclosed\r\n\r\nletter within") + b"--b--\r\n",
    b"Subject: " + b"long " * 2_000 + b"\r\n\r\n" + b"tail " * 9_000 + b"needle\r\n",
    b"Subject: needle\r\n\r\n\xff\xfe\0broken\r\n",
    b"subject:no space\r\nTo:\r\n\r\nempty To\r\n",
)
WORDS = tuple(map(fold, (
    "engine", "übung macht den meister", "meister", "folded over", "grüße", "köln", "受信", "world", "hello world",
    "inner words", "hidden", "enclosed", "letter within", "needle", "tail tail", "ada@example.org", "two", "ss",
    "no such word", "e", " ", "br\u00f6ken", "koeln", "ko", "gru\u0308",
)))
LEAVES: dict[str, tuple[Leaf, ...]] = {
    **{f"word_{number}": (InText(word), InBody(word), InHeader(b"subject", word)) for number, word in enumerate(WORDS)},
    "field_is_there": (InHeader(b"subject", ""), InHeader(b"to", ""), InHeader(b"x-never", "")),
    "field_twice": (InHeader(b"x-twice", "ONE"), InHeader(b"x-twice", "TWO")), "address": (InHeader(b"from", "ADA"),),
}
RANGES: dict[str, UidRanges] = {"all": ALL, "none": (), "some": ((2, 4), (9, MAX_UID)), "beyond": ((100, 200),)}


def matches(octets: bytes, leaf: Leaf) -> bool:
    """By reading it, as the framework does for a store that cannot search."""
    header, body = search_text(octets)
    match leaf:
        case InBody(text):
            return text in body
        case InText(text):
            return text in header or text in body
        case InHeader(name, text):
            found = fields(octets[:split_header(octets)])
            return any(field == name and text in fold(decode_words(value)) for field, value in found)


class SearchContract(StoreBase):
    """`ISearchable`, where the mailbox provides it."""

    @cases(LEAVES)
    async def test_search_answers_as_reading_would(self, *leaves: Leaf) -> None:
        """At once, after flags changed, after some went, for parts of the mailbox."""
        mailbox = await self.mailbox()
        self.need(ISearchable, mailbox)
        searchable: ISearchable = mailbox       # type: ignore[assignment]
        await self.append(mailbox, *MAIL)
        for gone in ((), (3,), (1, 9)):
            await self.expunge(mailbox, gone)
            there = await self.uids(mailbox)
            texts = {uid: await self.whole(mailbox, uid) for uid in there}
            for leaf in leaves:
                for ranges in RANGES.values():
                    wanted = {uid: texts[uid] for uid in there if any(first <= uid <= last for first, last in ranges)}
                    self._true(leaf, await settled(searchable.search(leaf, ranges)), wanted)

    def _true(self, leaf: Leaf, answer: TextMatches, wanted: dict[int, bytes]) -> None:
        known = [*answer.found, *answer.open]
        self.assertEqual(sorted(set(known)), sorted(known), "found or open, not both")
        self.assertEqual((sorted(answer.found), sorted(answer.open)), (list(answer.found), list(answer.open)))
        self.assertLessEqual(set(known), set(wanted))
        truly = [uid for uid, octets in wanted.items() if matches(octets, leaf)]
        self.assertEqual([], [uid for uid in answer.found if uid not in truly], "found what does not match")
        self.assertEqual([], [uid for uid in truly if uid not in known], "left out what matches")
