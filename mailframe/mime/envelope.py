"""ENVELOPE as finished IMAP bytes (RFC 3501 section 7.4.2, RFC 9051 section 7.5.2)."""

from __future__ import annotations

from functools import lru_cache

from .address import Address, parse_addresses
from .header import chosen_fields, unfold
from .imapstring import PLAIN, imap_string
from .limits import LIMITS

ENVELOPE_FIELDS = frozenset({
    b"date", b"subject", b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc", b"in-reply-to", b"message-id",
})
NIL_ENVELOPE = b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"


def render_envelope(header_block: bytes) -> bytes:
    """The ENVELOPE of a message with this header; encoded words stay encoded, raw 8-bit octets go out as literals.

    A missing field is NIL, an empty text field "", an empty address list NIL; Sender and Reply-To default to From.
    """
    return envelope_of(chosen_fields(header_block[:LIMITS.header_octets], ENVELOPE_FIELDS))


def envelope_of(found: list[tuple[bytes, bytes]]) -> bytes:
    """As `render_envelope`, from the fields. Of a repeated text field the first counts; address lists add up."""
    get = _values(found).get
    sender = _addresses(get(b"from"))
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        _text(get(b"date")), _text(get(b"subject")), sender,
        _addresses(get(b"sender"), sender), _addresses(get(b"reply-to"), sender),
        _addresses(get(b"to")), _addresses(get(b"cc")), _addresses(get(b"bcc")),
        _text(get(b"in-reply-to")), _text(get(b"message-id")),
    )


_LISTS = frozenset({b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc"})


def _values(found: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    values = dict(reversed(found))
    if len(values) != len(found):
        more: dict[bytes, list[bytes]] = {}
        for name, value in found:
            if name in _LISTS:
                more.setdefault(name, []).append(value)
        values.update((name, b",".join(repeated)) for name, repeated in more.items())
    return values


def _text(value: bytes | None) -> bytes:
    if value is None:
        return b"NIL"
    text = value.strip()
    return b'"%b"' % text if PLAIN.match(text) else imap_string(unfold(text))


def _addresses(value: bytes | None, default: bytes = b"NIL") -> bytes:
    if value is None:
        return default
    return (_remembered(value) if len(value) <= _SHORT else _rendered(value)) or default


def _rendered(value: bytes) -> bytes:
    """The list in its parentheses; b"" where there is nobody."""
    found = parse_addresses(value)
    return b"(%b)" % b"".join([_address(address) for address in found]) if found else b""


_SHORT = 200            # octets of a list that is worth remembering: a sender or two
_REMEMBERED = 1_000     # such lists; the same people write to the same people, and again takes a tenth of the time
_remembered = lru_cache(_REMEMBERED)(_rendered)


def _address(address: Address) -> bytes:
    name, route, local, domain = address
    if local is not None and domain is not None and route is None and PLAIN.match((name or b"") + local + domain):
        return b'(NIL NIL "%b" "%b")' % (local, domain) if name is None else b'("%b" NIL "%b" "%b")' % (name, local, domain)
    return b"(%b %b %b %b)" % (
        b"NIL" if name is None else imap_string(name), b"NIL" if route is None else imap_string(route),
        b"NIL" if local is None else imap_string(local), b"NIL" if domain is None else imap_string(domain),
    )
