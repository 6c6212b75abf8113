"""Whether a recipient has had the address for as long as the sender thinks (RFC 7293); what was meant for another is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mailframe.interfaces.directory import IDirectory, IValidSince
from mailframe.mime.date import parse_date
from mailframe.mime.header import chosen_fields, strip_comments, unfold, without_field
from mailframe.model.address import Address
from mailframe.model.envelope import Recipient
from mailframe.model.refusal import Refusal

from .contain import Limit, contained

FIELD = b"require-recipient-valid-since"
_ROLES = frozenset((        # RFC 2142
    "postmaster", "abuse", "noc", "security", "hostmaster", "usenet", "news", "webmaster", "www", "uucp", "ftp",
    "info", "marketing", "sales", "support",
))


class OwnerChanged(Refusal):
    public, smtp = "The recipient has had this address only since later (RRVS)", (550, "5.7.17")


class OwnerUnknown(Refusal):
    """Also where a next hop cannot be asked."""

    public, smtp = "It is not known since when the recipient has had this address (RRVS)", (550, "5.7.19")


async def check_owner(
    directory: IDirectory, recipient: Recipient, found: Collection[Recipient], passed_on: bool, limit: Limit | None,
) -> None:
    """RRVS= of RCPT (section 3.1), for an address that leads to `found`. `passed_on`: next hops are asked it in turn.

    Raises OwnerChanged, OwnerUnknown, TryAgainLater.
    """
    if recipient.valid_since is None:
        return
    if goes_on(recipient, found):
        if not passed_on and recipient.without_rrvs != "C":
            raise OwnerUnknown
    else:
        await _check(directory, recipient.address, recipient.valid_since, limit)


def goes_on(recipient: Recipient, found: Iterable[Recipient]) -> bool:
    """Whether the address is other servers' affair, and so is who has it."""
    return all(one.account is None and one.address == recipient.address for one in found)


def has_field(header: bytes) -> bool:
    """Whether `check_field` has something to look at; quick where it has not."""
    return FIELD in header.lower()


async def check_field(directory: IDirectory, recipients: Collection[Recipient], header: bytes, limit: Limit | None) -> None:
    """The header field (section 3.2): for the recipients that it names, unless RCPT has said it already.

    Raises as `check_owner`: one who must not have it means that nobody gets it, so that the sender is told; such messages
    are written to one person.
    """
    wanted = {one.address.folded: one.address for one in recipients if one.valid_since is None}
    for _, value in chosen_fields(header, frozenset((FIELD,))):
        address, moment = _read(value)
        if address is not None and moment is not None and address.folded in wanted:
            await _check(directory, address, moment, limit)


def without(header: bytes) -> bytes:
    """`header` for the one to whom it is delivered: the field has done its work, and tells of other people's matters."""
    return without_field(header, FIELD)


async def _check(directory: IDirectory, address: Address, moment: float, limit: Limit | None) -> None:
    if address.local.lower() in _ROLES:            # whoever holds it is meant (section 5.1)
        return
    if not IValidSince.providedBy(directory):
        raise OwnerUnknown
    (since,) = await contained(directory, directory.valid_since, [address], limit=limit)
    if since is None:
        raise OwnerUnknown(detail=str(address))
    if since > moment:
        raise OwnerChanged(detail=str(address))


def _read(value: bytes) -> tuple[Address | None, float | None]:
    """``addr-spec ; date-time``; None for what cannot be read, which is ignored."""
    address, _, moment = strip_comments(unfold(value)).partition(b";")
    date = parse_date(moment)
    try:
        return Address.parse(address.strip().decode("utf-8")), None if date is None else float(date[0])
    except ValueError:
        return None, None
