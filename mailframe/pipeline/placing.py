"""Where a message's copies go, by filters' judgement [pure]."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from mailframe.model.address import Address
from mailframe.model.envelope import Recipient
from mailframe.model.refusal import Refusal
from mailframe.model.verdict import Judgement, Quarantine

#: (account, folder) of a mailbox, ("", address) of another server's; one copy goes to each.
DestinationKey = tuple[str, str]


class Targets:
    """Who was asked for (`origins`) and where that leads (`of`), which may be the same place for several."""

    def __init__(self) -> None:
        self.origins: dict[Recipient, list[DestinationKey]] = {}
        self.of: dict[DestinationKey, Recipient] = {}
        self._tags: dict[DestinationKey, bytes] = {}         # header lines that a filter gave one recipient

    def add(self, one: Recipient, tag: bytes) -> None:
        """A new place."""
        self.of[key_of(one)] = one
        if tag:
            self._tags[key_of(one)] = tag

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
        first.header + second.header, first.words | second.words, second.folder or first.folder, second.content,
    )
