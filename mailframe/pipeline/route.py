"""From an address to its mailboxes and next hops: aliases followed, postmaster always found, relaying refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from twisted.logger import Logger

from mailframe.interfaces.directory import IDirectory
from mailframe.model.address import Address
from mailframe.model.domain import canonical_domain
from mailframe.model.envelope import Recipient
from mailframe.model.refusal import InternalError, MailLoop, Refusal, RelayDenied, TryAgainLater, UnknownRecipient
from mailframe.model.route import Account, Remote, Resolution, Rewrite, TryLater, Unknown

from .contain import Limit, contained

log = Logger()
_ALIAS = "\0alias"       # no account's name


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """How addresses are followed."""

    own_domain: str = ""               # whose postmaster a postmaster without a domain is
    postmaster: str | None = None      # account that gets postmaster's mail where the directory has no such name (RFC 5321 4.5.1)
    subaddress: str = ""               # "+": user+tag is user when user+tag itself is unknown (RFC 5233)
    subaddress_folder: bool = False    # and goes into the folder "tag" if there is one; off: strangers would choose folders
    relay_domains: tuple[str, ...] = ()  # not ours, but we take their mail from anybody and hand it on: as backup MX, as gateway
    max_hops: int = 8                  # rewrites in a row; more is a loop or a mistake
    max_addresses: int = 1_000         # addresses one recipient may become; a list manager serves bigger lists better

    def __post_init__(self) -> None:
        object.__setattr__(self, "relay_domains", tuple(canonical_domain(domain) for domain in self.relay_domains))


async def route(
    directory: IDirectory, recipient: Recipient, settings: RouteSettings, may_relay: bool, limit: Limit | None = None,
) -> list[Recipient]:
    """What `recipient` stands for: own accounts (`account` set) and remote addresses, each once, at least one.

    `may_relay` is whether the sender may write to other domains through us; addresses that an own alias leads to are
    always let through. Raises UnknownRecipient, RelayDenied, TryAgainLater, MailLoop, InternalError: then none is taken.
    """
    found: dict[tuple[str, str], Recipient] = {}
    seen = {recipient.address.folded}
    unknown = 0
    waiting: list[Recipient] = [recipient]
    for _ in range(settings.max_hops + 1):
        answers = await _resolve(directory, [each.address for each in waiting], settings, limit)
        if waiting[0] is recipient and type(answers[0]) is Account:        # what it is for nearly everybody
            return [recipient.at(answers[0].name, answers[0].folder)]
        following: list[Recipient] = []
        for one, answer in zip(waiting, answers):
            match answer:
                case Account(name, folder):
                    found.setdefault((name, folder), one.at(name, folder))
                case Remote():
                    if one is recipient and not may_relay and one.address.domain not in settings.relay_domains:
                        raise RelayDenied(detail=str(one))
                    found.setdefault(("", one.address.folded), one)
                case Rewrite(addresses):
                    following += _expanded(one, _unseen(one, addresses, seen, settings), found)
                case TryLater(detail):
                    raise TryAgainLater(detail=detail or f"directory cannot resolve {one}")
                case Unknown():
                    unknown += 1
                    if one is not recipient:
                        log.warn("{alias} leads to {address}, which does not exist", alias=str(recipient), address=str(one))
        if not following:
            return _nonempty(list(found.values()), recipient, unknown)
        waiting = following
    raise MailLoop("This address leads nowhere", detail=f"{recipient} is rewritten more than {settings.max_hops} times")


async def resolved(directory: IDirectory, address: Address, settings: RouteSettings, limit: Limit | None = None) -> Resolution:
    """What `address` stands for, one step. Raises InternalError."""
    return (await _resolve(directory, [address], settings, limit))[0]


def _nonempty(found: list[Recipient], recipient: Recipient, unknown: int) -> list[Recipient]:
    if any(not each.expanded for each in found):
        return found
    if unknown:
        raise UnknownRecipient(detail=str(recipient))
    raise MailLoop("This address leads nowhere", detail=f"{recipient} is rewritten to itself or to nothing")


def _expanded(one: Recipient, fresh: list[Recipient], found: dict[tuple[str, str], Recipient]) -> list[Recipient]:
    """An alias for several is the end of the way that NOTIFY=SUCCESS asks about (RFC 3461 section 5.2.7): it is added to
    `found` for the report, and for the others only failures and delays are still asked for."""
    if len(fresh) < 2 or "SUCCESS" not in one.notify:
        return fresh
    found[_ALIAS, one.address.folded] = replace(one, expanded=True)
    notify = one.notify - {"SUCCESS"} or frozenset(("NEVER",))
    return [replace(each, notify=notify) for each in fresh]


def _unseen(one: Recipient, addresses: Sequence[Address], seen: set[str], settings: RouteSettings) -> list[Recipient]:
    """`one` under its new addresses; what was met before is left out, which ends circles."""
    fresh = []
    for address in addresses:
        if address.folded not in seen:
            seen.add(address.folded)
            orcpt = one.orcpt or _original(one.address)
            fresh.append(replace(one, address=address, orcpt=orcpt, valid_since=None, without_rrvs=""))
    if len(seen) > settings.max_addresses:
        raise Refusal("This address stands for too many others", smtp=(550, "5.2.4"), detail=str(one))
    return fresh


def _original(address: Address) -> str:
    """What the sender wrote, as its reports name it (RFC 3461 section 4.2, RFC 6533 section 3)."""
    return f"{'rfc822' if str(address).isascii() else 'utf-8'};{address}"


async def _resolve(
    directory: IDirectory, addresses: Sequence[Address], settings: RouteSettings, limit: Limit | None,
) -> list[Resolution]:
    """The directory's answers, with postmaster and subaddresses seen to."""
    asked = [whole for address in addresses if (whole := whole_address(address, settings)).domain]
    answers = await _ask(directory, asked, limit) if asked else []
    known = dict(zip(asked, answers))
    if settings.subaddress:
        bases = {
            address: replace(address, local=address.local.partition(settings.subaddress)[0])
            for address, answer in known.items()
            if isinstance(answer, Unknown) and settings.subaddress in address.local[1:]
        }
        if bases:
            for (address, base), answer in zip(bases.items(), await _ask(directory, list(bases.values()), limit)):
                known[address] = _subaddressed(address, base, answer, settings)
    return [_or_postmaster(address, known.get(whole_address(address, settings), Unknown()), settings) for address in addresses]


def whole_address(address: Address, settings: RouteSettings) -> Address:
    """A bare postmaster, or any other name without a domain, is our first domain's."""
    return address if address.domain else replace(address, domain=settings.own_domain)


async def _ask(directory: IDirectory, addresses: list[Address], limit: Limit | None) -> Sequence[Resolution]:
    answers = await contained(directory, directory.resolve, addresses, limit=limit)
    sound = isinstance(answers, Sequence) and all(isinstance(each, Resolution) for each in answers)
    if not sound or len(answers) != len(addresses):
        what = f"{type(directory).__qualname__}.resolve gave {answers!r:.200} for {len(addresses)} addresses"
        log.error("{what}", what=what)
        raise InternalError(detail=what)
    return answers


def _subaddressed(address: Address, base: Address, answer: Resolution, settings: RouteSettings) -> Resolution:
    tag = address.local[len(base.local) + len(settings.subaddress):]
    if settings.subaddress_folder and tag and isinstance(answer, Account) and answer.folder == "INBOX":
        return replace(answer, folder=tag)
    return answer


def _or_postmaster(address: Address, answer: Resolution, settings: RouteSettings) -> Resolution:
    """Mail to postmaster is always taken, at every own domain and without one (RFC 5321 section 4.5.1)."""
    if address.local.lower() != "postmaster":
        return answer
    unknown = isinstance(answer, Unknown) or (isinstance(answer, Remote) and not address.domain)
    if unknown and settings.postmaster is not None:
        return Account(settings.postmaster)
    return Unknown() if unknown else answer
