"""What a client among several may do: random commands of every kind, alone and in pipelines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

from .imap_asking import batches, cuts, fetch, fetching, follow, name, order, say, search, searching, status, store, storing
from .imap_carrying import MANY, append, catenate, clear, copy, deliver, expunge, move, replace
from .imap_peer import Peer
from .imap_said import Said

# -- looking, leaving, coming back

async def look(peer: Peer, random: Random) -> None:
    await say(peer, random, Said(random.choice(("NOOP", "NOOP", "CHECK"))))


async def idle(peer: Peer, random: Random) -> None:
    await peer.listen()


async def leave(peer: Peer, random: Random) -> None:
    """CLOSE expunges, if it may; UNSELECT does not."""
    box, command = peer.box, random.choice(("CLOSE", "UNSELECT"))
    before = await peer.truth.state(box) or {}
    final = await peer.say(command)
    if peer.truth.alone and final is not None and final.kind == b"OK":
        closes = command == "CLOSE" and not peer.read_only
        left = {uid: message for uid, message in before.items() if not (closes and b"\\Deleted" in message.flags)}
        assert (await peer.truth.state(box) or {}) == left, (before, command)


async def reselect(peer: Peer, random: Random) -> None:
    await peer.select(f"{random.choice(('SELECT', 'SELECT', 'EXAMINE'))} {name(peer, random)}")


async def resync(peer: Peer, random: Random) -> None:
    if peer.mirror.qresync:
        await peer.resync(uids=random.random() < 0.7)


# -- mailboxes

async def rename(peer: Peer, random: Random) -> None:
    if not peer.truth.renames:
        return
    await peer.say(random.choice((
        "RENAME Work Work/New", "RENAME Work/New Away", "RENAME Away Work", "RENAME Work Away", "RENAME Archive Away",
        "RENAME Away Archive", "RENAME INBOX Work/New")))


async def make(peer: Peer, random: Random) -> None:
    if not peer.truth.renames:
        return
    await peer.say(random.choice((
        "CREATE Work", "CREATE Archive", "CREATE Work/New", "CREATE Work", "DELETE Work", "DELETE Work/New", "DELETE Away")))


# -- several at once

async def pipeline(peer: Peer, random: Random) -> None:
    """Commands in one write, some by number behind others that may tell EXPUNGE (RFC 9051 section 5.5)."""
    makes: tuple[Callable[[Peer, Random], Said | None], ...] = (storing, fetching, searching)
    commands = [Said("NOOP") if random.random() < 0.4 else random.choice(makes)(peer, random) for _ in range(random.randint(2, 6))]
    await peer.say_all([said for said in commands if said is not None] or [Said("NOOP")], cuts(random))


Deed = Callable[[Peer, Random], Awaitable[None]]
SELECTED: tuple[Deed, ...] = (
    *(store,) * 7, *(fetch,) * 6, *(search,) * 5, follow, order, *(status,) * 2, batches, *(append,) * 2, catenate, *(replace,) * 2,
    *(copy,) * 2, *(move,) * 2, *(expunge,) * 3, *(clear,) * 2, *(deliver,) * 3, *(look,) * 4, *(idle,) * 4, leave, reselect,
    *(resync,) * 2, rename, make, *(pipeline,) * 4,
)
ELSEWHERE: tuple[Deed, ...] = (*(reselect,) * 12, status, append, deliver, look, idle, rename, make)


async def act(peer: Peer, random: Random) -> None:
    """One step of a story."""
    await peer.done()
    await peer.absorb()
    if peer.box is not None and len(peer.mirror.messages) > MANY and random.random() < 0.5:
        await clear(peer, random)
    elif peer.box is None:
        await random.choice(ELSEWHERE)(peer, random)
    else:
        await random.choice(SELECTED)(peer, random)
