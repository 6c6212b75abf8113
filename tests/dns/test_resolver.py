"""The resolver against a real server over real sockets."""

from __future__ import annotations

from tempfile import TemporaryDirectory

from support.dnsserver import DnsServer
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import TestCase

from mailframe.dns.answer import Answer, DnsTemporaryError, MailExchange, NoAnswer, NoSuchDomain, NoUsableAnswer, TlsAssociation
from mailframe.dns.resolver import MAX_RECORDS, Resolver, _system_nameservers

ZONE = {
    "example.org": {"MX": ["20 mx2.example.org.", "10 mx1.example.org."], "TXT": ['"v=spf1 " "-all"', '"other"']},
    "mx1.example.org": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]},
    "mx2.example.org": {"A": ["192.0.2.2", "192.0.2.3"]},
    "null.example": {"MX": ["0 ."]},
    "bare.example": {"TXT": ['"nothing else"']},
    "alias.example": {"CNAME": ["mx1.example.org."]},
    "loop.example": {"CNAME": ["loop.example."]},
    "evil.example": {"MX": ["10 127.0.0.1.", "10 a\\013\\010b.example.", "10 good.example."]},
    "many.example": {"MX": [f"{n} mx{n}.example." for n in range(200)]},
    "_25._tcp.mx1.example.org": {"TLSA": ["3 1 1 " + "ab" * 32]},
    "1.2.0.192.in-addr.arpa": {"PTR": ["mx1.example.org."]},
    "xn--mnchen-3ya.example": {"A": ["192.0.2.9"]},
}


class ResolverTests(TestCase):
    timeout = 10

    def setUp(self) -> None:
        self.server = DnsServer(reactor, dict(ZONE))
        self.port = self.server.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.server.stop()))
        self.resolver = self.make()

    def make(self, timeout_s: float = 3.0, **more) -> Resolver:
        return Resolver(reactor, nameservers=[("127.0.0.1", self.port)], timeout_s=timeout_s, **more)

    async def test_mail_exchangers_of_a_domain(self) -> None:
        answer = await self.resolver.mx("Example.ORG.")
        self.assertEqual(set(answer), {MailExchange(10, "mx1.example.org"), MailExchange(20, "mx2.example.org")})
        self.assertFalse(answer.secure)

    async def test_addresses_of_both_families_ipv6_first(self) -> None:
        self.assertEqual(await self.resolver.addresses("mx1.example.org"), ["2001:db8::1", "192.0.2.1"])
        self.assertEqual(sorted(await self.resolver.addresses("mx2.example.org")), ["192.0.2.2", "192.0.2.3"])

    async def test_an_alias_is_followed(self) -> None:
        self.assertEqual(await self.resolver.addresses("alias.example"), ["2001:db8::1", "192.0.2.1"])

    async def test_a_unicode_name_is_asked_as_a_labels(self) -> None:
        self.assertEqual(await self.resolver.addresses("münchen.example"), ["192.0.2.9"])

    async def test_text_records_have_their_strings_joined(self) -> None:
        self.assertEqual(set(await self.resolver.txt("example.org")), {b"v=spf1 -all", b"other"})

    async def test_reverse_names_and_tlsa(self) -> None:
        self.assertEqual(list(await self.resolver.ptr("192.0.2.1")), ["mx1.example.org"])
        self.assertEqual(list(await self.resolver.tlsa("mx1.example.org", 25)), [TlsAssociation(3, 1, 1, b"\xab" * 32)])

    async def test_null_mx_has_an_empty_host(self) -> None:
        self.assertEqual(list(await self.resolver.mx("null.example")), [MailExchange(0, "")])

    async def test_no_such_domain_and_no_such_record_differ(self) -> None:
        for domain in ("nowhere.example", "-bad-.example", "a" * 64 + ".example", "", "..", "x" * 300):
            with self.assertRaises(NoSuchDomain):
                await self.resolver.mx(domain)
        with self.assertRaises(NoAnswer):
            await self.resolver.mx("bare.example")
        with self.assertRaises(NoAnswer):
            await self.resolver.addresses("bare.example")

    async def test_targets_that_are_no_host_names_are_left_out(self) -> None:
        self.assertEqual(list(await self.resolver.mx("evil.example")), [MailExchange(10, "good.example")])

        self.server.records["evil.example"] = {"MX": ["10 127.0.0.1."], "A": ["192.0.2.1"]}
        with self.assertRaises(NoUsableAnswer):
            await self.make().mx("evil.example")

    async def test_a_truncated_answer_is_fetched_over_tcp_and_bounded(self) -> None:
        self.assertEqual(len(await self.resolver.mx("many.example")), MAX_RECORDS)
        self.assertEqual([way for _, _, way in self.server.asked], ["udp", "tcp"])

    async def test_servfail_and_a_cname_loop_are_temporary_or_empty_never_a_hang(self) -> None:
        self.server.servfail.add("example.org")
        with self.assertRaises(DnsTemporaryError):
            await self.make(0.4).mx("example.org")
        with self.assertRaises((DnsTemporaryError, NoAnswer)):
            await self.make(0.4).mx("loop.example")

    async def test_silence_is_temporary_after_the_time_given(self) -> None:
        self.server.silent.add("example.org")
        began = reactor.seconds()
        with self.assertRaises(DnsTemporaryError):
            await self.make(0.3).mx("example.org")
        self.assertLess(reactor.seconds() - began, 2.0)

    async def test_one_unknown_family_does_not_hide_the_other(self) -> None:
        real = self.server.answer
        self.server.answer = lambda wire, way: None if b"\x00\x1c\x00\x01" in wire else real(wire, way)
        self.assertEqual(await self.make(0.3).addresses("mx1.example.org"), ["192.0.2.1"])

    async def test_a_server_that_is_not_there_is_passed_over_at_once(self) -> None:
        gone = DnsServer(reactor, {})
        dead = gone.start()
        await gone.stop()
        began = reactor.seconds()
        with self.assertRaises(DnsTemporaryError):
            await Resolver(reactor, nameservers=[("127.0.0.1", dead)], timeout_s=5.0).mx("example.org")
        both = Resolver(reactor, nameservers=[("127.0.0.1", dead), ("127.0.0.1", self.port)], timeout_s=5.0)
        self.assertEqual(len(await both.mx("example.org")), 2)
        self.assertLess(reactor.seconds() - began, 2.0)

    async def test_answers_are_remembered_negative_ones_too(self) -> None:
        for _ in range(3):
            await self.resolver.mx("example.org")
            with self.assertRaises(NoSuchDomain):
                await self.resolver.mx("nowhere.example")
            with self.assertRaises(NoAnswer):
                await self.resolver.mx("bare.example")
        self.assertEqual(len(self.server.asked), 3)

    async def test_dnssec_is_believed_from_loopback(self) -> None:
        self.server.authenticated = True
        self.assertTrue((await self.resolver.mx("example.org")).secure)
        self.server.authenticated = False
        self.assertFalse((await self.make().mx("example.org")).secure)

    async def test_cancelling_ends_a_lookup_at_once(self) -> None:
        self.server.silent.add("example.org")
        began = reactor.seconds()
        for lookup in (self.make(8.0).mx, self.make(8.0).addresses):
            looking = Deferred.fromCoroutine(lookup("example.org"))
            reactor.callLater(0, looking.cancel)
            with self.assertRaises(CancelledError):
                await looking
        self.assertLess(reactor.seconds() - began, 1.0)

    async def test_garbage_from_the_server_is_temporary(self) -> None:
        self.server.answer = lambda wire, way: wire[:2] + b"\xff" * 40
        with self.assertRaises(DnsTemporaryError):
            await self.make(0.3).mx("example.org")

    async def test_what_is_no_address_has_no_name(self) -> None:
        with self.assertRaises(NoSuchDomain):
            await self.resolver.ptr("not an address")

    def test_the_systems_name_servers_are_used_unless_others_are_given(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = f"{folder.name}/resolv.conf"
        self.assertEqual(_system_nameservers(path), [("127.0.0.1", 53)])
        with open(path, "w") as file:
            file.write("# comment\nsearch example.org\nnameserver 192.0.2.53\nnameserver 2001:db8::53\noptions edns0\n")
        self.assertEqual(_system_nameservers(path), [("192.0.2.53", 53), ("2001:db8::53", 53)])

    def test_an_answer_is_a_value(self) -> None:
        self.assertEqual(Answer((1, 2), True), Answer((1, 2), True))
