"""A literal that is read while it comes: a message of APPEND or REPLACE, or a part of one."""

from __future__ import annotations

from collections.abc import Callable

from mailframe.model.refusal import MessageTooBig

from .connection import Connection
from .cursor import BadSyntax, Cursor
from .framer import Continue, Rejected, Stream, Whole

CONTINUE = b"+ OK\r\n"


class StreamedLiteral:
    """See `registry.Literal`. `succeeded` is given the literal that follows in the same command, or None."""

    def __init__(
        self, connection: Connection, event: Stream, utf8: bool, succeeded: Callable[[StreamedLiteral | None], None],
    ) -> None:
        self.size = event.size
        self.binary = event.binary
        self._connection = connection
        self._utf8 = utf8                   # of the cursors that `rest` gives
        self._succeeded = succeeded

    def accept(self) -> None:
        """See `registry.Literal`."""
        if self._connection.framer.accept():
            self._connection.out.write(CONTINUE)

    async def read(self) -> bytes:
        """See `registry.Literal`."""
        framer = self._connection.framer
        while (octets := framer.streamed()) is None:
            await self._connection.more()
        return octets

    async def rest(self) -> Cursor:
        """See `registry.Literal`."""
        connection = self._connection
        connection.framer.resume()
        while True:
            event = connection.framer.next()
            match event:
                case None:
                    await connection.more()
                case Continue():
                    connection.out.write(CONTINUE)
                case Whole(data):
                    self._succeeded(None)
                    return Cursor(data, utf8=self._utf8)
                case Stream(prefix):
                    self._succeeded(StreamedLiteral(connection, event, self._utf8, self._succeeded))
                    return Cursor(prefix, utf8=self._utf8)
                case Rejected(_, words, too_big):
                    self._succeeded(None)
                    if too_big:
                        raise MessageTooBig
                    raise BadSyntax(words)
