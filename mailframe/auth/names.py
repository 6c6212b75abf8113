"""Account and login names: one normal form, and the alphabet that is checked before any plugin sees them."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

from mailframe.model.address import Address

_MAX_OCTETS = 255               # a file name's length, for stores that use it as one
_UNWANTED = frozenset('/\\":<>|*?')  # path and quoting characters of one system or another


def check_account_name(name: str) -> None:
    """Raises ValueError for a name that must not reach a store: empty, overlong, with control or path characters."""
    if not name or len(name.encode("utf-8", "surrogatepass")) > _MAX_OCTETS:
        raise ValueError("an account's name has 1 to 255 octets")
    if name[0] == "." or not _UNWANTED.isdisjoint(name):
        raise ValueError(f"not an account's name: {name!r}")
    if " " in name or not name.isprintable():       # which is the categories C and Z, but for the space
        raise ValueError(f"an account's name with spaces or control characters: {name!r}")


def folded(address: Address) -> str:
    """The key under which addresses compare in a directory: lower case and NFC (RFC 8265 section 3.3)."""
    key = address.folded
    return key if key.isascii() else unicodedata.normalize("NFC", key)


def account_name(text: str) -> str:
    """The one spelling of an account that is an address. Raises ValueError."""
    address = Address.parse(text)
    if not address.domain:
        raise ValueError(f"an account's name is a full address: {text!r}")
    name = folded(address)
    check_account_name(name)
    return name


def login_name(text: str, domains: Collection[str]) -> str | None:
    """The account that a user means who logs in as `text`: the address in any case, or its local part where there is
    only one domain. None for what can be nobody's name."""
    text = unicodedata.normalize("NFC", text)
    if "@" not in text:
        if len(domains) != 1:
            return None
        text = f"{text}@{next(iter(domains))}"
    try:
        return account_name(text)
    except ValueError:
        return None


def without_subaddress(address: Address) -> Address | None:
    """``alice+news@`` as ``alice@`` (RFC 5233); None when there is no subaddress."""
    local, plus, _ = address.local.partition("+")
    return Address(local, address.domain) if plus and local else None
