"""The greylist: days of retries in virtual time, and a restart on a real engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import apsw
import pytest
from support.coroutines import result_of
from support.guardlog import logged
from support.guardworld import GuardWorld
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import TestCase

from mailframe.filters.greylist import Greylist, GreylistSettings
from mailframe.filters.homes import home_of
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.model.verdict import Pass, Refuse, Verdict
from mailframe.sqlite.engine import Engine
from mailframe.testing.temporary import TemporaryPlaces

DAY = 86_400.0
HELLO = "S: 220 *\nC: HELO client.example\nS: 250 *\n"


class Grey(GuardWorld):
    """`come` tries once and says whether it was let in."""

    guard: Greylist

    def __init__(self, **settings: Any) -> None:
        super().__init__(lambda world: [world.made(settings)])

    def made(self, settings: dict[str, Any]) -> Greylist:
        self.guard = Greylist(GreylistSettings(roles=("mx",), **settings), cast(Engine, self.engine), cast(Any, self.clock))
        result_of(self.guard.start())
        return self.guard

    def come(self, ip: str = "192.0.2.7", sender: str = "a@far.example", recipient: str = "bob@example.org") -> bool:
        player = self.says(f"{HELLO}C: MAIL FROM:<{sender}>\nS: 250 *\n", ip)
        player.send(f"RCPT TO:<{recipient}>\r\n".encode())
        player._collect()
        (answer,) = player._answers
        player._answers.clear()
        player.play("C: QUIT\nS: 221 *\nS: <closed>\n")
        assert answer.startswith(("250 2.1.5", "451 4.7.1 Greylisted")), answer
        return answer.startswith("250")

    def rows(self) -> int:
        return int(self.engine.read("SELECT count(*) FROM greylist")[0][0])


def test_who_comes_again_in_time_is_let_in_from_then_on() -> None:
    """RFC 6647"""
    world = Grey(delay_s=120)
    assert not world.come()
    world.clock.advance(119)
    assert not world.come()
    world.clock.advance(2)
    assert world.come() and world.come()
    world.clock.advance(30 * DAY)
    assert world.come()
    world.clock.advance(30 * DAY)      # counted from the last one
    assert world.come()


def test_a_retry_may_come_from_the_same_network_and_no_other() -> None:
    world = Grey()
    assert not world.come("192.0.2.7") and not world.come("2001:db8::1")
    world.clock.advance(300)
    assert world.come("192.0.2.99") and world.come("2001:db8::abcd")
    assert not world.come("192.0.3.7") and not world.come("2001:db8:0:1::1")


def test_each_sender_and_recipient_has_its_own_wait_whatever_their_case() -> None:
    world = Grey()
    assert not world.come()
    world.clock.advance(300)
    assert not world.come(sender="b@far.example") and not world.come(recipient="eve@example.org")
    assert world.come(sender="A@far.example", recipient="BOB@example.org")


def test_the_null_sender_waits_too() -> None:
    world = Grey()
    assert not world.come(sender="")
    world.clock.advance(300)
    assert world.come(sender="")


def test_a_retry_that_comes_too_late_begins_anew() -> None:
    world = Grey(retry_within_s=4 * 3_600)
    assert not world.come()
    world.clock.advance(5 * 3_600)
    assert not world.come()
    world.clock.advance(300)
    assert world.come()


def test_a_network_whose_retries_come_is_not_asked_again() -> None:
    world = Grey(good_after=3)
    for number in range(3):
        assert not world.come(sender=f"s{number}@far.example")
        world.clock.advance(300)
        assert world.come(sender=f"s{number}@far.example") and world.come(sender=f"s{number}@far.example")
    assert world.come(sender="new@far.example", ip="192.0.2.200")
    world.clock.advance(37 * DAY)
    assert not world.come(sender="later@far.example")


def test_users_are_never_asked_to_come_again() -> None:
    world = Grey()
    envelope = Envelope("e", Address.parse("bob@example.org"), Peer("192.0.2.7", role="mx", account="bob"))
    assert isinstance(world.guard.recipient(envelope, Recipient(Address.parse("x@far.example"))), Pass)


def test_what_comes_often_is_not_read_again() -> None:
    world = Grey()
    world.come()
    world.clock.advance(300)
    world.come()
    world.engine.connection.execute("ALTER TABLE greylist RENAME TO gone")
    assert world.come()


def test_what_has_lapsed_is_swept_away_in_slices() -> None:
    world = Grey(retry_within_s=3_600)
    with world.engine.connection as con:
        con.executemany("INSERT INTO greylist VALUES (?, x'00', 0, ?, 0)", [(f"n{n}", 1.0) for n in range(1_200)])
    world.come()
    before = world.engine.jobs
    assert result_of(world.guard.sweep()) == 1_200
    assert world.rows() == 1 and world.engine.jobs - before == 4
    world.clock.advance(3_700)          # by itself
    assert world.rows() == 0


def test_a_flood_of_triplets_fills_no_disk_and_pushes_out_no_friend() -> None:
    world = Grey(most=500)
    world.come()
    world.clock.advance(300)
    world.come()
    for number in range(1_500):
        envelope = Envelope("e", Address.parse(f"s{number}@far.example"), Peer(f"10.0.{number >> 8}.1", role="mx"))
        refused = world.guard.recipient(envelope, Recipient(Address.parse("bob@example.org")))
        assert isinstance(result_of(cast(Any, refused)), Refuse)
    assert world.rows() <= 501
    assert world.engine.read("SELECT count(*) FROM greylist WHERE passed = 1") == [(1,)]


def test_what_is_told_and_forgotten() -> None:
    world = Grey(good_after=1)
    world.come()
    world.come(ip="198.51.100.1")
    world.clock.advance(300)
    world.come()
    assert result_of(world.guard.told()) == {"waiting": 1, "passed": 1, "networks that come at once": 1}
    assert result_of(world.guard.forget("192.0.2.250")) == 2
    assert not world.come()


# Who need not wait, and pools of hosts.


@pytest.mark.parametrize(("ip", "name", "home"), [
    ("192.0.2.7", "", "192.0.2.0/24"), ("192.0.2.7", "mail-ot1-f48.google.com", "google.com"),
    ("2001:db8::7", "o7.out.far.example", "out.far.example"), ("192.0.2.7", "far.example", "192.0.2.0/24"),
    ("192.0.2.7", "mail.co.uk", "192.0.2.0/24"), ("192.0.2.7", "mx.shop.co.uk", "shop.co.uk"),
    ("192.0.2.7", "192-0-2-7.dsl.isp.example", "192.0.2.0/24"), ("192.0.2.7", "host7.2.isp.example", "192.0.2.0/24"),
    ("192.0.2.7", "c0000207.isp.example", "192.0.2.0/24"), ("192.0.2.7", "p192000002007.isp.example", "192.0.2.0/24"),
    ("2001:db8::12:345", "h-0012-0345.isp.example", "2001:db8::/64")])
def test_whose_retries_count_as_one_hosts(ip: str, name: str, home: str) -> None:
    assert home_of(ip, name, 24, 64) == home


def ask(world: Grey, ip: str, name: str = "", to: str = "bob@example.org") -> type:
    envelope = Envelope("e", Address.parse("a@far.example"), Peer(ip, role="mx", name=name))
    answer: Any = world.guard.recipient(envelope, Recipient(Address.parse(to)))
    return type(answer if isinstance(answer, Pass) else result_of(answer))


def test_a_retry_may_come_from_anywhere_in_a_providers_pool_which_an_operator_may_forget_by_its_name() -> None:
    world = Grey()
    assert ask(world, "192.0.2.7", "mail-1.pool.example.com") is Refuse
    world.clock.advance(300)
    assert ask(world, "198.51.100.9", "mail-2.pool.example.com") is Pass
    assert ask(world, "198.51.100.9", "mail-2.other.example.com") is Refuse
    assert list(result_of(world.guard.known("Pool.example.com"))) == ["pool.example.com: 0 waiting, 1 passed"]
    assert result_of(world.guard.forget("pool.example.com")) == 2
    assert ask(world, "192.0.2.7", "mail-1.pool.example.com") is Refuse
    world = Grey(by_name=False)
    ask(world, "192.0.2.7", "mail-1.pool.example.com")
    world.clock.advance(300)
    assert ask(world, "198.51.100.9", "mail-2.pool.example.com") is Refuse


def test_some_recipients_wait_for_nobody() -> None:
    world = Grey(exempt_recipients=("desk@example.org",))
    assert ask(world, "192.0.2.7", to="desk@example.org") is Pass and ask(world, "192.0.2.7") is Refuse


class Weights:
    """DNS lists that have spoken."""

    def __init__(self, weight: float) -> None:
        self.heavy = weight

    async def weight(self, peer: Peer) -> float:
        return self.heavy

    async def trusts(self, peer: Peer) -> bool:
        return self.heavy <= -1


@pytest.mark.parametrize(("weight", "name", "suspects_only", "verdict"), [
    (-1.0, "", False, Pass), (0.0, "mx.far.example", False, Refuse), (0.0, "mx.far.example", True, Pass),
    (0.5, "mx.far.example", True, Refuse), (0.0, "", True, Refuse)])
def test_lists_and_names_spare_who_is_no_suspect(weight: float, name: str, suspects_only: bool, verdict: type) -> None:
    world = Grey(suspects_only=suspects_only)
    world.guard._lists = cast(Any, Weights(weight))
    assert ask(world, "192.0.2.7", name) is verdict


def test_a_clock_that_was_set_back_makes_nobody_wait_for_a_year() -> None:
    world = Grey()
    world.clock.rightNow += 365 * DAY
    world.come()
    world.clock.rightNow -= 365 * DAY
    assert not world.come()         # begins anew
    world.clock.advance(121)
    assert world.come()


@pytest.mark.parametrize("fault", ["locked", "gone", "late"])
def test_a_database_that_fails_keeps_no_mail_waiting(fault: str) -> None:
    """G3"""
    world = Grey(timeout_s=3)
    engine: Any = world.engine
    if fault == "gone":
        engine.connection.execute("DROP TABLE greylist")
    elif fault == "locked":
        engine.submit = lambda job, size=0: fail(apsw.BusyError("database is locked"))
    else:
        engine.submit = lambda job, size=0: Deferred()
    with logged() as lines:
        for number in range(3):
            envelope = Envelope("e", Address.parse("a@far.example"), Peer(f"192.0.{number}.7", role="mx"))
            said: list[object] = []
            judged: Any = world.guard.recipient(envelope, Recipient(Address.parse("bob@example.org")))
            Deferred.fromCoroutine(judged).addBoth(said.append)
            world.clock.advance(3)
            assert isinstance(said[0], Pass)
    assert len(lines) == 1 and lines[0].startswith("guard=greylist cannot use its database, and lets everybody in: ")


@pytest.mark.parametrize("wrong", [{"retry_within_s": 60.0}, {"most": 9}])
def test_numbers_that_contradict_one_another(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GreylistSettings(**wrong)


class RestartTests(TemporaryPlaces, TestCase):
    timeout = 20

    async def ask(self, guard: Greylist) -> Verdict:
        envelope = Envelope("e", Address.parse("a@far.example"), Peer("192.0.2.7", role="mx"))
        return await cast(Any, guard.recipient(envelope, Recipient(Address.parse("bob@example.org"))))

    async def test_a_restart_makes_nobody_wait_twice(self) -> None:
        """I1"""
        folder = Path(self.mktemp())
        folder.mkdir()
        kept: list[type] = []
        for settings in (GreylistSettings(roles=("mx",), delay_s=3_000), GreylistSettings(roles=("mx",), delay_s=0)):
            engine = Engine(folder / "mail.db", cast(Any, reactor))
            guard = Greylist(settings, engine, cast(Any, reactor))
            await guard.start()
            kept.append(type(await self.ask(guard)))
            await guard.close()
            await engine.close()
        self.assertEqual(kept, [Refuse, Pass])
