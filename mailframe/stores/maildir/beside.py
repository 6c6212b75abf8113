"""Two small files in an account's folder: ``subscriptions`` as Dovecot writes it, and ``mailframe-account``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mailframe.model.mailbox import SEPARATOR

from . import names

SUBSCRIPTIONS = "subscriptions"
ACCOUNT = "mailframe-account"

_VERSION_2 = "V\t2\n\n"
_ESCAPES = (("\x01", "\x011"), ("\t", "\x01t"), ("\r", "\x01r"), ("\n", "\x01n"))


def subscribed(octets: bytes) -> list[str]:
    """Mailbox names: levels parted by tabs in version 2, by "." in the one before it, which has no heading."""
    text = octets.decode("utf-8", "surrogateescape")
    separator = "."
    if text.startswith(_VERSION_2):
        text, separator = text[len(_VERSION_2):], "\t"
    found = []
    for line in text.split("\n"):
        if line:
            levels = [names.level_from(_unescaped(level)) for level in line.split(separator)]
            found.append(SEPARATOR.join(levels))
    return found


def subscriptions(mailboxes: Iterable[str]) -> bytes:
    """The file again, as version 2."""
    lines = ["\t".join(names.level_of(level) for level in name.split(SEPARATOR)) + "\n" for name in mailboxes]
    return (_VERSION_2 + "".join(lines)).encode("utf-8", "surrogateescape")


def _unescaped(level: str) -> str:
    for character, escape in reversed(_ESCAPES):
        level = level.replace(escape, character)
    return level


@dataclass(frozen=True, slots=True)
class Account:
    """What has to outlive the index: the last UIDVALIDITY given, and the special uses by mailbox name."""

    uidvalidity: int = 0
    special_use: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parsed(cls, octets: bytes) -> Account:
        """What cannot be read counts as nothing known."""
        try:
            plain: Any = json.loads(octets)
            return cls(int(plain["uidvalidity"]), {str(name): str(use) for name, use in plain["special_use"].items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def written(self) -> bytes:
        plain = {"uidvalidity": self.uidvalidity, "special_use": dict(sorted(self.special_use.items()))}
        return json.dumps(plain, ensure_ascii=False, indent=1).encode() + b"\n"


