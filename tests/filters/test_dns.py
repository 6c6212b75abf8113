"""Guards that ask DNS, against a real server over real sockets."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, cast

import pytest
from support.dnsserver import DnsServer
from support.guardlog import logged
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from mailframe.dns.resolver import Resolver
from mailframe.filters.asklists import DnsList, Lists
from mailframe.filters.dnslists import DnsLists, DnsListsSettings
from mailframe.filters.hello import Hello, HelloSettings
from mailframe.filters.listname import counts, patterns_of, query_name
from mailframe.filters.reverse import ReverseDns, ReverseSettings, reverse_dns
from mailframe.filters.sender import SenderDomain, SenderSettings
from mailframe.interfaces.filter import ISenderFilter
from mailframe.interfaces.maybe import settled
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer
from mailframe.model.verdict import Named, Pass, Refuse, Tag, Verdict

ZONE: dict[str, dict[str, list[str]]] = {
    "7.2.0.192.in-addr.arpa": {"PTR": ["liar.example.", "mail.far.example."]},
    "8.2.0.192.in-addr.arpa": {"PTR": ["liar.example."]},
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": {"PTR": ["mail.far.example."]},
    "mail.far.example": {"A": ["192.0.2.7"], "AAAA": ["2001:db8:0:0::1"]},
    "liar.example": {"A": ["198.51.100.1"]},
    "far.example": {"MX": ["10 mail.far.example."]},
    "silent.example": {"MX": ["0 ."]},
    "text.example": {"TXT": ['"nothing else"']},
    "2.2.0.192.bad.example": {"A": ["127.0.0.2"]},
    "2.2.0.192.worse.example": {"A": ["127.0.0.4", "127.0.0.10"]},
    "2.2.0.192.good.example": {"A": ["127.0.9.1"]},
    "3.2.0.192.bad.example": {"A": ["127.255.255.254"]},
    "4.2.0.192.bad.example": {"A": ["203.0.113.80"]},
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bad.example": {"A": ["127.0.0.2"]},
}


def peer(ip: str, **more: Any) -> Peer:
    return Peer(ip, role="mx", **more)


def mail(ip: str, sender: str = "a@far.example", **more: Any) -> Envelope:
    return Envelope("e", Address.parse(sender) if sender else None, peer(ip, **more))


class DnsGuardTests(TestCase):
    timeout = 15

    def setUp(self) -> None:
        self.server = DnsServer(reactor, dict(ZONE))
        port = self.server.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.server.stop()))
        self.resolver = Resolver(reactor, nameservers=[("127.0.0.1", port)], timeout_s=3.0)

    async def refused(self, answer: Verdict | Awaitable[Verdict], code: int = 0, enhanced: str = "") -> None:
        verdict = await settled(answer)
        if not code:
            self.assertNotIsInstance(verdict, Refuse)
            return
        self.assertIsInstance(verdict, Refuse)
        self.assertEqual(cast(Refuse, verdict).refusal.smtp, (code, enhanced))
        self.assertIn("guard=", cast(Refuse, verdict).refusal.detail)

    # Reverse DNS.

    def reverse(self, **settings: Any) -> ReverseDns:
        return reverse_dns(ReverseSettings(**settings), self.resolver, cast(Any, reactor))

    async def test_a_name_that_leads_back_is_the_clients_name(self) -> None:
        guard = self.reverse()
        self.assertEqual(await settled(guard.connection(peer("192.0.2.7"))), Named("mail.far.example"))
        self.assertEqual(await settled(guard.connection(peer("2001:db8::1"))), Named("mail.far.example"))
        asked = len(self.server.asked)
        self.assertEqual(await settled(guard.connection(peer("192.0.2.7"))), Named("mail.far.example"))
        self.assertEqual(len(self.server.asked), asked)

    async def test_of_many_names_only_some_are_followed(self) -> None:
        self.server.records["9.2.0.192.in-addr.arpa"] = {"PTR": [f"n{number}.far.example." for number in range(9)]}
        guard = self.reverse(max_names=2)
        await settled(guard.connection(peer("192.0.2.9")))
        self.assertEqual(len({name for name, *_ in self.server.asked if str(name).startswith("n")}), 2)

    async def test_a_name_that_leads_elsewhere_is_none_and_nothing_is_asked_about_this_machine(self) -> None:
        guard = self.reverse()
        self.assertEqual(await settled(guard.connection(peer("192.0.2.8"))), Pass())
        asked = len(self.server.asked)
        for ip in ("127.0.0.1", "::1", ""):
            self.assertEqual(await settled(guard.connection(peer(ip))), Pass())
        self.assertEqual(len(self.server.asked), asked)

    async def test_what_is_required_is_asked_for_at_mail(self) -> None:
        """RFC 7372 section 3.3"""
        strict, lenient = self.reverse(require="confirmed"), self.reverse(require="name")
        await self.refused(cast(Any, strict).sender(mail("192.0.2.7")))
        await self.refused(cast(Any, strict).sender(mail("192.0.2.8")), 550, "5.7.25")
        await self.refused(cast(Any, lenient).sender(mail("192.0.2.8")))
        await self.refused(cast(Any, lenient).sender(mail("192.0.2.9")), 550, "5.7.25")
        await self.refused(cast(Any, strict).sender(mail("192.0.2.9", account="bob")))
        self.assertFalse(ISenderFilter.providedBy(self.reverse()))

    async def test_dns_that_is_silent_names_nobody_and_is_soon_given_up(self) -> None:
        self.server.silent.add("7.2.0.192.in-addr.arpa")
        guard = self.reverse(require="confirmed", timeout_s=0.1)
        self.assertEqual(await settled(guard.connection(peer("192.0.2.7"))), Pass())
        await self.refused(cast(Any, guard).sender(mail("192.0.2.7")), 451, "4.7.25")

    # The sender's domain.

    def sender(self, domain: str, **settings: Any) -> Verdict | Awaitable[Verdict]:
        guard = SenderDomain(SenderSettings(**settings), self.resolver, cast(Any, reactor))
        return guard.sender(mail("192.0.2.7", f"a@{domain}" if domain else ""))

    async def test_a_domain_that_can_take_an_answer_may_write(self) -> None:
        for domain in ("far.example", "mail.far.example", "", "[192.0.2.1]"):
            await self.refused(self.sender(domain))

    async def test_a_domain_that_is_not_there_may_not(self) -> None:
        for domain in ("missing.example", "text.example"):
            await self.refused(self.sender(domain), 550, "5.1.8")
            await self.refused(self.sender(domain, exists=False))

    async def test_a_domain_that_takes_no_mail_may_not(self) -> None:
        """RFC 7505 section 4.2"""
        await self.refused(self.sender("silent.example"), 550, "5.7.27")
        await self.refused(self.sender("silent.example", null_mx=False))

    async def test_dns_that_cannot_say_is_held_against_nobody_unless_it_is_wanted(self) -> None:
        self.server.servfail.add("far.example")
        await self.refused(self.sender("far.example"))
        await self.refused(self.sender("far.example", defer=True), 451, "4.1.8")

    async def test_a_domain_that_was_asked_about_is_known_for_a_while(self) -> None:
        guard = SenderDomain(SenderSettings(), self.resolver, cast(Any, reactor))
        await settled(guard.sender(mail("192.0.2.7")))
        self.assertEqual(guard.sender(mail("192.0.2.99")), Pass())

    # HELO.

    def hello(self, name: str, ip: str = "192.0.2.7", **settings: Any) -> Verdict | Awaitable[Verdict]:
        own = ["mx.example", "example.org"]
        return Hello(HelloSettings(**settings), self.resolver, cast(Any, reactor), own).hello(peer(ip, helo=name))

    async def test_names_that_are_none(self) -> None:
        for name in ("bad?name", "-x.example", "[300.1.1.1]", "192.0.2.7", "2001:db8::1"):
            await self.refused(self.hello(name), 501, "5.5.2")
            await self.refused(self.hello(name, bare_address=False, syntax=False))

    async def test_names_that_are_ours(self) -> None:
        ours = {"own_addresses": ("203.0.113.1", "2001:db8::25")}
        for name in ("MX.example", "example.org", "[203.0.113.1]", "[IPv6:2001:db8:0::25]", "[127.0.0.1]"):
            await self.refused(self.hello(name, **ours), 550, "5.7.1")
            await self.refused(self.hello(name, own_name=False, **ours))
            await self.refused(self.hello(name, ip="127.0.0.1", **ours))

    async def test_honest_names(self) -> None:
        for name in ("mail.far.example", "[192.0.2.7]", "[IPv6:2001:db8::1]", "workstation", "under_score.example"):
            await self.refused(self.hello(name))
        await self.refused(self.hello("workstation", dotless=True), 550, "5.7.1")

    async def test_names_that_dns_does_not_know(self) -> None:
        await self.refused(self.hello("nowhere.example", unresolvable=True), 550, "5.7.1")
        for name in ("mail.far.example", "far.example", "[192.0.2.7]"):
            await self.refused(self.hello(name, unresolvable=True))
        self.server.servfail.add("far.example")
        await self.refused(self.hello("far.example", unresolvable=True))

    # DNS lists.

    def lists(self, *lists: DnsList, **settings: Any) -> DnsLists:
        return DnsLists(DnsListsSettings(lists=lists, **settings), self.resolver, cast(Any, reactor))

    async def test_who_is_listed_is_refused_with_the_lists_name(self) -> None:
        guard = self.lists(DnsList(zone="bad.example"))
        guard.connection(peer("192.0.2.2"))
        verdict = await guard.sender(mail("192.0.2.2"))
        await self.refused(verdict, 550, "5.7.1")
        self.assertEqual(cast(Refuse, verdict).refusal.public, "Your address [192.0.2.2] is listed by bad.example")
        await self.refused(cast(Any, guard).sender(mail("2001:db8::1")), 550, "5.7.1")
        await self.refused(cast(Any, guard).sender(mail("192.0.2.99")))
        await self.refused(cast(Any, guard).sender(mail("192.0.2.2", account="bob")))
        self.assertEqual([name for name, _, _ in self.server.asked].count("2.2.0.192.bad.example"), 1)

    async def test_weights_add_up_and_good_lists_take_away(self) -> None:
        bad, worse = DnsList(zone="bad.example", weight=2), DnsList(zone="worse.example", weight=1.5)
        good = DnsList(zone="good.example", weight=-2, answers=("127.0.9.0/24",))
        await self.refused(self.lists(bad, worse, refuse_at=3.5).sender(mail("192.0.2.2")), 550, "5.7.1")
        await self.refused(self.lists(bad, worse, refuse_at=4).sender(mail("192.0.2.2")))
        verdict = await self.lists(bad, worse, good, refuse_at=3, header=True).sender(mail("192.0.2.2"))
        self.assertEqual(cast(Tag, verdict).header, b"X-DNS-Lists: bad.example, worse.example, good.example; weight 1.5\r\n")

    async def test_a_lists_errors_and_a_lapsed_lists_wildcard_count_nothing(self) -> None:
        """RFC 5782 section 2.1"""
        for ip in ("192.0.2.3", "192.0.2.4"):
            await self.refused(self.lists(DnsList(zone="bad.example")).sender(mail(ip)))

    async def test_only_the_answers_that_are_meant_count(self) -> None:
        for answers, bits, listed in ((("127.0.0.4",), 0, True), (("127.0.0.3",), 0, False), (("127.0.0.0/8",), 8, True),
                                      (("127.0.0.0/8",), 1, False)):
            guard = self.lists(DnsList(zone="worse.example", answers=answers, bits=bits))
            await self.refused(cast(Any, guard).sender(mail("192.0.2.2")), *((550, "5.7.1") if listed else ()))

    async def test_a_list_that_does_not_answer_counts_nothing_and_the_others_do(self) -> None:
        self.server.silent.add("2.2.0.192.slow.example")
        guard = self.lists(DnsList(zone="slow.example"), DnsList(zone="bad.example"), timeout_s=0.2)
        await self.refused(cast(Any, guard).sender(mail("192.0.2.2")), 550, "5.7.1")
        self.server.silent.add("2.2.0.192.bad.example")
        self.server.silent.add("9.2.0.192.bad.example")
        self.server.silent.add("9.2.0.192.slow.example")
        await self.refused(cast(Any, guard).sender(mail("192.0.2.9")))
        self.assertFalse(guard._asked)


    async def test_a_list_that_refuses_to_answer_lists_nobody_and_the_log_says_so_once(self) -> None:
        """What Spamhaus, URIBL and DNSWL answer to public resolvers and to who asks too much; an own wish comes first."""
        wide = ("127.0.0.0/8",)
        for answer in ("127.255.255.254", "127.0.0.1", "127.0.0.255", "127.0.1.255"):
            for host in ("20", "21"):
                self.server.records[f"{host}.2.0.192.refuses.example"] = {"A": [answer]}
            lists = [DnsList(zone="refuses.example", answers=wide, weight=weight) for weight in (1, -9)]
            guard = self.lists(*lists, header=True)
            with logged() as lines:
                for host in ("20", "21"):
                    self.assertEqual(await guard.sender(mail(f"192.0.2.{host}")), Pass())
            self.assertEqual(len(lines), 1)
            self.assertIn(f"refuses.example answers {answer}: it refuses", lines[0])
            wanted = DnsList(zone="refuses.example", answers=(answer,))
            if answer != "127.255.255.254":
                await self.refused(self.lists(wanted).sender(mail("192.0.2.20")), 550, "5.7.1")
            self.resolver._resolver.cache.flush()       # type: ignore[union-attr]

    async def test_a_list_with_several_weights_is_asked_once(self) -> None:
        lists = [DnsList(zone="worse.example", answers=("127.0.0.[2..4]",), weight=1),
                 DnsList(zone="worse.example", answers=("127.0.0.[10;12]",), weight=3),
                 DnsList(zone="worse.example", answers=("127.0.0.11",), weight=9)]
        verdict = await self.lists(*lists, refuse_at=4).sender(mail("192.0.2.2"))
        await self.refused(verdict, 550, "5.7.1")
        self.assertIn("weight 4 of worse.example", cast(Refuse, verdict).refusal.detail)
        self.assertEqual(cast(Refuse, verdict).refusal.public, "Your address [192.0.2.2] is listed by worse.example")
        self.assertEqual([name for name, _, _ in self.server.asked], ["2.2.0.192.worse.example"])

    async def test_a_key_in_a_zone_is_shown_to_nobody_and_who_is_refused_learns_where_to_ask(self) -> None:
        """I9"""
        self.server.records["2.2.0.192.secretkey.bad.example"] = {"A": ["127.0.0.2"]}
        guard = self.lists(DnsList(zone="secretkey.bad.example", name="bad.example", explain="https://bad.example/why?{ip}"),
                           DnsList(zone="good.example", weight=-0.5, answers=("127.0.9.0/24",)), refuse_at=0.5)
        refusal = cast(Refuse, await guard.sender(mail("192.0.2.2"))).refusal
        self.assertEqual(refusal.public,
                         "Your address [192.0.2.2] is listed by bad.example, see https://bad.example/why?192.0.2.2")
        self.assertNotIn("secretkey", f"{refusal.detail} {await guard.known('192.0.2.2')} {await guard.told()}")
        self.assertEqual(await guard.known("192.0.2.2"), ("listed by bad.example, good.example; weight 0.5",))

    async def test_a_list_that_stays_silent_is_left_alone_and_then_tried_again(self) -> None:
        clock = Clock()
        lists = Lists([DnsList(zone="slow.example"), DnsList(zone="bad.example")], self.resolver, cast(Any, clock), 5, 2, 60)
        self.server.servfail.update({"2.2.0.192.slow.example", "9.2.0.192.slow.example"})
        with logged() as lines:
            for ip in ("192.0.2.2", "192.0.2.9", "192.0.2.2"):
                found = await lists.sum(ip)
                self.assertFalse(found.whole)
        self.assertEqual((found.weight, lists.resting()), (1.0, 1))     # the other one counts
        self.assertEqual(lines, ["guard=dnsbl slow.example does not answer; it counts nothing, and is not asked for 60 s"])
        asked = [name for name, _, _ in self.server.asked].count("2.2.0.192.slow.example")
        clock.advance(61)
        self.server.servfail.clear()
        self.assertTrue((await lists.sum("192.0.2.2")).whole)
        self.assertGreater([name for name, _, _ in self.server.asked].count("2.2.0.192.slow.example"), asked)
        self.assertEqual(lists.resting(), 0)

    async def test_who_a_list_speaks_well_of_needs_no_name(self) -> None:
        good = self.lists(DnsList(zone="good.example", weight=-1, answers=("127.0.9.0/24",)))
        required = reverse_dns(ReverseSettings(require="confirmed"), self.resolver, cast(Any, reactor), good.trusts)
        await self.refused(cast(ISenderFilter, required).sender(mail("192.0.2.2")))
        await self.refused(cast(ISenderFilter, required).sender(mail("192.0.2.8")), 550, "5.7.25")

    async def test_senders_that_are_not_wanted(self) -> None:
        guard = SenderDomain(SenderSettings(refuse=("spam@far.example", "*@noisy.example")), self.resolver, cast(Any, reactor))
        for sender in ("SPAM@far.example", "a@noisy.example"):
            await self.refused(guard.sender(mail("192.0.2.7", sender)), 550, "5.7.1")
        await self.refused(guard.sender(mail("192.0.2.7", "a@far.example")))

    async def test_a_name_that_dns_is_slow_about_passes_in_time(self) -> None:
        self.server.silent.add("slow.example")
        await self.refused(self.hello("slow.example", unresolvable=True, timeout_s=0.1))


@pytest.mark.parametrize(("answers", "inside", "outside"), [
    ("127.0.[0..255].[1..3]", ["127.0.0.1", "127.0.200.3"], ["127.0.0.0", "127.0.5.4", "127.1.0.1"]),
    ("127.0.0.[2;4;10..11]", ["127.0.0.4", "127.0.0.11"], ["127.0.0.3", "127.0.0.12"])])
def test_answers_by_octets(answers: str, inside: list[str], outside: list[str]) -> None:
    (pattern,) = patterns_of("answers", [answers])
    assert all(counts([each], [pattern], 0) for each in inside) and not any(counts([each], [pattern], 0) for each in outside)


@pytest.mark.parametrize("wrong", [{"trust_at": 0.0}, {"refuse_at": 0.0}, {"rest_after": 0}])
def test_sums_that_everybody_has_are_no_thresholds(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DnsListsSettings(**wrong)


@pytest.mark.parametrize("wrong", [{"name": "b\u00e4d"}, {"explain": "two\r\nlines"}, {"errors": ("10.0.0.1",)},
                                   {"answers": ("127.0.[0",)}])
def test_a_list_that_makes_no_sense_names_its_key(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DnsList(zone="bad.example", **wrong)


def test_how_an_address_is_asked_for() -> None:
    """RFC 5782 sections 2.1 and 2.4"""
    assert query_name("192.0.2.99", "bad.example.com") == "99.2.0.192.bad.example.com"
    assert query_name("2001:db8:1:2:3:4:567:89ab", "ugly.example.com") == (
        "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ugly.example.com")


@pytest.mark.parametrize("wrong", ["10.0.0.1", "::1", "127.0.0.300", "0.0.0.0/0", "127.0.0.[300]", "127.0.[3..1].1", "[10].0.0.1"])
def test_answers_outside_of_their_network_are_a_mistake(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"127|address"):
        patterns_of("answers", [wrong])


def test_nothing_is_counted_of_no_answer() -> None:
    assert not counts([], patterns_of("answers", ["127.0.0.2"]), 0)
