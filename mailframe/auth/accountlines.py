"""The accounts file's text and what it means: an account or an alias on each line."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mailframe.model.address import Address
from mailframe.model.domain import canonical_domain

from .hashing import check_hash
from .names import account_name, folded, without_subaddress

_SINCE = "since="
_MAX_ALIAS_DEPTH = 10           # an alias of an alias of...: deeper is a mistake


@dataclass(frozen=True, slots=True)
class Line:
    """What one line of the file says. `targets` is empty for an account, `hash` for an alias."""

    name: str                   # the account, the alias's address, or "@domain" for a catch-all
    hash: str = field(default="", repr=False)
    targets: tuple[Address, ...] = ()
    since: float | None = None  # when the account was made, in seconds since the epoch; None: nobody wrote it down


def parse_line(text: str) -> Line | None:
    """``alice@one.example:$argon2id$...`` (perhaps with `` since=2026-01-31T12:00:00Z`` behind it),
    ``info@one.example -> alice@one.example, bob@two.example`` or
    ``@one.example -> ...``; None for an empty line and a comment. Raises ValueError without quoting a hash (I9)."""
    text = text.strip()
    if not text or text.startswith("#"):
        return None
    name, arrow, targets = text.partition("->")
    if arrow and ":" not in name:
        return Line(_alias_name(name.strip()), targets=tuple(_target(word) for word in targets.split(",")))
    name, colon, stored = text.partition(":")
    if not colon:
        raise ValueError('expected "name@domain:hash" or "name@domain -> target, target"')
    stored, _, rest = stored.strip().partition(" ")
    check_hash(stored)
    return Line(account_name(name.strip()), stored, since=_since(rest.strip()))


def account_line(name: str, stored: str, since: float | None) -> str:
    """What `parse_line` reads as an account."""
    line = f"{name}:{stored}"
    return line if since is None else f"{line} {_SINCE}{datetime.fromtimestamp(since, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _since(text: str) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.removeprefix(_SINCE))
    except ValueError:
        moment = None
    if not text.startswith(_SINCE) or moment is None or moment.tzinfo is None:
        raise ValueError(f'behind the hash may stand "{_SINCE}" with a date, time and zone: {_SINCE}2026-01-31T12:00:00Z')
    return moment.timestamp()


def _alias_name(text: str) -> str:
    if text.startswith("@"):
        return "@" + canonical_domain(text[1:])
    address = Address.parse(text)
    if not address.domain:
        raise ValueError(f"an alias is a full address or @domain: {text!r}")
    return folded(address)


def _target(text: str) -> Address:
    address = Address.parse(text.strip())
    if not address.domain:
        raise ValueError(f"an alias's target is a full address: {text.strip()!r}")
    return address


@dataclass(slots=True)
class Accounts:
    """One reading of the file. Names are folded (`mailframe.auth.names.folded`)."""

    hashes: dict[str, str] = field(default_factory=dict, repr=False)
    aliases: dict[str, tuple[Address, ...]] = field(default_factory=dict)
    domains: frozenset[str] = frozenset()
    since: dict[str, float] = field(default_factory=dict)

    def find(self, address: Address) -> str | tuple[Address, ...] | None:
        """The account's name, or an alias's targets: the address itself, then without its subaddress, then the catch-all."""
        bare = without_subaddress(address)
        for candidate in (address, bare) if bare else (address,):
            key = folded(candidate)
            if key in self.hashes:
                return key
            if key in self.aliases:
                return self.aliases[key]
        return self.aliases.get("@" + address.domain)

    def leads_to(self, address: Address, account: str) -> bool:
        """Whether mail to `address` reaches `account`, through however many aliases."""
        seen: set[str] = set()
        level = [address]
        for _ in range(_MAX_ALIAS_DEPTH):
            found = [self.find(each) for each in level if folded(each) not in seen]
            if account in found:
                return True
            seen.update(folded(each) for each in level)
            level = [target for each in found if isinstance(each, tuple) for target in each]
            if not level:
                break
        return False


def parse_accounts(text: str, source: str, domains: Collection[str]) -> Accounts:
    """Read a whole file. Raises ValueError naming `source` and the line.

    `domains` (canonical) are the server's own; empty: those of the accounts in the file.
    """
    accounts = Accounts()
    for number, line in numbered(text, source):
        known = line.name in accounts.hashes or line.name in accounts.aliases
        domain = line.name.rpartition("@")[2]
        if known:
            raise ValueError(f"{source}, line {number}: {line.name} stands here a second time")
        if domains and domain not in domains:
            raise ValueError(f"{source}, line {number}: {domain} is none of this server's domains ({', '.join(sorted(domains))})")
        if line.targets:
            accounts.aliases[line.name] = line.targets
        else:
            accounts.hashes[line.name] = line.hash
            if line.since is not None:
                accounts.since[line.name] = line.since
    accounts.domains = frozenset(domains) or frozenset(name.rpartition("@")[2] for name in accounts.hashes)
    return accounts


def numbered(text: str, source: str) -> Iterator[tuple[int, Line]]:
    """The lines that say something, with their numbers from 1. Raises ValueError as `parse_accounts`."""
    for number, raw in enumerate(text.split("\n"), 1):
        try:
            line = parse_line(raw)
        except ValueError as error:
            raise ValueError(f"{source}, line {number}: {error}") from None
        if line is not None:
            yield number, line
