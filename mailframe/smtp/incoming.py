"""A message's octets on their way from the wire into the transaction: DATA up to its dot, or one chunk of BDAT."""

from __future__ import annotations

from typing import Protocol

from mailframe.model.refusal import Refusal

from .data import DataReader
from .framer import Framer
from .reply import Answer, Reply
from .transaction import Transaction

#: To a chunk that follows a refused one: it was sent before that was known, and is no mistake of its own.
AFTER_A_HOLE = Reply.of(503, "5.5.1", "An earlier chunk was refused: send RSET")


class Incoming(Protocol):
    """What the session reads instead of commands, until `read` says that it is over."""

    @property
    def out_of_place(self) -> bool:
        """Whether it should not have come: it counts as a bad command."""
        ...

    def needs(self) -> bool:
        """Whether it can only go on with octets that wait in the framer."""
        ...

    async def read(self, framer: Framer) -> bool:
        """Take what waits; True: that was the end of it, and it is to be answered."""
        ...

    def answer(self) -> Answer | Refusal | None:
        """After the end. None: the message is whole, and what comes of it is the answer."""
        ...


class Data:
    """Up to CRLF "." CRLF (RFC 5321 section 4.1.1.4)."""

    __slots__ = ("_reader", "_transaction")

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._reader: DataReader = transaction.begin_data()

    @property
    def out_of_place(self) -> bool:
        return False

    def needs(self) -> bool:
        return True

    async def read(self, framer: Framer) -> bool:
        reader = self._reader
        octets, rest = reader.feed(framer.take())
        if reader.done:
            framer.give_back(rest)
        if octets:
            await self._transaction.write(octets)
        return reader.done

    def answer(self) -> None:
        return None


class Chunk:
    """As many octets as BDAT has announced. The reply, of whatever kind, comes after them (RFC 3030 section 2)."""

    __slots__ = ("_last", "_left", "_refusal", "_size", "_transaction", "begun")

    def __init__(self, size: int, transaction: Transaction | None, *, last: bool, refusal: Reply | None, begun: float) -> None:
        """With `refusal` the octets are dropped, and it is said. `begun`: seconds since the epoch."""
        self._size = self._left = size
        self._transaction = transaction
        self._last = last
        self._refusal = refusal
        self.begun = begun

    @property
    def arrived(self) -> int:
        """Octets of it so far."""
        return self._size - self._left

    @property
    def out_of_place(self) -> bool:
        return self._refusal is not None and self._refusal is not AFTER_A_HOLE

    def needs(self) -> bool:
        return self._left > 0

    async def read(self, framer: Framer) -> bool:
        octets = framer.take(self._left)
        self._left -= len(octets)
        if self._transaction is not None and self._refusal is None:
            await self._transaction.write_chunk(octets, last=self._last and not self._left)
        return not self._left

    def answer(self) -> Answer | Refusal | None:
        transaction, refusal = self._transaction, self._refusal
        if refusal is not None:        # after the last chunk LMTP's client waits for all replies
            return refusal if transaction is None or not self._last else transaction.answer(refusal)
        if transaction is not None and self._last:
            return None
        if transaction is not None and transaction.refusal is not None:
            return transaction.refusal
        return Reply.of(250, "2.0.0", f"{self._size} octets received")
