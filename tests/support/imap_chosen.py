"""Message sets and search keys by chance, with what they must name in a mailbox whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from .imap_peer import Peer
from .imap_said import Answer
from .imap_truth import Key


@dataclass(frozen=True)
class Chosen:
    """A message set as `text`. It names the messages `sure`, besides, perhaps, some which the client does not know the UIDs of
    yet (`open`), or that it believes in though they are gone."""

    text: str
    by_uid: bool
    sure: frozenset[int]
    open: bool = False

    def there(self, answer: Answer) -> set[int]:
        """Of those `sure` the ones that were there, and were worked upon."""
        assert answer.before is not None
        return {uid for uid in self.sure if uid in answer.before and uid >= answer.lowest}

    def perhaps(self, answer: Answer, known: frozenset[int]) -> set[int]:
        """What else may be named."""
        assert answer.before is not None
        return {uid for uid in answer.before if uid not in known} if self.open else set()

    @property
    def uid(self) -> str:
        return "UID " if self.by_uid else ""


def chosen(peer: Peer, random: Random, *, one: bool = False) -> Chosen | None:
    """Some messages of which the client knows, by UID or number; None where there are none."""
    if not peer.mirror.messages:
        return None
    return _by_uid(peer, random, one) if peer.mirror.uid_only or random.random() < 0.5 else _by_number(peer, random, one)


def _by_number(peer: Peer, random: Random, one: bool) -> Chosen:
    messages = peer.mirror.messages
    count = len(messages)
    low, high = sorted((random.randint(1, count), random.randint(1, count)))
    several = [(f"{high}:{low}", range(low, high + 1)), (f"{low}:*", range(low, count + 1)), ("1:*", range(1, count + 1)),
               (f"{low},{high}", (low, high))]
    text, places = random.choice([(f"{low}", (low,)), (f"{low}", (low,)), ("*", (count,)), *([] if one else several)])
    uids = [messages[place - 1].uid for place in places]
    return Chosen(text, False, frozenset(filter(None, uids)), 0 in uids or text.endswith(":*"))      # with those told of first


def _by_uid(peer: Peer, random: Random, one: bool) -> Chosen:
    uids = peer.mirror.uids
    if not uids:
        return Chosen("4294967295:1", True, frozenset(), True) if not one else Chosen("4000000000", True, frozenset())
    unknown = len(uids) < len(peer.mirror.messages)
    low, high = sorted((random.choice(uids), random.choice(uids)))
    between = frozenset(uid for uid in uids if low <= uid <= high)
    above = frozenset(uid for uid in uids if uid >= low)
    if one:
        return Chosen(f"{low}", True, frozenset([low]))
    if peer.saved is not None and random.random() < 0.15:
        return Chosen("$", True, frozenset(peer.saved), bool(peer.saved - set(uids)))
    text, sure, is_open = random.choice([
        (f"{low}", frozenset([low]), False), (f"{low}", frozenset([low]), False), (f"{low}:{high}", between, unknown),
        (f"{low}:*", above, True), ("1:*", frozenset(uids), True), ("4294967295:1", frozenset(uids), True),
        (f"{high},{low}", frozenset([low, high]), False), (f"{low + 1_000}", frozenset(), True),
    ])
    return Chosen(text, True, sure, is_open)


def key(peer: Peer, random: Random, depth: int = 0) -> Key:
    """A search program of flags, UIDs and mod-sequences."""
    uid = random.choice(peer.mirror.uids or [1])
    plain: list[Key] = [
        ("ALL", lambda uid, message: True), ("UNDELETED", lambda uid, message: b"\\Deleted" not in message.flags),
        ("DELETED", lambda uid, message: b"\\Deleted" in message.flags),
        ("UNSEEN", lambda uid, message: b"\\Seen" not in message.flags), ("SEEN", lambda uid, message: b"\\Seen" in message.flags),
        ("FLAGGED", lambda uid, message: b"\\Flagged" in message.flags),
        ("KEYWORD $Even", lambda uid, message: b"$Even" in message.flags),
        ("UNKEYWORD $Odd", lambda uid, message: b"$Odd" not in message.flags),
        (f"UID {uid}:4294967295", lambda each, message: each >= uid), (f"UID {uid}", lambda each, message: each == uid),
        (f"NOT UID 1:{uid}", lambda each, message: each > uid),
        ("FROM example.org", lambda uid, message: True), ("BODY nowhere", lambda uid, message: False),
    ]
    if peer.mirror.condstore:
        since = max(peer.mirror.highest_modseq - random.randrange(4), 1)
        plain.append((f"MODSEQ {since}", lambda uid, message: message.modseq >= since))
    if depth < 2 and random.random() < 0.3:
        (text, first), (other, second) = key(peer, random, depth + 1), key(peer, random, depth + 1)
        return random.choice([
            (f"OR ({text}) ({other})", lambda uid, message: first(uid, message) or second(uid, message)),
            (f"{text} {other}", lambda uid, message: first(uid, message) and second(uid, message)),
            (f"NOT ({text})", lambda uid, message: not first(uid, message)),
        ])
    return random.choice(plain)
