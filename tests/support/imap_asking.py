"""Random commands about messages that stay where they are, flags and all, each with what must come of it."""

from __future__ import annotations

from random import Random

from . import imap_expected as expected
from .imap_chosen import Chosen, chosen, key
from .imap_peer import Peer
from .imap_said import Answer, Said

SYSTEM = ("\\Seen", "\\Flagged", "\\Answered", "\\Deleted", "\\Deleted", "\\Draft", "$Even", "$Odd")


def cuts(random: Random) -> Random | None:
    return random if random.random() < 0.2 else None


async def say(peer: Peer, random: Random, said: Said) -> None:
    await peer.say_all([said], cuts(random))


def name(peer: Peer, random: Random) -> str:
    return peer.truth.spelled(peer, random.choice(peer.truth.names_used))


def known(peer: Peer) -> frozenset[int]:
    return frozenset(peer.mirror.uids)


# -- flags

def storing(peer: Peer, random: Random) -> Said | None:
    messages = chosen(peer, random)
    if messages is None:
        return None
    words = frozenset(random.sample(SYSTEM, random.randint(1, 2)))
    sign, silent = random.choice(("+", "+", "-", "")), random.random() < 0.4
    since = max(peer.mirror.highest_modseq - random.randrange(4), 0) if peer.mirror.condstore and random.random() < 0.3 else None
    condition = "" if since is None else f"(UNCHANGEDSINCE {since}) "
    text = f"{messages.uid}STORE {messages.text} {condition}{sign}FLAGS{'.SILENT' if silent else ''} ({' '.join(sorted(words))})"
    flags = frozenset(word.encode() for word in words)

    here, count = known(peer), len(peer.mirror.messages)

    def begins() -> None:
        if peer.read_only or not silent:
            return
        # What was sent before it may have changed what these stand for.
        blind = (messages.text == "$" and peer.saved != messages.sure) or (
            "*" in messages.text and (here, count) != (known(peer), len(peer.mirror.messages)))
        for number, each in enumerate(peer.mirror.messages, 1):
            if blind:
                each.flags = None
            elif each.uid in messages.sure and since is None and not peer.truth.limited:
                peer.mirror.stored(number, sign, flags)
            elif each.uid in messages.sure or (each.uid not in here and messages.open):
                each.flags = None               # until it is told, or asks

    return Said(text, begins=begins, expect=lambda answer: expected.stored(answer, messages, sign, flags, since, here))


async def store(peer: Peer, random: Random) -> None:
    said = storing(peer, random)
    if said is not None:
        await say(peer, random, said)


# -- reading

def fetching(peer: Peer, random: Random) -> Said | None:
    messages = chosen(peer, random)
    if messages is None:
        return None
    if random.random() < 0.3 and not peer.truth.limited:
        return _reading(peer, random, messages)
    since, here = -1, known(peer)
    items = random.choice(
        ("FLAGS", "(UID FLAGS)", "(FLAGS INTERNALDATE)", "(UID RFC822.SIZE FLAGS)", "(FLAGS ENVELOPE BODYSTRUCTURE)"))
    if peer.mirror.condstore and random.random() < 0.3:
        since = max(peer.mirror.highest_modseq - random.randrange(4), 0)
        items += f" (CHANGEDSINCE {since}{' VANISHED' if messages.by_uid and peer.mirror.qresync else ''})"
    elif messages.by_uid and random.random() < 0.2:
        return _part(peer, random, messages)
    return Said(f"{messages.uid}FETCH {messages.text} {items}",
                expect=lambda answer: expected.fetched(answer, messages, b"FLAGS", here, since) and None)


def _part(peer: Peer, random: Random, messages: Chosen) -> Said:
    here, whole, window = known(peer), peer.whole, random.choice(((1, 2), (-1, -2), (2, 9)))

    async def check(answer: Answer) -> None:
        assert answer.before is not None and peer.box is not None
        told = {response.number if peer.mirror.uid_only else response.value[b"UID"]: response.value[b"RFC822.SIZE"]
                for response in answer.told if b"RFC822.SIZE" in (response.value or ())}
        assert not told or told == {uid: len(await peer.truth.octets(peer.box, uid)) for uid in told}
        if whole and here == answer.before.keys() and not answer.lowest:
            assert list(told) == expected.windowed(sorted(messages.sure & here), window), (told, messages, window)

    return Said(f"UID FETCH {messages.text} (RFC822.SIZE) (PARTIAL {window[0]}:{window[1]})", check=check)


def _reading(peer: Peer, random: Random, messages: Chosen) -> Said:
    item = random.choice(("BODY[]", "BODY[]", "BODY.PEEK[]", "BINARY[]", "BINARY.PEEK[1]", "BODY.PEEK[TEXT]", "RFC822"))
    label, here, read_only = item.replace(".PEEK", "").encode(), known(peer), peer.read_only

    async def check(answer: Answer) -> None:
        told = expected.fetched(answer, messages, label, here)
        assert answer.before is not None and answer.after is not None and peer.box is not None
        for uid, octets in told.items():
            if uid in answer.before:
                whole = await peer.truth.octets(peer.box, uid)
                assert octets == (whole.partition(b"\r\n\r\n")[2] if label in (b"BODY[TEXT]", b"BINARY[1]") else whole), uid
                seen = not ("PEEK" in item or read_only) or b"\\Seen" in answer.before[uid].flags
                assert (b"\\Seen" in answer.after[uid].flags) == seen, (uid, item)

    return Said(f"{messages.uid}FETCH {messages.text} {item}", check=check)


async def fetch(peer: Peer, random: Random) -> None:
    said = fetching(peer, random)
    if said is not None:
        await say(peer, random, said)


def searching(peer: Peer, random: Random) -> Said | None:
    keys, here = key(peer, random), known(peer)
    asked = tuple(word for word in ("ALL", "COUNT", "MIN", "MAX", "SAVE", "PARTIAL") if random.random() < 0.3)
    window = random.choice(((1, 2), (2, 20), (-1, -3)))
    if "ALL" in asked or peer.truth.limited:
        asked = tuple(word for word in asked if word != "PARTIAL")
    options = " ".join(f"PARTIAL {window[0]}:{window[1]}" if word == "PARTIAL" else word for word in asked)
    by_uid = peer.mirror.uid_only or random.random() < 0.5
    text = f"{'UID ' if by_uid else ''}SEARCH {f'RETURN ({options}) ' if asked else ''}{keys[0]}"

    whole = peer.whole

    def begins() -> None:
        if "SAVE" in asked:
            peer.saved = None               # unless it comes out what it is

    return Said(text, begins=begins, expect=lambda answer: expected.searched(answer, keys, asked, window, here, whole))


async def search(peer: Peer, random: Random) -> None:
    said = searching(peer, random)
    assert said is not None
    await say(peer, random, said)


async def follow(peer: Peer, random: Random) -> None:
    """RETURN (UPDATE): from then on the server says who comes to match, and who does not any more (RFC 5267 section 4)."""
    keys = key(peer, random)
    if peer.truth.limited or "MODSEQ" in keys[0] or len(peer.mirror.contexts) > 2:
        return
    said = Said(f"UID SEARCH RETURN (UPDATE ALL) {keys[0]}")
    said.begins = lambda: peer.follows(said.tag, keys)
    await say(peer, random, said)


async def order(peer: Peer, random: Random) -> None:
    """SORT by size, and THREAD: all that match are there, once."""
    keys, here, whole, threads = key(peer, random), known(peer), peer.whole, random.random() < 0.5
    uid = "UID " if peer.mirror.uid_only or random.random() < 0.5 else ""
    text = f"THREAD {random.choice(('REFERENCES', 'ORDEREDSUBJECT'))}" if threads else "SORT (SIZE)"

    async def check(answer: Answer) -> None:
        assert answer.before is not None and peer.box is not None
        if here ^ answer.before.keys() or not whole:
            return
        sizes = {each: len(await peer.truth.octets(peer.box, each)) for each in answer.before}
        wanted = [each for each, message in answer.before.items() if keys[1](each, message)]
        if not threads:
            wanted.sort(key=lambda each: (sizes[each], each))
        found = expected.threaded(answer) if threads else peer.mirror.searched
        assert found == (wanted if uid else expected.places(peer, wanted)), (found, wanted)

    await say(peer, random, Said(f"{uid}{text} UTF-8 {keys[0]}", check=None if peer.truth.limited else check))


async def status(peer: Peer, random: Random) -> None:
    names = random.sample(sorted(set(peer.truth.names_used)), 2)
    spelled = [peer.truth.spelled(peer, each) for each in names]
    items = "MESSAGES UIDNEXT UNSEEN UIDVALIDITY" + (" HIGHESTMODSEQ" if peer.mirror.condstore else "")

    async def check(answer: Answer) -> None:
        for place, each in enumerate(names):
            told = peer.mirror.statuses.get(spelled[place].strip('"').encode())
            now = await peer.truth.status(each)
            if told is None:
                assert answer.final.kind != b"OK" or now is None or text.startswith("STATUS"), each
                continue
            assert now is not None, each
            wanted = {b"MESSAGES": now.messages, b"UIDNEXT": now.uidnext, b"UNSEEN": now.unseen, b"UIDVALIDITY": now.uidvalidity,
                      b"HIGHESTMODSEQ": now.highest_modseq}
            assert all(wanted[item] == value for item, value in told.items()), (each, told, wanted)

    text = random.choice((f"STATUS {spelled[0]} ({items})", f'LIST "" ({spelled[0]} {spelled[1]}) RETURN (STATUS ({items}))'))
    await say(peer, random, Said(text, check=check))


async def batches(peer: Peer, random: Random) -> None:
    def expect(answer: Answer) -> None:
        assert answer.after is not None
        told = next(response.value[1] for response in answer.told if response.kind == b"UIDBATCHES")
        assert told == ([(max(answer.after), 1)] if answer.after else []), (told, answer.after)

    await say(peer, random, Said(f"UIDBATCHES {random.randint(500, 999)}", expect=expect))
