"""Where a message's copies go, by filters' judgement [pure]."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from mailframe.mime.header import fields, unfold
from mailframe.model.address import Address
from mailframe.model.envelope import Recipient
from mailframe.model.refusal import Refusal
from mailframe.model.verdict import Judgement, Quarantine

from .trace import delivered_to

#: (account, folder) of a mailbox, ("", address) of another server's; one copy goes to each.
DestinationKey = tuple[str, str]


class Targets:
    """Who was asked for (`origins`) and where that leads (`of`), which may be the same place for several."""

    def __init__(self) -> None:
        self.origins: dict[Recipient, list[DestinationKey]] = {}
        self.of: dict[DestinationKey, Recipient] = {}
        self._tags: dict[DestinationKey, bytes] = {}         # header lines of one place: a filter's, and of forwarding
        self._forwarded: dict[Recipient, bytes] = {}         # who was asked for here and is at another server -> Delivered-To
        self.merged = False                                  # `of` has changed since its recipients were given to agents

    def add(self, one: Recipient, tag: bytes) -> None:
        """A new place."""
        self.of[key_of(one)] = one
        if tag:
            self._tags[key_of(one)] = tag

    def merge(self, one: Recipient) -> bool:
        """Whether there is a copy for that place already; it then serves `one` as well."""
        there = self.of.get(key_of(one))
        if there is None:
            return False
        both_served = serving_both(there, one)
        self.merged = self.merged or both_served != there
        self.of[key_of(one)] = both_served
        return True

    def note_forward(self, origin: Recipient) -> None:
        """Its copies for other servers tell where they came by, so that one that comes round is known."""
        line = b""
        for key in self.origins[origin]:
            if key[0] == "" and key[1] != origin.address.folded and not self.of[key].expanded:
                line = delivered_to(origin.address)
                if line not in self._tags.get(key, b""):
                    self._tags[key] = line + self._tags.get(key, b"")
        if line:
            self._forwarded[origin] = line

    def all_came_round(self, header: bytes) -> bool:
        """Whether the message was for the very same addresses before, each of which sends it on to another server."""
        if not self._forwarded or len(self._forwarded) < len(self.origins):
            return False
        before = {unfold(value).lower() for name, value in fields(header) if name == b"delivered-to"}
        return all(line.partition(b":")[2].strip().lower() in before for line in self._forwarded.values())

    def replace(self, key: DestinationKey, one: Recipient) -> None:
        """What was to go to `key` goes to `one`; it keeps its key here."""
        self.of[key] = one

    def recipients(self) -> tuple[Recipient, ...]:
        """Who is to have the message, for filters to know."""
        return tuple(one for one in self.of.values() if not one.expanded)

    def only(self) -> Address | None:
        """The one address that was asked for, None if there are several."""
        return next(iter(self.origins)).address if len(self.origins) == 1 else None

    def heads(self, heads: Mapping[Recipient, bytes]) -> dict[Recipient, bytes]:
        """Each place's own header lines: those of who was asked for, then filters'."""
        own = {self.of[key]: tag for key, tag in self._tags.items()}
        for origin, keys in self.origins.items():
            for key in keys if origin in heads else ():
                own[self.of[key]] = heads[origin] + own.get(self.of[key], b"")
        return own

    def partly(self, outcomes: Mapping[Recipient, Refusal | None]) -> list[Recipient]:
        """The places that refused, of those asked for who have other places that did not: no one answer fits these."""
        failed = {key for key, one in self.of.items() if outcomes.get(one) is not None}
        torn = {key for keys in self.origins.values() if not failed.issuperset(keys) for key in failed.intersection(keys)}
        return [one for key, one in self.of.items() if key in torn]

    def by_origin(self, outcomes: Mapping[Recipient, Refusal | None], *, whole: bool = False) -> dict[Recipient, Refusal | None]:
        """One that leads to several places has failed when all of them have; with `whole`, when any of them has."""
        found: dict[Recipient, Refusal | None] = {}
        for origin, keys in self.origins.items():
            refusals = [refusal for key in keys if (refusal := outcomes.get(self.of[key])) is not None]
            failed = bool(refusals) if whole else bool(keys) and len(refusals) == len(keys)
            found[origin] = worst(refusals) if failed else None
        return found


def worst(refusals: Sequence[Refusal]) -> Refusal:
    """A temporary one if there is any: then the sender tries again, and nothing is lost."""
    return next((refusal for refusal in refusals if refusal.temporary), refusals[0])


def key_of(recipient: Recipient) -> DestinationKey:
    if recipient.account is not None:
        return recipient.account, recipient.folder
    return "", recipient.address.folded


def serving_both(first: Recipient, second: Recipient) -> Recipient:
    """One copy for both: the first one's address, and what either wants to be told (RFC 3461 section 4.1).

    ORCPT is that of who wants more, for the report is about him.
    """
    if first.notify == second.notify:
        return first
    ask, more = _asks(first.notify), _asks(second.notify)
    notify = ask | more
    chosen = second if len(more) > len(ask) else first
    wanted = frozenset() if notify == _DEFAULT else notify or frozenset({"NEVER"})
    return replace(first, notify=chosen.notify if _asks(chosen.notify) == notify else wanted, orcpt=chosen.orcpt)


_DEFAULT = frozenset({"FAILURE", "DELAY"})


def _asks(notify: frozenset[str]) -> frozenset[str]:
    return notify - {"NEVER"} if notify else _DEFAULT


def placed(found: Iterable[Recipient], judgement: Judgement) -> list[Recipient]:
    """Where filters want it: quarantine files it and lets nothing out, a tag's folder moves what is for the INBOX."""
    if judgement.quarantine is not None:
        return [replace(one, folder=judgement.quarantine.folder) for one in found if one.account is not None]
    if judgement.folder is not None:
        return [
            replace(one, folder=judgement.folder) if one.account is not None and one.folder == "INBOX" else one for one in found
        ]
    return list(found)


def both(first: Judgement, second: Judgement) -> Judgement:
    """Two stages' judgements as one; none of the first is a refusal."""
    quarantine: Quarantine | None = first.quarantine or second.quarantine
    return Judgement(
        second.refusal, first.discard if first.discard is not None else second.discard, quarantine,
        first.header + second.header, second.folder or first.folder, second.content,
    )
