"""Every conversation in tests/transcripts/smtp, as it stands and octet by octet (I4)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.smtpworld import SmtpWorld, make_portal
from support.transcripts import Player, bytewise, whole

from mailframe.model.refusal import UnknownRecipient

FOLDER = Path(__file__).parents[1] / "transcripts" / "smtp"

SETTINGS: dict[str, dict[str, Any]] = {
    "too-many-errors": {"max_errors": 3},
    "addresses": {"max_errors": 100},
    "timeouts": {"idle_timeout_s": 300},
    "data-timeout": {"data_timeout_s": 180},
    "submission": {"role": "submission"},
    "futurerelease": {"role": "submission", "max_hold_s": 3_600},
    "deliverby": {"min_deliver_by_s": 30},
    "mt-priority": {"role": "submission", "priority_profile": "STANAG4406"},
    "not-honoured": {"dsn": False},
}
WITH_LOGIN = {"auth", "submission", "too-many-logins", "futurerelease", "mt-priority"}
IMPLICIT_TLS = {"auth", "too-many-logins", "requiretls", "futurerelease", "mt-priority"}
HONOURED = {         # by whoever is behind, besides DSN
    "requiretls": "REQUIRETLS", "requiretls-in-the-clear": "REQUIRETLS",
    "futurerelease": "FUTURERELEASE DELIVERBY", "futurerelease-mx": "FUTURERELEASE", "deliverby": "DELIVERBY",
    "mt-priority": "MT-PRIORITY", "mt-priority-mx": "MT-PRIORITY",
}
WHOLE_ONLY = {"injection"}   # octet by octet the second part goes to the TLS engine, see test_sockets


@pytest.mark.parametrize("cut", [whole, bytewise])
@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.txt")))
def test_transcript(name: str, cut: Callable[[bytes], list[bytes]]) -> None:
    if name in WHOLE_ONLY and cut is bytewise:
        return
    world = SmtpWorld(portal=make_portal() if name in WITH_LOGIN else None, **SETTINGS.get(name, {}))
    world.reception.obstacles["rcpt nobody@mx.example"] = UnknownRecipient()
    world.reception.honours |= set(HONOURED.get(name, "").split())
    world.reception.known = {"known@mx.example": True, "nobody@mx.example": False}

    def nothing_delivered() -> None:
        assert [delivery.state for delivery in world.reception.deliveries] == ["aborted"]

    actions: dict[str, Callable[[], object]] = {"nothing was delivered": nothing_delivered}
    for size in (3_000, 100_000):
        actions[f"send a line of {size} octets"] = lambda size=size: player.send(b"x" * size + b"\r\n")
    player: Player = world.connect(encrypted=name in IMPLICIT_TLS, cut=cut, actions=actions)
    player.play((FOLDER / f"{name}.txt").read_text())
    if not player.transport.lost:
        player.transport.drop(player.protocol)
    assert world.clock.getDelayedCalls() == [] and world.factory.connections == 0
