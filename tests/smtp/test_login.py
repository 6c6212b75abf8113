"""Logging in: where it is offered, how it fails, how it ends."""

from __future__ import annotations

import pytest
from support.smtpworld import HELLO, MAIL, Realm, SmtpWorld, make_portal
from twisted.internet.defer import Deferred

from mailframe.model.refusal import Refusal, TryAgainLater


def test_a_login_ends_with_its_connection_and_with_starttls() -> None:
    realm = Realm()
    world = SmtpWorld(portal=make_portal(realm), plaintext_login="always")
    login = HELLO + "C: AUTH PLAIN AGJvYgBzZWNyZXQ=\nS: 235 *\n"
    world.connect().play(login + "D:")
    assert realm.logouts == 1
    world.connect().play(login + "C: STARTTLS\nS: 220 *\nC: EHLO c.example\nS: ...\n" + MAIL)
    assert realm.logouts == 2 and world.reception.deliveries[-1].envelope.peer.account is None


@pytest.mark.parametrize(("where", "ip", "encrypted", "offered"), [
    ("tls", "127.0.0.1", False, False), ("tls", "192.0.2.7", True, True), ("loopback", "127.0.0.1", False, True),
    ("loopback", "192.0.2.7", False, False), ("always", "192.0.2.7", False, True),
])
def test_where_passwords_may_be_sent(where: str, ip: str, encrypted: bool, offered: bool) -> None:
    player = SmtpWorld(portal=make_portal(), plaintext_login=where).connect(ip, encrypted=encrypted)
    player.send(b"EHLO c.example\r\n")
    assert (b"AUTH PLAIN LOGIN" in player.transport.value()) == offered


@pytest.mark.parametrize(("trouble", "reply"), [
    (TryAgainLater(), "454 4.7.0 *"), (RuntimeError("secret"), "454 4.7.0 *"),
    (Refusal("Account is locked", smtp=(535, "5.7.13")), "535 5.7.13 *"),
])
def test_a_login_that_cannot_be_judged_now(trouble: Exception, reply: str) -> None:
    portal = make_portal()
    portal.login = lambda *args: _failed(trouble)  # type: ignore[method-assign]
    SmtpWorld(portal=portal).connect(encrypted=True).play(HELLO + f"C: AUTH PLAIN AGJvYgBzZWNyZXQ=\nS: {reply}\nC: NOOP\nS: 250 *")


def _failed(trouble: Exception) -> Deferred[object]:
    failed: Deferred[object] = Deferred()
    failed.errback(trouble)
    return failed


def test_no_password_in_the_log(events: list[dict[str, object]]) -> None:  # I9
    world = SmtpWorld(portal=make_portal())
    world.connect(encrypted=True).play(
        HELLO + "C: AUTH PLAIN AGJvYgBodW50ZXIy\nT: 1\nS: 535 *\nC: AUTH LOGIN Ym9i\nS: 334 *\nC: aHVudGVyMg==\nT: 1\nS: 535 *")
    assert len(events) == 2 and all("hunter2" not in str(event) and "aHVud" not in str(event) for event in events)


def test_a_client_gone_during_the_delay_after_a_wrong_password_leaves_nothing() -> None:
    world = SmtpWorld(portal=make_portal())
    world.connect(encrypted=True).play(HELLO + "C: AUTH PLAIN AGJvYgB3cm9uZw==\nD:")
    assert world.factory.connections == 0 and world.clock.getDelayedCalls() == []
