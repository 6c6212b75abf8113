"""What an account's mailboxes really hold while several IMAP sessions are at work, and what no session may say against it (I6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from mailframe.interfaces.store import IAccount, IMailbox, IModSequenced
from mailframe.model.flags import flag_names
from mailframe.model.mailbox import FRESH_ACCOUNT, MAX_UID, Field, MailboxStatus, New
from mailframe.model.refusal import NoSuchMailbox

from .imap_mirror import RECENT, Known
from .imap_world import NOW, World

if TYPE_CHECKING:
    from .imap_peer import Peer


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it is."""

    flags: frozenset[bytes]
    modseq: int


#: A mailbox's messages by UID, ascending; None: there is no such mailbox (any more).
State: TypeAlias = "dict[int, Message] | None"


#: A search key, and whether a message with this UID matches.
Key: TypeAlias = "tuple[str, Callable[[int, Message], bool]]"


@dataclass
class Box:
    """A mailbox that was seen; its messages' octets are kept, since a copy may outlive them."""

    mailbox: IMailbox
    uidvalidity: int
    octets: dict[int, bytes] = field(default_factory=dict)
    gone: dict[int, int] = field(default_factory=dict)      # UIDs, and a HIGHESTMODSEQ by which they were gone


class Truth:
    """The server, and what it holds, asked of `store` itself. `alone`: nothing else goes on while a session's command runs."""

    names_used: tuple[str, ...] = ("INBOX", "INBOX", "INBOX", "Archive", "Work", "Work/New")
    renames = True                      # mailboxes are made, renamed and deleted, too

    def __init__(self, world: World, store: Any, *, alone: bool) -> None:
        self.world, self.store, self.alone = world, store, alone
        self.peers: list[Peer] = []
        self.modseqs = False
        self.limited = bool(world.factory.settings.message_limit)       # commands may do less than they were asked (RFC 9738)
        self.answered = 0               # commands
        self.told: list[tuple[str, bytes]] = []         # who spoke to whom, what: in the order in which it was said
        self._boxes: dict[str, Box] = {}
        self._count = 0

    async def start(self) -> None:
        self.account: IAccount = await self.store.open_account("alice", FRESH_ACCOUNT)
        self.modseqs = IModSequenced.providedBy((await self.named("INBOX")).mailbox)
        for _ in range(4):
            await self.deliver("INBOX")

    def user(self, peer: Peer) -> str:
        """As whom it logs in."""
        return "alice"

    def spelled(self, peer: Peer, name: str) -> str:
        """How this client writes the name of a mailbox of alice's."""
        return name

    # -- what there is

    async def names(self) -> dict[str, str]:
        """The ids of all mailboxes by name."""
        return {info.name: info.id for info in (await self.account.mailboxes()).mailboxes}

    async def named(self, name: str) -> Box:
        """Raises NoSuchMailbox."""
        number = (await self.names()).get(name)
        if number is None:
            raise NoSuchMailbox
        return await self._box(number)

    async def of_validity(self, uidvalidity: int) -> Box | None:
        """The mailbox that a client knows by its UIDVALIDITY: they are all different here."""
        for _ in range(2):
            for box in self._boxes.values():
                if box.uidvalidity == uidvalidity:
                    return box
            for number in (await self.names()).values():
                await self._box(number)
        return None

    async def _box(self, number: str) -> Box:
        if number not in self._boxes:
            mailbox: IMailbox = await self.account.open_mailbox(number)
            self._boxes[number] = Box(mailbox, (await mailbox.status()).uidvalidity)
        return self._boxes[number]

    async def state(self, box: Box | None) -> State:
        if box is None:
            return None
        try:
            rows = await box.mailbox.rows([(1, MAX_UID)], 100_000, Field.FLAGS | Field.MODSEQ if self.modseqs else Field.FLAGS)
            words = await box.mailbox.keywords(())
        except NoSuchMailbox:
            return None
        modseqs = rows.modseqs or [0] * len(rows)
        return {uid: Message(frozenset(flag_names(mask, words)) - {RECENT}, modseq)
                for uid, mask, modseq in zip(rows.uids, rows.flags, modseqs)}

    async def status(self, name: str) -> MailboxStatus | None:
        try:
            return await (await self.named(name)).mailbox.status()
        except NoSuchMailbox:
            return None

    async def octets(self, box: Box, uid: int) -> bytes:
        """Of a message that is or was there: RFC 3501 section 2.3.1.1, a UID never names another."""
        if uid not in box.octets:
            box.octets[uid] = await box.mailbox.read(uid, 0, 100_000)
        return box.octets[uid]

    # -- what comes from outside

    def message(self) -> bytes:
        """A new one, like no other."""
        self._count += 1
        count = self._count
        return b"From: a@example.org\r\nSubject: number %d\r\n\r\nbody %d %b\r\n" % (count, count, b"x" * (count % 7))

    async def deliver(self, name: str) -> None:
        """As the dispatcher does."""
        octets = self.message()
        self.told.append(("delivered to " + name, octets[21:42]))
        box = await self.named(name)
        uid, = await box.mailbox.append([New(octets, date=NOW, size=len(octets))])
        box.octets[uid] = octets

    # -- what a client was told of copies

    async def same(self, here: Box | None, validity: int, old: bytes, new: bytes) -> None:
        """COPYUID names, pairwise, messages with the same octets (RFC 4315 section 3)."""
        there = await self.of_validity(validity)
        assert here is not None and there is not None, validity
        pairs = list(zip(numbers(old), numbers(new), strict=True))
        assert pairs
        for was, now in pairs:
            assert await self.octets(here, was) == await self.octets(there, now), (was, now)

    async def appended(self, messages: list[bytes], validity: int, uids: bytes) -> None:
        box = await self.of_validity(validity)
        assert box is not None, validity
        for uid, octets in zip(numbers(uids), messages, strict=True):
            assert await self.octets(box, uid) == octets, uid

    # -- what holds

    async def promise_kept(self, peer: Peer) -> None:
        """All up to the HIGHESTMODSEQ that was told is known: expunges above all (RFC 7162 section 3.1.2)."""
        mirror, box = peer.mirror, peer.box
        promised, there = mirror.highest_modseq, await self.state(box)
        if not promised or there is None or box is None:
            return
        gone = {known.uid for known in mirror.messages if known.uid and known.uid not in there}
        if gone:
            await self._still_there(box, promised, gone)
        for known in mirror.messages:
            now = there.get(known.uid)
            if now is not None and known.flags is not None:
                assert known.flags == now.flags or now.modseq > promised, (promised, known, now)

    async def _still_there(self, box: Box, promised: int, gone: set[int]) -> None:
        """When the mailbox's mod-sequence was `promised`."""
        changes = await box.mailbox.changes(promised)       # asked last: what goes in between is then in both
        highest = (await box.mailbox.status()).highest_modseq
        for uid in gone:
            by = box.gone.setdefault(uid, highest)
            assert by > promised, f"UID {uid} went before {promised}, by {by}, untold"
            assert changes is None or uid in changes.vanished, f"UID {uid} went before {promised}, untold"

    def agrees(self, peer: Peer, truth: State, *, expunges: bool) -> None:
        """The client's picture is the truth as far as it was painted, but for (if not `expunges`) what is gone."""
        if truth is None:
            return
        mirror = peer.mirror
        known = [each for each in mirror.messages if each.uid in truth or not each.uid]
        if expunges:
            assert len(mirror.messages) == len(truth), (mirror.messages, truth)
            assert len(known) == len(truth), (mirror.messages, truth)
        assert len(known) >= len(truth), f"not all of {list(truth)} told: {mirror.messages}"
        for each in known:
            if each.uid:
                self._is_so(peer, each, truth[each.uid])
        if len(known) == len(truth) and not mirror.uid_only:
            assert all(each.uid in (0, uid) for each, uid in zip(known, truth)), (known, truth)

    def contexts_agree(self, peer: Peer, truth: State) -> None:
        """Who was told ADDTO and REMOVEFROM knows what a fresh SEARCH would find (RFC 5267)."""
        for tag, found in peer.mirror.contexts.items():
            text, matches = peer.wanted[tag]
            wanted = {uid for uid, message in (truth or {}).items() if matches(uid, message)}
            assert found == wanted, (tag, text, found, wanted)

    def _is_so(self, peer: Peer, known: Known, now: Message) -> None:
        if known.flags is None:
            return
        assert known.flags == now.flags, (known, now)
        if peer.mirror.condstore:
            assert known.modseq in (0, now.modseq), (known, now)


def numbers(told: bytes) -> list[int]:
    """Of a set, in its order."""
    found: list[int] = []
    for part in filter(None, told.split(b",")):
        low, _, high = part.partition(b":")
        first, last = int(low), int(high or low)
        found += range(first, last + 1) if first <= last else range(first, last - 1, -1)
    return found
