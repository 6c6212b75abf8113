"""Who a submitted message says it is from, read as its recipients' programs will read it [pure]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mailframe.mime.header import fields, parse_addresses, unfold
from mailframe.mime.limits import LIMITS
from mailframe.model.address import Address
from mailframe.model.domain import canonical_domain
from mailframe.model.refusal import Refusal

from .wellformed import spoken

#: Fields that a message may have only once (RFC 5322 section 3.6), and by which a second author could hide behind the first.
_ONCE = (b"from", b"sender")


class BadHeader(Refusal):
    """RFC 6409 sections 4.2, 5.1 and 6.3."""

    public, smtp = "The message's header cannot be used", (554, "5.6.0")


@dataclass(frozen=True, slots=True)
class Authors:
    """What the header says. Names of fields are in lower case."""

    names: frozenset[bytes]                              # of all its fields
    fields: tuple[tuple[bytes, tuple[Address, ...]], ...]  # From, Sender, Resent-From, Resent-Sender: as often as they stand there
    overlong: bytes = b""                                # the name of one of these that is too long to be read to its end
    unclear: bytes = b""                                 # and of one that others might read otherwise (`wellformed`)

    @property
    def redirected(self) -> bool:
        """Somebody passes on another's message as it is (RFC 5322 section 3.6.6)."""
        return b"resent-from" in self.names

    def named(self, name: bytes) -> tuple[Address, ...]:
        """The addresses of the first field `name`, which is the newest where there are several Resent- blocks."""
        return next((addresses for each, addresses in self.fields if each == name), ())


_AUTHORS = frozenset({b"from", b"sender", b"resent-from", b"resent-sender"})


def read(header: bytes, most: int) -> Authors:
    """Never raises; an address that cannot be read is one that nobody may use (`unreadable`)."""
    found = fields(header, len(header) + 1)
    authors = [(name, unfold(value)) for name, value in found if name in _AUTHORS]
    overlong = next((name for name, value in authors if len(value) > LIMITS.address_tokens), b"")
    unclear, listed = b"", []
    for name, value in authors:
        exact = None if overlong else spoken(value)
        if exact is None:
            unclear = unclear or name
            listed.append((name, tuple(_addresses(value, most))))
        else:
            listed.append((name, tuple(dict.fromkeys(map(_spoken, exact)))))
    return Authors(frozenset(name for name, _ in found), tuple(listed), overlong, unclear)


def check_form(found: Authors, most: int) -> None:
    """Raises BadHeader for what could show different authors to different readers, or none."""
    if found.overlong:
        raise BadHeader(f"{title(found.overlong)} is longer than {LIMITS.address_tokens} octets")
    for name in _ONCE:
        times = sum(each == name for each, _ in found.fields)
        if times > 1:
            raise BadHeader(f"The message has {times} {title(name)} fields; RFC 5322 section 3.6 allows one")
    for name, addresses in found.fields:
        if not addresses:
            raise BadHeader(f"{title(name)} names no address")
        if len(addresses) > most:
            raise BadHeader(f"{title(name)} names more than {most} addresses")
    if found.unclear and not any(map(unreadable, found.named(found.unclear))):      # of which `rights` says more
        raise BadHeader(f"{title(found.unclear)} is not written as RFC 5322 section 3.4 has it, and programs might show different "
                        "authors: put names with special characters in quotes and addresses in <>")
    if any(name in (b"sender", b"resent-sender") and len(addresses) > 1 for name, addresses in found.fields):
        raise BadHeader("Sender names several addresses; RFC 5322 section 3.6.2 allows one")


def unreadable(address: Address) -> bool:
    """Whether it stands for something in the header that is no full address."""
    return not address.domain or not address.local


def title(name: bytes) -> str:
    """A field's name as people write it."""
    return name.decode("ascii", "replace").title()


def _spoken(text: bytes) -> Address:
    try:
        return Address.parse(text.decode("utf-8"))
    except ValueError:
        return Address(text.decode("utf-8", "replace"), "")


def _addresses(value: bytes, most: int) -> Iterator[Address]:
    """One more than `most` at most. Encoded words, comments and display names play no part."""
    count = 0
    for _, _, local, domain in parse_addresses(value):
        if domain is None or local is None:
            continue                    # where a group begins or ends (RFC 6854)
        count += 1
        yield _address(local, domain)
        if count > most:
            return


def _address(local: bytes, domain: bytes) -> Address:
    try:
        return Address(local.decode("utf-8"), canonical_domain(domain.decode("utf-8")) if domain else "")
    except ValueError:
        return Address(f"{local.decode('utf-8', 'replace')}@{domain.decode('utf-8', 'replace')}", "")
