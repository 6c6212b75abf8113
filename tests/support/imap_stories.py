"""Stories of several IMAP sessions: five clients of different kinds do as the dice say, and each is told the truth."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock, deferLater

from .imap_deeds import act
from .imap_peer import Peer
from .imap_truth import Truth

#: What each kind ENABLEs: of RFC 3501; CONDSTORE; QRESYNC; IMAP4rev2, alone or with more; UIDONLY, with more or less.
KINDS: tuple[tuple[tuple[str, ...], ...], ...] = (
    ((),), (("CONDSTORE",),), (("QRESYNC",),), (("IMAP4rev2",), ("IMAP4rev2", "CONDSTORE"), ("IMAP4rev2", "QRESYNC")),
    (("QRESYNC", "UIDONLY"), ("UIDONLY",), ("IMAP4rev2", "CONDSTORE", "UIDONLY")),
)
NOTIFIES = ("", "", "", "selected", "selected-delayed")


class Step(NamedTuple):
    """Who does something, and the dice that say what."""

    who: int
    dice: int


Round = tuple[Step, ...]                # all at once
Story = tuple[Round, ...]


def invented(random: Random, rounds: int, crowd: int) -> Story:
    return tuple(tuple(Step(who, random.getrandbits(32)) for who in random.sample(range(len(KINDS)), random.randint(1, crowd)))
                 for _ in range(rounds))


async def live(truth: Truth, seed: int, story: Story) -> None:
    """Tell it; an AssertionError when the server lied."""
    random = Random(seed)
    if isinstance(truth.world.clock, Clock):
        truth.world.turns = []
    await together(truth, [truth.start()])
    for number, kind in enumerate(KINDS):
        peer = Peer(number, truth, random.choice(kind), random.choice(NOTIFIES))
        truth.peers.append(peer)
        await together(truth, [peer.start()])
        await together(truth, [peer.select("SELECT " + truth.spelled(peer, "INBOX"))])
    truth.told = [(who, octets) for who, octets in truth.told if who.startswith("from")]       # it begins alike each time
    for count, each in enumerate(story, 1):
        await together(truth, [act(truth.peers[step.who], Random(step.dice)) for step in each])
        if truth.alone:
            await listeners_know(truth)
        elif count % 20 == 0:
            await all_know(truth)
    await all_know(truth)


async def together(truth: Truth, deeds: list[Coroutine[Deferred[Any], Any, None]]) -> None:
    """All at once, turn by turn."""
    running = [Deferred.fromCoroutine(deed) for deed in deeds]
    failures: list[Any] = []
    for each in running:
        each.addErrback(failures.append)
    if truth.world.turns is None:
        await gatherResults(running)
    else:
        for _ in range(3_000):
            if failures or all(each.called for each in running):
                break
            truth.world.take_turns()
        else:
            raise AssertionError("somebody waits for what never comes")
    if failures:
        failures[0].raiseException()


async def settle(truth: Truth) -> None:
    """The dust."""
    clock = truth.world.clock
    if not isinstance(clock, Clock):
        await deferLater(clock, 0.01)
        return
    for _ in range(1_000):
        if not any(call.getTime() <= clock.seconds() for call in clock.getDelayedCalls()):
            return
        truth.world.take_turns()


async def listeners_know(truth: Truth) -> None:
    """Who is in IDLE, or had itself notified, knows without asking."""
    listeners = [peer for peer in truth.peers if peer.idle or peer.mirror.pushed]
    if listeners:
        await settle(truth)
        await together(truth, [_heard(truth, peer) for peer in listeners])


async def _heard(truth: Truth, peer: Peer) -> None:
    patience = 0 if isinstance(truth.world.clock, Clock) else 500
    while True:
        await peer.absorb()
        try:
            truth.agrees(peer, await truth.state(peer.box), expunges=True)
            return
        except AssertionError:
            if not patience:
                raise
        patience -= 1
        await settle(truth)             # the news comes from a thread


async def all_know(truth: Truth) -> None:
    """Everybody stops, looks, and sees what is."""
    alone, truth.alone = truth.alone, True
    await listeners_know(truth)
    await together(truth, [peer.done() for peer in truth.peers])
    await settle(truth)
    for peer in truth.peers:
        await together(truth, [_knows(truth, peer)])
    truth.alone = alone


async def _knows(truth: Truth, peer: Peer) -> None:
    await peer.say("NOOP")
    if peer.box is None:
        return
    truth.agrees(peer, await truth.state(peer.box), expunges=True)
    truth.contexts_agree(peer, await truth.state(peer.box))
    await peer.know_all()
    assert all(known.uid and known.flags is not None for known in peer.mirror.messages)
    truth.agrees(peer, await truth.state(peer.box), expunges=True)


def shrunk(story: Story, fails: Callable[[Story], bool]) -> Story:
    """A shorter story that fails, too: without any part that it can do without."""
    size = len(story) // 2
    while size:
        start = 0
        while start < len(story):
            shorter = story[:start] + story[start + size:]
            if fails(shorter):
                story = shorter
            else:
                start += size
        size //= 2
    for place, each in enumerate(story):
        for step in each:
            fewer = tuple(other for other in story[place] if other is not step)
            if fewer and fails((*story[:place], fewer, *story[place + 1:])):
                story = (*story[:place], fewer, *story[place + 1:])
    return story


def transcript(truth: Truth, last: int = 400) -> str:
    """Who said what, in the order in which it was said."""
    lines = []
    for who, octets in truth.told[-last:]:
        if not octets:
            continue
        text = octets.decode("utf-8", "replace").replace("\r\n", "\n").rstrip("\n")
        lines += [f"{who:>14} | {line}" for line in text.split("\n")]
    return "\n".join(lines)
