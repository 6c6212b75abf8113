"""SEARCH in heads, the lines that stand in front of a message's content: a page of them is looked through as one string."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from mailframe.mime.casemap import fold
from mailframe.mime.header import fields
from mailframe.mime.searchtext import KEPT_LINES, KEPT_OCTETS, field_holds
from mailframe.mime.text import header_text
from mailframe.model.mailbox import TextMatches
from mailframe.model.query import InHeader, InText
from mailframe.pacing.breath import Breath
from mailframe.sqlite.engine import Engine

_TAME = 2_000       # octets of a head that cannot have too many lines
_UNBROKEN = re.compile(r"[^\s:]+")

_JOINED = "SELECT count(*), max(length(octets)), CAST(group_concat(octets, x'0a') AS BLOB) FROM head WHERE mailbox = ?1 AND uid {}"
_HEADS = """
    SELECT h.uid, h.octets FROM head AS h
    WHERE h.mailbox = ?1 AND h.uid {} AND EXISTS (SELECT 1 FROM message AS m WHERE m.mailbox = ?1 AND m.uid = h.uid)"""


class Heads:
    """One search. A head is complete header lines, so its fields end where the content's begin."""

    def __init__(self, engine: Engine, clock: IReactorTime, leaf: InHeader | InText) -> None:
        self._engine, self._clock, self._leaf = engine, clock, leaf

    async def search(self, mailbox: int, where: str, uids: Sequence[Any]) -> TextMatches:
        """Of the messages whose UIDs meet `where` (?8, ?9 stand for `uids`): those whose heads match, and those to be read."""
        found, doubtful = array("I"), array("I")
        where = where.replace("?8", "?2").replace("?9", "?3")
        rows = await self._engine.read_async(_JOINED.format(where), (mailbox, *uids))
        count, longest, joined = rows[0]
        if not count or (longest <= _TAME and not self._possible(joined)):
            return TextMatches(found, doubtful)
        breath = Breath(self._clock.seconds, self._turn)
        for uid, octets in await self._engine.read_async(_HEADS.format(where), (mailbox, *uids)):
            if len(octets) > KEPT_OCTETS or octets.count(b"\n") > KEPT_LINES:
                doubtful.append(uid)
            elif self._possible(octets) and self._holds(octets):
                found.append(uid)
            await breath.take()
        return TextMatches(found, doubtful)

    def _possible(self, octets: bytes) -> bool:
        """Whether a match can lie in these heads: a quick look, that is wrong only in saying yes.

        What is not ASCII, or encoded, is decoded to know. Else text is what stands there in upper case, and letters without
        space between them stand together, however a field is folded.
        """
        leaf = self._leaf
        if isinstance(leaf, InHeader) and b"\n" + leaf.name not in b"\n" + octets.lower():
            return False
        if not octets.isascii() or b"=?" in octets:
            return True
        if not leaf.text.isascii():
            return False
        longest = max(_UNBROKEN.findall(leaf.text), key=len, default="")
        return longest.encode() in octets.upper()

    def _holds(self, octets: bytes) -> bool:
        leaf = self._leaf
        if isinstance(leaf, InHeader):
            return field_holds(fields(octets), leaf.name, leaf.text)
        return leaf.text in fold(header_text(octets))

    async def _turn(self) -> None:
        await deferLater(self._clock, 0)
