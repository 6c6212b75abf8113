"""How the SMTP client sends a message's octets: block by block, as fast as the server takes them (RFC 5321 section 3.3)."""

from __future__ import annotations

from typing import Any, Protocol

from mailframe.interfaces.maybe import settled
from mailframe.model.refusal import TryAgainLater

from .client_wire import PeerGone, SmtpWire
from .reply import Reply


class Form(Protocol):
    """What a message's octets look like on the wire: `client_data.DotStuffer` for DATA, `Verbatim` for BDAT."""

    def feed(self, data: bytes) -> bytes: ...

    def end(self) -> bytes: ...


class SmtpStream(SmtpWire):
    """One message at a time, in bounded memory, with the server's word watched for on the way."""

    async def _body(self, form: Form, head: bytes, source: Any) -> Reply | None:
        """Send the message; returns a refusal that came before its end (the connection is closed then), else None."""
        self._expected += 1
        self.transport.registerProducer(self, True)
        try:
            return await self._stream(form, head, source)
        except PeerGone:
            raise
        except BaseException:
            self.abort()            # half a message must not be ended as if it were whole
            raise
        finally:
            self.transport.unregisterProducer()
            self._paused = False

    async def _stream(self, form: Form, head: bytes, source: Any) -> Reply | None:
        pieces = [form.feed(head)]
        offset, size, block = 0, source.size, self._settings.block_octets
        while offset < size:
            octets = await settled(source.read(offset, min(block, size - offset)))
            if not octets:
                raise TryAgainLater(detail=f"content ended at {offset} of {size} octets")
            offset += len(octets)
            pieces.append(form.feed(octets))
            if offset < size:
                self.transport.write(b"".join(pieces))
                pieces.clear()
                while self._paused and not self._replies:
                    await self._wait(self._settings.block_timeout_s, "it to take the message")
            if self._replies:
                return self._interrupted()
            self._alive()
        pieces.append(form.end())
        self.transport.write(b"".join(pieces))      # all that is left, with the end: for most messages, all of it
        return None

    def _interrupted(self) -> Reply:
        """It answered before the end: there is no way on but to close; a refusal is its last word, all else a fault."""
        reply = self._replies.popleft()
        if reply.code < 400:
            raise self._broken("it accepted a message before its end")
        self._broken("it refused in the middle of the message")
        return reply
