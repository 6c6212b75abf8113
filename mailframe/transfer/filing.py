"""Messages into one mailbox in durable batches: counted and checksummed as they pass, large ones staged beside the index."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from mailframe.interfaces.content import IContent
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailbox, IMailStore
from mailframe.model.flags import flag_mask, system_bit
from mailframe.model.mailbox import MAX_UID, Field, New, uid_ranges
from mailframe.model.refusal import LimitReached, Refusal
from mailframe.staging.intake import Intake
from mailframe.stores.keywords import missing

from .journal import Filed, Journal, matched
from .source import SLICE_OCTETS, Breath, Listed, Meta, Report, TransferError

BATCH_MESSAGES = 200        # in one append and one durable step of the journal
BATCH_OCTETS = 4_194_304    # of memory for them
MAX_OCTETS = 4_294_967_295  # of one message: what RFC822.SIZE can say (RFC 3501 section 9)

_KEYWORD = re.compile(rb"[!#$&'+-\[^-z|}~]{1,255}")      # an atom (RFC 3501 section 9)


class Filing:
    """A Taker for one mailbox; `flush` when there is no more."""

    def __init__(
        self, store: IMailStore, mailbox: IMailbox, name: str, journal: Journal, folder: int, report: Report, breath: Breath,
    ) -> None:
        self._content = store if IContent.providedBy(store) else None
        self._mailbox = mailbox
        self._name = name
        self._journal = journal
        self._folder = folder
        self._report = report
        self._breath = breath
        self._batch: list[tuple[Filed, Meta, Any]] = []
        self._octets = 0
        self._listed: Listed | None = None
        self._intake: Intake | None = None
        self._digest = hashlib.sha256()
        self.accounted = 0          # messages told of that are at the source and not in the store

    def begin(self, listed: Listed) -> None:
        """See Taker."""
        self.abort()
        self._listed, self._digest = listed, hashlib.sha256()
        self._intake = Intake(self._content, max_octets=MAX_OCTETS)

    async def write(self, octets: bytes) -> None:
        """See Taker."""
        assert self._intake is not None
        self._digest.update(octets)
        await self._intake.write(octets)
        await self._breath.take()

    async def end(self, meta: Meta) -> None:
        """See Taker."""
        intake, self._intake = self._intake, None
        assert intake is not None and self._listed is not None
        finished = await intake.finish()
        self._batch.append((Filed(self._listed, self._digest.digest(), finished.size), meta, finished))
        staged = isinstance(finished.content, str)      # and swept in ten minutes, in which a slow source may not send the next
        self._octets += finished.size
        if staged or len(self._batch) >= BATCH_MESSAGES or self._octets >= BATCH_OCTETS:
            await self.flush()
        await self._breath.take()

    async def missing(self, listed: Listed, why: str) -> None:
        """See Taker."""
        self.abort()
        self.accounted += 1
        if why:
            self._report.problem(f"{self._name}: {listed.place or listed.key} cannot be read: {why}")
        else:
            self._report.note(f"{self._name}: a message was removed from the source meanwhile")

    def abort(self) -> None:
        """Forget the message under way."""
        if self._intake is not None:
            self._intake.abort()
            self._intake = None

    async def flush(self) -> None:
        """All that was taken is durable on return, in the store and in the journal. Raises TransferError."""
        batch, self._batch, self._octets = self._batch, [], 0
        if batch:
            try:
                await self._append(batch)
            except Refusal as error:
                if error.temporary or len(batch) == 1:
                    await self._refused(error, batch)
                    return
                for one in batch:           # all or none: find the one that is refused
                    try:
                        await self._append([one])
                    except Refusal as alone:
                        await self._refused(alone, [one])

    async def _refused(self, error: Refusal, batch: Sequence[tuple[Filed, Meta, Any]]) -> None:
        await self._journal.done(self._folder, [])
        if error.temporary:
            raise TransferError(f"The store takes no more messages for {self._name}: {error}") from error
        self.accounted += 1
        self._report.problem(f"{self._name}: {batch[0][0].listed.key} is refused by the store: {error}")

    async def _append(self, batch: Sequence[tuple[Filed, Meta, Any]]) -> None:
        table = await self._table({word for _, meta, _ in batch for word in _keywords(meta.flags)})
        messages: list[New] = [finished.new(self._mask(meta.flags, table), meta.date) for _, meta, finished in batch]
        status = await settled(self._mailbox.status())
        await self._journal.underway(self._folder, [filed for filed, _, _ in batch], status.uidnext)
        uids = await settled(self._mailbox.append(messages))
        done = [Filed(filed.listed, filed.digest, filed.size, uid) for (filed, _, _), uid in zip(batch, uids, strict=True)]
        await self._journal.done(self._folder, done)
        self._report.copied += len(done)
        self._report.octets += sum(filed.size for filed in done)

    async def _table(self, words: Iterable[str]) -> tuple[str, ...]:
        """The mailbox's keywords with as many of `words` as it takes."""
        try:
            return tuple(await settled(self._mailbox.keywords(sorted(words))))
        except LimitReached:
            table = tuple(await settled(self._mailbox.keywords(())))
        for word in missing(table, sorted(words)):
            try:
                table = tuple(await settled(self._mailbox.keywords((word,))))
            except LimitReached:
                self._report.note(f"{self._name}: the mailbox takes no more keywords; {word} is left out")
        return table

    def _mask(self, flags: Iterable[bytes], table: Sequence[str]) -> int:
        mask = 0
        for flag in flags:
            try:
                mask |= flag_mask((flag,), table)
            except (KeyError, UnicodeDecodeError):
                if flag.lower() != b"\\recent":
                    self._report.note(f"{self._name}: the flag {flag.decode('ascii', 'replace')} cannot be kept")
        return mask

    async def recover(self) -> int:
        """Find what a run that was killed had appended and not yet noted; how many messages."""
        first, left = await self._journal.left(self._folder)
        if not left:
            return 0
        sizes, there = {filed.size for filed in left}, []
        while True:
            rows = await settled(self._mailbox.rows([(first, MAX_UID)], BATCH_MESSAGES, Field.SIZE))
            for uid, size in zip(rows.uids, rows.sizes):
                if size in sizes:
                    there.append((uid, await digest_of(self._mailbox, uid, size, self._breath)))
            if len(rows) < BATCH_MESSAGES or rows.uids[-1] == MAX_UID:
                break
            first = rows.uids[-1] + 1
        found = matched(left, there)
        await self._journal.done(self._folder, found)
        return len(found)

    async def verify(self, tell: Any) -> None:
        """Read back what was copied, and compare; `tell(messages)` after each slice."""
        after = 0
        while page := await self._journal.unverified(self._folder, after, BATCH_MESSAGES):
            after = page[-1].uid
            rows = await settled(self._mailbox.rows(uid_ranges([one.uid for one in page]), len(page), Field.SIZE))
            sizes = dict(zip(rows.uids, rows.sizes))
            lost = [one for one in page if one.uid not in sizes]
            equal = [one for one in page if one.uid in sizes
                     and await digest_of(self._mailbox, one.uid, sizes[one.uid], self._breath) == one.digest]
            different = len(page) - len(lost) - len(equal)
            self.accounted += len(lost)
            if lost:
                self._report.problem(f"{self._name}: {len(lost)} messages are not in the mailbox any more (the first had UID "
                                     f"{lost[0].uid}); run it again to copy them again", len(lost))
            if different:
                uids = sorted({one.uid for one in page} - {one.uid for one in (*lost, *equal)})
                self._report.problem(f"{self._name}: {different} messages are not what they were at the source, with the UIDs "
                                     + ", ".join(map(str, uids[:10])), different)
            self._report.verified += len(equal)
            await self._journal.verified(self._folder, equal, lost)
            tell(len(page))


async def digest_of(mailbox: IMailbox, uid: int, size: int, breath: Breath) -> bytes:
    """The SHA-256 of a message as the store gives it back; b"" when it is gone."""
    digest = hashlib.sha256()
    for offset in range(0, max(size, 1), SLICE_OCTETS):
        try:
            octets = await settled(mailbox.read(uid, offset, SLICE_OCTETS))
        except Refusal as error:
            if error.temporary:
                raise TransferError(f"The store cannot be read: {error}") from error
            return b""
        digest.update(octets)
        await breath.take()
    return digest.digest()


def _keywords(flags: Iterable[bytes]) -> list[str]:
    return [flag.decode("ascii") for flag in flags if system_bit(flag) is None and _KEYWORD.fullmatch(flag)]

