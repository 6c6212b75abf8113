"""Guards that only count: rates, recipients, tarpit, bans, early talkers; sessions in virtual time."""

from __future__ import annotations

from typing import Any

import pytest
from support.coroutines import result_of
from support.guardworld import MESSAGE, GuardWorld
from support.memory import MemoryTransport
from support.transcripts import Player
from twisted.logger import formatEvent, globalLogPublisher
from zope.interface import implementer

from mailframe.filters.bans import Bans, BansSettings
from mailframe.filters.early import EarlySettings, EarlyTalkers
from mailframe.filters.rates import Rates, RatesSettings
from mailframe.filters.recipients import Recipients, RecipientsSettings
from mailframe.filters.scope import Scope, concerned, network
from mailframe.filters.tarpit import Tarpit, TarpitSettings
from mailframe.interfaces.filter import IConnectionFilter, IGreetingFilter, IRecipientFilter, ISenderFilter
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.verdict import Named, Pass, Verdict
from mailframe.proxied.factory import ToldAddress

HELLO = "S: 220 *\nC: HELO client.example\nS: 250 *\n"
FROM = "C: MAIL FROM:<a@far.example>\nS: 250 *\n"


def rates(**limits: Any) -> Any:
    return lambda world: [Rates(RatesSettings(**limits), world.clock.seconds)]


# Whom they look at.


@pytest.mark.parametrize(("peer", "looked_at"), [
    (Peer("192.0.2.7", role="mx"), True), (Peer("192.0.2.7", role="submission"), False), (Peer("127.0.0.5", role="mx"), False),
    (Peer("::1", role="mx"), False), (Peer("", role="mx"), False), (Peer("198.51.100.9", role="mx"), False)])
def test_a_guard_looks_at_strangers_on_its_roles_and_never_at_this_machine(peer: Peer, looked_at: bool) -> None:
    assert concerned(Scope(exempt=("127.0.0.0/8", "::1", "198.51.100.0/24")))(peer) is looked_at


@pytest.mark.parametrize(("wrong", "named"), [
    ({"roles": ("mail",)}, "roles"), ({"exempt": ("192.0.2.300",)}, "exempt"), ({"exempt": ("192.0.2.1/24",)}, "exempt")])
def test_a_scope_that_makes_no_sense_names_its_key(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Scope(**wrong)


@pytest.mark.parametrize("wrong", [{"period_s": 0.0}, {"connections": -1}, {"ipv4_prefix": 33}, {"ipv6_prefix": 129}])
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RatesSettings(**wrong)


def test_networks() -> None:
    assert network("192.0.2.7", 24, 64) == "192.0.2.0/24"
    assert network("2001:db8:1:2:3::7", 24, 48) == "2001:db8:1::/48"


# Rates.


def test_connections_beyond_the_rate_are_told_to_come_later_and_do() -> None:
    world = GuardWorld(rates(connections=3, period_s=60))
    for _ in range(3):
        world.says(HELLO + "C: QUIT\nS: 221 *\nS: <closed>\n")
    world.says("S: 421 4.7.0 Too many connections, please try again later\nS: <closed>\n")
    world.says(HELLO, ip="192.0.2.8")           # another address is another matter
    world.clock.advance(20.1)
    world.says(HELLO)
    world.says("S: 421 *\nS: <closed>\n")


def test_a_network_has_a_limit_of_its_own() -> None:
    world = GuardWorld(rates(network_connections=4))
    for host in range(4):
        world.says(HELLO, ip=f"192.0.2.{host}")
    world.says("S: 421 4.7.0 *\nS: <closed>\n", ip="192.0.2.99")
    world.says(HELLO, ip="192.0.3.1")


def test_a_network_has_a_limit_of_messages_and_of_recipients() -> None:
    world = GuardWorld(rates(network_messages=2, network_recipients=3))
    for host in range(2):
        world.says(HELLO + FROM + "C: RCPT TO:<bob@example.org>\nS: 250 *\n" + MESSAGE + "S: 250 *\n", ip=f"192.0.2.{host}")
    world.says(HELLO + "C: MAIL FROM:<a@far.example>\nS: 451 4.7.1 *\n", ip="192.0.2.99")
    world = GuardWorld(rates(network_recipients=1))
    world.says(HELLO + FROM + "C: RCPT TO:<bob@example.org>\nS: 250 *\n", ip="192.0.2.1")
    world.says(HELLO + FROM + "C: RCPT TO:<bob@example.org>\nS: 451 4.7.1 *\n", ip="192.0.2.2")
    world.says(HELLO + FROM + "C: RCPT TO:<bob@example.org>\nS: 250 *\n", ip="192.0.3.1")


def test_a_customer_with_his_own_ipv6_network_is_one_address() -> None:
    world = GuardWorld(rates(connections=2))
    world.says(HELLO, ip="2001:db8::1")
    world.says(HELLO, ip="2001:db8::2")
    world.says("S: 421 4.7.0 *\nS: <closed>\n", ip="2001:db8::3")
    world.says(HELLO, ip="2001:db8:0:1::1")


def test_messages_beyond_the_rate_get_451_and_the_session_goes_on() -> None:
    world = GuardWorld(rates(messages=2, period_s=60))
    player = world.says(HELLO)
    one = FROM + "C: RCPT TO:<bob@example.org>\nS: 250 *\n" + MESSAGE + "S: 250 *\n"
    player.play(one + one + "C: MAIL FROM:<a@far.example>\nS: 451 4.7.1 Too many messages from you, please try again later\n")
    player.play("C: NOOP\nS: 250 *\nT: 31\n" + one)


def test_recipients_beyond_the_rate_get_451() -> None:
    world = GuardWorld(rates(recipients=1))
    world.says(HELLO + FROM + "C: RCPT TO:<bob@example.org>\nS: 250 *\nC: RCPT TO:<eve@example.org>\nS: 451 4.7.1 *\n"
               + MESSAGE + "S: 250 *\n")
    assert len(world.mail("bob")) == 1


def test_connections_at_once_are_counted_until_they_end_however_they_end() -> None:
    world = GuardWorld(rates(at_once=2))
    first, second = world.says(HELLO), world.connect()
    world.says("S: 421 4.7.0 Too many connections from your network, *\nS: <closed>\n", ip="192.0.2.200")
    first.play("D:")
    world.says(HELLO)
    second.play("S: 220 *\nC: QUIT\nS: 221 *\nS: <closed>\n")
    world.says(HELLO)
    (guard,) = [call.__self__ for _, call in world.parts.filters._connection]
    assert result_of(guard.told())["connections open"] == 2


def test_a_limit_of_nothing_is_none() -> None:
    world = GuardWorld(rates(connections=0, messages=0, recipients=0, network_connections=0, at_once=0))
    for _ in range(50):
        world.says(HELLO)


def test_a_flood_of_addresses_fills_nothing() -> None:
    guard = Rates(RatesSettings(remember_addresses=100), lambda: 1.0)
    for number in range(5_000):
        peer = Peer(f"10.{number >> 8}.{number & 255}.1", number, role="mx")
        guard.connection(peer)
        guard.disconnected(peer)
    assert result_of(guard.told()) == {"addresses counted": 100, "connections open": 0} and not guard._at_once


# Recipients.


def recipients(**limits: Any) -> Any:
    return lambda world: [Recipients(RecipientsSettings(**limits), world.clock.seconds)]


TWO = FROM + "C: RCPT TO:<bob@example.org>\nS: 250 *\nC: RCPT TO:<eve@example.org>\nS: "


def test_a_message_has_its_most_recipients() -> None:
    """RFC 5321 section 4.5.3.1.10"""
    player = GuardWorld(recipients(per_message=1)).says(HELLO + TWO + "452 4.5.3 Too many recipients\nC: RSET\nS: 250 *\n")
    player.play(TWO + "452 4.5.3 *\n")


def test_a_connection_has_its_most_recipients_over_all_messages() -> None:
    world = GuardWorld(recipients(per_connection=2))
    player = world.says(HELLO + TWO + "250 *\nC: RSET\nS: 250 *\n" + FROM)
    player.play("C: RCPT TO:<bob@example.org>\nS: 452 4.5.3 Too many recipients in this connection\n")
    world.says(HELLO + TWO + "250 *\n")


def test_an_address_has_its_most_recipients_in_an_hour() -> None:
    world = GuardWorld(recipients(per_hour=2))
    world.says(HELLO + TWO + "250 *\n")
    world.says(HELLO + FROM + "C: RCPT TO:<bob@example.org>\nS: 451 4.7.1 *\n")
    world.clock.advance(1_801)
    world.says(HELLO + FROM + "C: RCPT TO:<bob@example.org>\nS: 250 *\n")


# Tarpit.


def tarpit(**limits: Any) -> Any:
    return lambda _: [Tarpit(TarpitSettings(**limits))]


WRONG = "C: RCPT TO:<nobody@example.org>\n"


def test_mistakes_are_answered_later_and_later_and_others_do_not_wait() -> None:
    world = GuardWorld(tarpit(free=1, first_s=1, factor=2, most_s=3))
    player = world.says(HELLO + FROM + WRONG + "S: 550 5.1.1 *\n")
    player.play(WRONG + "S: <nothing>\nT: 0.9\nS: <nothing>\nT: 0.2\nS: 550 5.1.1 *\n")
    player.play("C: BOGUS\nS: <nothing>\nT: 1.9\nS: <nothing>\n")
    world.says(HELLO, ip="192.0.2.8")
    player.play("T: 0.2\nS: 500 *\n" + WRONG + "T: 2.9\nS: <nothing>\nT: 0.2\nS: 550 *\n" + WRONG + "T: 3.1\nS: 550 *\n")
    player.play("C: RCPT TO:<bob@example.org>\nS: 250 *\n")        # what is right is answered at once


def test_a_client_that_leaves_while_it_waits_leaves_nothing_behind() -> None:
    world = GuardWorld(tarpit(free=0, first_s=5))
    before = len(world.clock.getDelayedCalls())
    player = world.says(HELLO + "C: BOGUS\nS: <nothing>\n")
    player.play("D:")
    (guard,) = [call.__self__ for _, call in world.parts.filters._erred]
    assert not guard._errors and len(world.clock.getDelayedCalls()) == before


# Bans.


class Guesses:
    """Wrong passwords, as somebody else has counted them."""

    def __init__(self, shut: Any) -> None:
        self.shut = shut

    def forget(self, ip: str) -> int:
        shut, self.shut = self.shut(ip), lambda _: False
        return int(shut)


def bans(shut: Any = lambda ip: False, **limits: Any) -> Any:
    return lambda world: [Bans(BansSettings(**limits), world.clock.seconds, Guesses(shut))]


def test_an_address_that_only_errs_is_shut_out_for_a_while() -> None:
    world = GuardWorld(bans(errors=3, ban_s=600))
    for _ in range(2):
        world.says(HELLO + "C: BOGUS\nS: 500 *\nC: BOGUS\nS: 500 *\n")
    world.says("S: 421 4.7.0 Too many errors from your address, please try again later\nS: <closed>\n")
    world.says(HELLO, ip="192.0.2.8")
    world.clock.advance(601)
    world.says(HELLO)


def test_what_is_only_put_off_is_no_error() -> None:
    world = GuardWorld(lambda world: [*bans(errors=1)(world), *rates(messages=1)(world)])
    for _ in range(5):
        world.says(HELLO + "C: MAIL FROM:<a@far.example>\nS: *\n")


def test_errors_are_forgotten_with_time() -> None:
    world = GuardWorld(bans(errors=3, forgive_s=10))
    for _ in range(12):
        world.says(HELLO + "C: BOGUS\nS: 500 *\n")
        world.clock.advance(10)


def test_who_guesses_passwords_elsewhere_is_refused_here_but_not_where_users_log_in() -> None:
    world = GuardWorld(bans(shut=lambda ip: ip == "192.0.2.7"))
    world.says("S: 421 4.7.0 Too many failed logins from your address, *\nS: <closed>\n")
    guard = bans(shut=lambda ip: True, roles=("mx", "submission"))(world)[0]
    assert "Pass" in repr(guard.connection(Peer("192.0.2.7", role="submission")))


def test_forgetting_an_address_lets_it_in() -> None:
    world = GuardWorld(bans(errors=1))
    world.says(HELLO + "C: BOGUS\nS: 500 *\nC: BOGUS\nS: 500 *\n")
    (guard,) = [call.__self__ for _, call in world.parts.filters._connection]
    assert result_of(guard.told()) == {"bans": 1, "addresses with errors": 1}
    assert result_of(guard.forget("192.0.2.7")) == 2
    world.says(HELLO)


# Early talkers.


def early(**limits: Any) -> Any:
    return lambda world: [EarlyTalkers(EarlySettings(**limits), world.clock.seconds)]


def test_who_speaks_before_the_greeting_is_refused_each_time() -> None:
    """RFC 5321 section 3.1"""
    world = GuardWorld(early(delay_s=2))
    for _ in range(2):
        world.says("C: EHLO hasty.example\nS: <nothing>\nT: 2.1\nS: 554 5.5.1 You must wait for the greeting\nS: <closed>\n")


def test_who_waits_is_greeted_and_need_not_wait_again() -> None:
    world = GuardWorld(early(delay_s=2, remember_s=3_600))
    world.says("S: <nothing>\nT: 1.9\nS: <nothing>\nT: 0.2\n" + HELLO + "C: QUIT\nS: 221 *\nS: <closed>\n")
    world.says(HELLO)
    world.clock.advance(3_601)
    world.says("S: <nothing>\nT: 2.1\n" + HELLO)


def test_who_hangs_up_before_the_greeting_has_not_waited() -> None:
    world = GuardWorld(early(delay_s=2))
    world.says("S: <nothing>\nD:\n")
    world.says("S: <nothing>\nT: 2.1\n" + HELLO)


def test_what_was_said_early_and_not_minded_is_answered() -> None:
    @implementer(IGreetingFilter)
    class Patient:
        def greeting_delay(self, peer: Peer) -> float:
            return 1.0

        def early(self, peer: Peer, octets: bytes) -> Verdict:
            assert octets == b"EHLO hasty.example\r\n"
            return Pass()

    GuardWorld([Patient()]).says("C: EHLO hasty.example\nS: <nothing>\nT: 1.1\nS: 220 *\nS: 250-*\nS: ...\n")


def test_nothing_is_looked_up_for_what_comes_too_often() -> None:
    @implementer(IRecipientFilter)
    class Costly:
        asked = 0

        def recipient(self, envelope: Envelope, recipient: Recipient) -> Verdict:
            self.asked += 1
            return Pass()

    costly = Costly()
    world = GuardWorld(lambda world: [*rates(recipients=1)(world), costly])
    world.says(HELLO + TWO + "451 4.7.1 *\n")
    assert costly.asked == 1


def test_a_client_on_this_machine_never_waits() -> None:
    GuardWorld(early(delay_s=2)).says(HELLO, ip="127.0.0.1")


def test_with_tls_from_the_first_octet_or_a_proxy_in_front_nobody_waits() -> None:
    world = GuardWorld(early(delay_s=2))
    Player(world.factory.buildProtocol(None), MemoryTransport(tls=True), world.clock).play(HELLO)
    proxied = MemoryTransport()
    proxied.peerAddr = ToldAddress("192.0.2.7", 1_024, via="198.51.100.9")
    Player(world.factory.buildProtocol(None), proxied, world.clock).play(HELLO)


@implementer(IConnectionFilter, ISenderFilter)
class Namer:
    """Knows everybody's name, and remembers who wrote."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def connection(self, peer: Peer) -> Verdict:
        return Named("mail.far.example")

    def sender(self, envelope: Envelope) -> Verdict:
        self.seen.append(envelope.peer.name)
        return Pass()


def test_a_name_found_at_the_connection_is_the_peers_from_then_on() -> None:
    namer = Namer()
    GuardWorld([namer]).says(HELLO + FROM + "C: EHLO again.example\nS: ...\n" + FROM)
    assert namer.seen == ["mail.far.example"] * 2


def test_a_name_found_at_the_connection_outlives_starttls() -> None:
    namer = Namer()
    world = GuardWorld([namer])
    world.factory.tls = "context"
    world.says(HELLO + "C: STARTTLS\nS: 220 *\nC: EHLO client.example\nS: ...\n" + FROM)
    assert namer.seen == ["mail.far.example"]


def test_who_speaks_by_xclient_is_looked_at_and_counted_and_who_was_there_before_has_left() -> None:
    world = GuardWorld(rates(at_once=1), xclient_from=("192.0.2.7",))
    player = world.says("S: 220 *\nC: EHLO front.example\nS: ...\nC: XCLIENT ADDR=198.51.100.1\nS: 220 *\n")
    world.says(HELLO)                                                   # the front's own place is free again
    world.says("S: 421 4.7.0 *\nS: <closed>\n", ip="198.51.100.2")      # the client's is not
    player.play("D:")
    world.says(HELLO, ip="198.51.100.2")


def test_each_refusal_is_one_line_in_the_log_with_its_reason_which_the_client_is_not_told() -> None:
    """I8"""
    lines: list[str] = []

    def observe(event: Any) -> None:
        lines.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    try:
        GuardWorld(rates(messages=1)).says(HELLO + FROM + "C: RSET\nS: 250 *\nC: MAIL FROM:<a@far.example>\nS: 451 *later\n")
    finally:
        globalLogPublisher.removeObserver(observe)
    assert lines == [
        "refused MAIL 'FROM:<a@far.example>' id=- ip=192.0.2.7 helo=client.example "
        "reply=451 4.7.1 Too many messages from you, please try again later (guard=rates messages too often from 192.0.2.7)"]


def test_a_plugins_fault_in_these_stages_costs_nobody_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """I7"""
    world = GuardWorld(lambda world: [*early()(world), *tarpit()(world)])
    for name in ("_delays", "_erred", "_disconnected"):
        setattr(world.parts.filters, name, [("faulty", lambda *arguments: 1 / 0)])
    world.says(HELLO + "C: BOGUS\nS: 500 *\nC: QUIT\nS: 221 *\nS: <closed>\n")
