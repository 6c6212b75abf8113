"""The relay as a delivery agent: collects a message, then hands it on while the caller waits."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence

from zope.interface import implementer

from mailframe.interfaces.delivery import IDelivery, IMessageSource
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.handed import Handed
from mailframe.model.refusal import Refusal, StorageFull

Deliver = Callable[[Envelope, Sequence[Recipient], IMessageSource, bytes], Awaitable[Handed]]


@implementer(IMessageSource)
class Collected:
    """Octets in memory up to a limit, then in a temporary file without a name."""

    def __init__(self, memory_octets: int) -> None:
        self.size = 0
        self._file = tempfile.SpooledTemporaryFile(memory_octets)  # noqa: SIM115  closed by `close`

    def add(self, octets: bytes) -> None:
        """Raises StorageFull."""
        try:
            self._file.write(octets)
        except OSError as error:
            raise StorageFull(detail=str(error)) from error
        self.size += len(octets)

    async def read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()


@implementer(IDelivery)
class RelayDelivery:
    """Nothing of it survives a crash before `commit` returns: the next hop's word is what makes it durable."""

    def __init__(self, deliver: Deliver, envelope: Envelope, memory_octets: int) -> None:
        self._deliver = deliver
        self._envelope = envelope
        self._recipients: list[Recipient] = []
        self._content = Collected(memory_octets)

    async def add_recipient(self, recipient: Recipient) -> None:
        self._recipients.append(recipient)

    async def write(self, octets: bytes) -> None:
        self._content.add(octets)

    async def commit(self, head: bytes = b"", heads: Mapping[Recipient, bytes] = {}) -> Mapping[Recipient, Refusal | None]:
        groups: dict[bytes, list[Recipient]] = {}
        for recipient in self._recipients:
            groups.setdefault(heads.get(recipient, b"") + head, []).append(recipient)
        outcomes = Handed()
        try:
            for whole_head, recipients in groups.items():
                handed = await self._deliver(self._envelope, recipients, self._content, whole_head)
                outcomes.merge(handed)
                if len(handed) < len(recipients):
                    break               # cut off
        finally:
            self._content.close()
        return outcomes

    def abort(self) -> None:
        self._content.close()
