"""What must have come of a command of IMAP, where nothing else went on meanwhile: one function for each kind."""

from __future__ import annotations

import re
from typing import Any

from .imap_chosen import Chosen
from .imap_peer import Peer
from .imap_said import Answer
from .imap_truth import Key, numbers


def changed(flags: frozenset[bytes], sign: str, words: frozenset[bytes]) -> frozenset[bytes]:
    return flags | words if sign == "+" else flags - words if sign == "-" else words


def stored(
    answer: Answer, messages: Chosen, sign: str, words: frozenset[bytes], unchanged_since: int | None, known: frozenset[int],
) -> None:
    """STORE did it to those and to no others, and MODIFIED names all that were refused (RFC 7162 section 3.1.3)."""
    assert answer.before is not None and answer.after is not None
    sure, perhaps = messages.there(answer), messages.perhaps(answer, known)
    refused = {uid for uid in sure if unchanged_since is not None and answer.before[uid].modseq > unchanged_since}
    if unchanged_since is not None and not perhaps and not answer.lowest:
        told = set(numbers(answer.final.code_value)) if answer.final.code == b"MODIFIED" else set()
        if not messages.by_uid:
            told = {answer.peer.mirror.messages[number - 1].uid for number in told}
        assert told == refused, (told, refused)
    assert answer.before.keys() == answer.after.keys()
    for uid, was in answer.before.items():
        now, wanted = answer.after[uid], changed(was.flags, sign, words)
        if uid in sure - refused:
            assert now.flags == wanted, (uid, was, now)
        elif uid not in perhaps or unchanged_since is not None:
            assert uid in perhaps or now == was, (uid, was, now)
        if now.flags != was.flags:
            assert now.modseq > max(each.modseq for each in answer.before.values()) or not now.modseq, (uid, was, now)


def fetched(answer: Answer, messages: Chosen, item: bytes, known: frozenset[int], since: int = -1) -> dict[int, Any]:
    """FETCH told `item` of those and of no others; its values by UID."""
    assert answer.before is not None
    sure = {uid for uid in messages.there(answer) if answer.before[uid].modseq > since or since < 0}
    perhaps, mirror = messages.perhaps(answer, known), answer.peer.mirror
    if messages.text == "*" and not answer.before.keys() <= known:
        sure, perhaps = set(), set(answer.before)       # it may be told of new ones first, and one of them is "*" then
    told: dict[int, Any] = {}
    for response in answer.told:
        if response.kind not in (b"FETCH", b"UIDFETCH") or item not in response.value:
            continue
        uid = response.number if response.kind == b"UIDFETCH" else response.value.get(b"UID", 0)
        if not uid and not _renumbered(answer):
            uid = mirror.messages[response.number - 1].uid
        told[uid] = response.value[item]
    if not _renumbered(answer) or messages.by_uid:
        assert sure <= told.keys(), f"{item!r} of {sure} expected, came of {told.keys()}"
        extra = {uid for uid in told if uid and uid not in sure | perhaps and uid in answer.before}
        assert not extra or item in (b"FLAGS", b"MODSEQ", b"UID"), f"{item!r} of {extra} was not asked for"
    return told


def _renumbered(answer: Answer) -> bool:
    return any(response.kind in (b"EXPUNGE", b"VANISHED") for response in answer.told)


def searched(answer: Answer, keys: Key, asked: tuple[str, ...], window: tuple[int, int], known: frozenset[int],
             whole: bool) -> None:
    """SEARCH found those and no others; the parts that ESEARCH told agree with each other (RFC 4731,
    5182, 9394). `whole`: the client knew all UIDs of its messages."""
    assert answer.before is not None
    peer, mirror = answer.peer, answer.peer.mirror
    wanted = [uid for uid, message in answer.before.items() if keys[1](uid, message) and uid >= answer.lowest]
    blurred = bool(known ^ answer.before.keys()) or not whole or bool(answer.lowest)
    if not asked and not mirror.returned:
        found = set(mirror.searched if mirror.by_uid else (mirror.messages[number - 1].uid for number in mirror.searched))
    elif b"ALL" in mirror.returned:
        told = numbers(mirror.returned[b"ALL"])
        found = set(told if mirror.by_uid else (mirror.messages[number - 1].uid for number in told))
    else:
        found = set() if "ALL" in asked or not asked else set(wanted)
    assert {uid for uid in wanted if uid in known} <= found, (wanted, found, mirror.returned)
    assert not found - set(wanted) - {0}, (wanted, found)
    if mirror.returned and not blurred:
        _parts(mirror.returned, wanted if mirror.by_uid else places(peer, wanted), asked, window)
    _highest(answer, keys, asked, wanted, blurred)
    if "SAVE" in asked:
        peer.saved = None if blurred else _kept(wanted, asked, window)


def _highest(answer: Answer, keys: Key, asked: tuple[str, ...], wanted: list[int], blurred: bool) -> None:
    """Whoever searches by MODSEQ is told the highest of what was found (RFC 7162 section 3.1.5)."""
    if "MODSEQ" not in keys[0] or blurred or not wanted or set(asked) & {"MIN", "MAX", "PARTIAL"} or asked == ("SAVE",):
        return
    assert answer.before is not None
    highest = max(answer.before[uid].modseq for uid in wanted)
    told = [response.value[1] if response.kind == b"SEARCH" else response.value.get(b"MODSEQ") for response in answer.told
            if response.kind in (b"SEARCH", b"ESEARCH")]
    assert told == [highest], (told, highest)


def places(peer: Peer, uids: list[int]) -> list[int]:
    """The message numbers."""
    known = [message.uid for message in peer.mirror.messages]
    return [known.index(uid) + 1 for uid in uids]


def _parts(told: dict[bytes, Any], wanted: list[int], asked: tuple[str, ...], window: tuple[int, int]) -> None:
    if "COUNT" in asked:
        assert told[b"COUNT"] == len(wanted), (told, wanted)
    for word, place in (("MIN", 0), ("MAX", -1)):
        if word in asked:
            assert told.get(word.encode()) == (wanted[place] if wanted else None), (told, wanted)
    if "PARTIAL" in asked:
        part = windowed(wanted, window)
        assert told[b"PARTIAL"][1] is None if not part else numbers(told[b"PARTIAL"][1]) == part, (told, wanted, window)


def windowed(found: list[int], window: tuple[int, int]) -> list[int]:
    first, last = window
    return found[first - 1:last] if first > 0 else found[max(0, len(found) + last):max(0, len(found) + first + 1)]


def _kept(wanted: list[int], asked: tuple[str, ...], window: tuple[int, int]) -> set[int]:
    """RFC 5182 section 2.4."""
    if not {"MIN", "MAX", "PARTIAL"} & set(asked) or {"ALL", "COUNT"} & set(asked):
        return set(wanted)
    parts = (wanted[:1] if "MIN" in asked else [], wanted[-1:] if "MAX" in asked else [],
             windowed(wanted, window) if "PARTIAL" in asked else [])
    return {uid for part in parts for uid in part}


def threaded(answer: Answer) -> list[int]:
    """All numbers of a THREAD response."""
    told = b" ".join(response.value for response in answer.told if response.kind == b"THREAD")
    return sorted(map(int, re.findall(rb"\d+", told)))


async def copied(answer: Answer, messages: Chosen, known: frozenset[int]) -> None:
    """All that were there were copied, with their flags, and COPYUID says so."""
    assert answer.before is not None
    if answer.final.code != b"COPYUID":
        assert not messages.there(answer), (messages, answer.final)
        return
    truth, (validity, old, new) = answer.peer.truth, answer.final.code_value
    there = await truth.state(await truth.of_validity(validity)) or {}
    pairs = dict(zip(numbers(old), numbers(new), strict=True))
    assert messages.there(answer) <= pairs.keys() <= messages.there(answer) | messages.perhaps(answer, known), (messages, pairs)
    for was, now in pairs.items():
        assert there[now].flags == answer.before[was].flags, (was, now)


def gone(answer: Answer, expected: set[int]) -> None:
    """Those went, and no others."""
    assert answer.before is not None and answer.after is not None
    assert answer.before.keys() - answer.after.keys() == expected, (answer.before, answer.after, expected)
