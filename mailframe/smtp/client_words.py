"""The words of MAIL that pass on what a sender asked about time and rank (RFC 2852, RFC 6710). Pure.

HOLDFOR and HOLDUNTIL (RFC 4865) are for submission alone, and kept here: what is handed on has been released.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import floor

from mailframe.model.envelope import Envelope

from .reply import Reply

_MOST = 999_999_999     # nine digits, RFC 2852 section 4


def words(envelope: Envelope, offers: Mapping[str, str], now: float) -> list[str]:
    """BY= with the time that is left, and MT-PRIORITY=, where the server has them."""
    found = []
    if envelope.deliver_by is not None and "DELIVERBY" in offers:
        by = envelope.deliver_by
        found.append(f"BY={max(-_MOST, min(_MOST, _left(by.at, now)))};{'N' if by.notify else 'R'}{'T' * by.trace}")
    if "MT-PRIORITY" in offers:
        found.append(f"MT-PRIORITY={envelope.priority}")        # 0 as well (RFC 6710 section 4.2): it may have been lowered to that
    return found


def notified(envelope: Envelope, notify: frozenset[str], offers: Mapping[str, str], now: float) -> frozenset[str]:
    """What NOTIFY asks of the server: of one that does not know by-mode N, word of a delay as well (RFC 2852 section 4.1.4.2)."""
    by = envelope.deliver_by
    if by is None or not by.notify or "DELIVERBY" in offers or by.at <= now or "NEVER" in notify:
        return notify
    return (notify or frozenset(("FAILURE",))) | {"DELAY"}


def too_late(envelope: Envelope, offers: Mapping[str, str], now: float) -> Reply | None:
    """Why this server may not be given the message: by-mode R goes only where it will be kept (RFC 2852 section 4.1.4)."""
    by = envelope.deliver_by
    if by is None or by.notify:
        return None
    left = _left(by.at, now)
    if left <= 0:
        return Reply.of(550, "5.4.7", "The time by which it was to be delivered has passed")
    if "DELIVERBY" not in offers:
        return Reply.of(550, "5.3.3", "The next mail server does not promise to deliver within a given time (DELIVERBY)")
    least = offers["DELIVERBY"].partition(" ")[0].partition(",")[0]
    if least.isdecimal() and int(least[:10]) > left:
        return Reply.of(550, "5.4.7", f"The next mail server wants at least {least[:10]} seconds to deliver it, {left} are left")
    return None


def _left(at: float, now: float) -> int:
    """Whole seconds, rounded towards an earlier deadline."""
    return floor(at - now)
