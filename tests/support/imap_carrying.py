"""Random commands that bring messages, carry them elsewhere and take them away, each with what must come of it."""

from __future__ import annotations

from random import Random

from mailframe.model.refusal import NoSuchMailbox, NoSuchMessage

from . import imap_expected as expected
from .imap_asking import cuts, known, name, say
from .imap_chosen import chosen
from .imap_peer import Peer
from .imap_said import Answer, Said

QUOTES = '"'
MANY = 14           # messages in a mailbox: from then on more go than come


def _literal(octets: bytes) -> bytes:
    return b" {%d+}\r\n" % len(octets) + octets


async def append(peer: Peer, random: Random) -> None:
    """APPEND of one or several (RFC 3502)."""
    octets = [peer.truth.message() for _ in range(random.choice((1, 1, 1, 2, 3)))]
    literal = b"".join(random.choice((b"", b" (\\Seen $Even)")) + _literal(each) for each in octets)
    await say(peer, random, Said(f"APPEND {name(peer, random)}", literal, octets))


async def catenate(peer: Peer, random: Random) -> None:
    """APPEND of what may be gone, by URL: BADURL says so (RFC 4469)."""
    uids = peer.mirror.uids
    if peer.box is None or not uids:
        return
    uid, head = random.choice(uids), b"Subject: quoted\r\n\r\n"
    there = peer.truth.alone and uid in (await peer.truth.state(peer.box) or {})
    try:
        whole = await peer.truth.octets(peer.box, uid)
    except (NoSuchMessage, NoSuchMailbox):
        return
    here = await peer.selected_name()
    if here is None:
        return
    url = f"/{here.strip(QUOTES).replace(' ', '%20')};UIDVALIDITY={peer.box.uidvalidity}/;UID={uid}"
    said = Said(f"APPEND {name(peer, random)} CATENATE (URL \"{url}\" TEXT", _literal(head) + b")", [whole + head])
    final = await peer.say_all([said], cuts(random))
    if final is not None and peer.truth.alone and final.code != b"TRYCREATE":
        assert (final.kind == b"OK") == there, (uid, final)


async def replace(peer: Peer, random: Random) -> None:
    messages, target = chosen(peer, random, one=True), name(peer, random)
    if messages is None:
        return
    octets = peer.truth.message()
    await say(peer, random, Said(
        f"{messages.uid}REPLACE {messages.text} {target}", _literal(octets), [octets],
        expect=None if messages.open else lambda answer: expected.gone(answer, messages.there(answer))))


async def copy(peer: Peer, random: Random) -> None:
    messages, here = chosen(peer, random), known(peer)
    if messages is not None:
        await say(peer, random, Said(f"{messages.uid}COPY {messages.text} {name(peer, random)}",
                                     check=lambda answer: expected.copied(answer, messages, here)))


async def move(peer: Peer, random: Random) -> None:
    messages = chosen(peer, random)
    if messages is None:
        return
    expect = None if messages.open else lambda answer: expected.gone(answer, messages.there(answer))
    await say(peer, random, Said(f"{messages.uid}MOVE {messages.text} {name(peer, random)}", expect=expect))


async def expunge(peer: Peer, random: Random) -> None:
    messages, here = chosen(peer, random), known(peer)

    def all_deleted(answer: Answer) -> None:
        assert answer.before is not None
        expected.gone(answer, {uid for uid, message in answer.before.items() if b"\\Deleted" in message.flags})

    def some_deleted(answer: Answer) -> None:
        assert answer.before is not None and messages is not None
        deleted = {uid for uid, message in answer.before.items() if b"\\Deleted" in message.flags}
        either = messages.perhaps(answer, here) & deleted & (answer.before.keys() - (answer.after or {}).keys())
        expected.gone(answer, messages.there(answer) & deleted | either)

    if messages is not None and messages.by_uid and random.random() < 0.6:
        await say(peer, random, Said(f"UID EXPUNGE {messages.text}", expect=some_deleted))
    else:
        await say(peer, random, Said("EXPUNGE", expect=all_deleted))


async def clear(peer: Peer, random: Random) -> None:
    """Make room."""
    if not peer.read_only and len(peer.mirror.messages) > MANY:
        await peer.say("UID STORE 1:* +FLAGS (\\Deleted)")
        if peer.box is not None:
            await peer.say("EXPUNGE")


async def deliver(peer: Peer, random: Random) -> None:
    try:
        await peer.truth.deliver(random.choice(peer.truth.names_used))
    except NoSuchMailbox:
        return
