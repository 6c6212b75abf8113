"""The relay with real DNS and SMTP peers on loopback."""

from __future__ import annotations

from pathlib import Path

from support.certificates import pem_pair, self_signed
from support.certs import ServerContext
from support.relayworld import BOB, CONTENT, ENVELOPE, EVE, SERVER_TLS, RelayCase, to, until
from support.smtpsink import CLOSE
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.logger import capturedLogs, formatEvent

from mailframe.dns.resolver import Resolver
from mailframe.model.envelope import Recipient
from mailframe.model.refusal import RemoteRefusal
from mailframe.relay.agent import RelayAgent
from mailframe.relay.settings import RelaySettings, Smarthost
from mailframe.smtp.client_settings import ClientSettings


class RelayTests(RelayCase):
    async def test_mail_goes_to_the_best_mail_exchanger(self) -> None:
        self.assertEqual(await self.deliver(BOB, EVE), {BOB: None, EVE: None})
        self.assertEqual([message.data for message in self.first.messages], [b"Received: by me\r\n" + CONTENT])
        self.assertEqual((len(self.first.messages[0].rcpts), self.second.connections), (2, 0))

    async def test_a_host_that_does_not_answer_is_passed_over(self) -> None:
        await self.first.stop()
        self.assertEqual(await self.deliver(BOB), {BOB: None})
        self.assertEqual(len(self.second.messages), 1)

    async def test_a_host_that_is_not_well_is_passed_over(self) -> None:
        for verb, answer in (("", "554 5.3.2 not today"), ("", "421 busy"), ("", CLOSE), ("", b"junk\r\n"),
                             ("EHLO", "450 4.3.2 no"), ("MAIL", "452 4.3.1 full"), ("MAIL", CLOSE), ("DATA", CLOSE),
                             ("RCPT", b"421 4.3.2 bye\r\n")):
            self.first.answers = {verb: answer}
            self.first.greeting = "220 hi" if verb else answer
            self.second.messages.clear()
            self.assertEqual(await self.deliver(BOB), {BOB: None}, (verb, answer))
            self.assertEqual(len(self.second.messages), 1)

    async def test_hosts_that_cost_too_much_time_leave_the_rest_for_later(self) -> None:
        self.first.answers["MAIL"] = None
        outcome = (await self.deliver(BOB, patience_s=0.05, client=ClientSettings(command_timeout_s=0.1)))[BOB]
        self.assertEqual((outcome.smtp, self.second.connections), ((451, "4.4.1"), 0))

    async def test_when_no_host_answers_it_is_temporary_and_says_whom_it_asked(self) -> None:
        await self.first.stop()
        await self.second.stop()
        outcome = (await self.deliver(BOB))[BOB]
        assert isinstance(outcome, RemoteRefusal)
        self.assertEqual((outcome.smtp, outcome.mta), ((451, "4.4.1"), "mx2.example.org"))

    async def test_mail_that_the_dns_sends_back_to_one_of_our_listeners_loops(self) -> None:
        resolver = Resolver(reactor, nameservers=[self.nameserver], timeout_s=5)
        agent = RelayAgent(resolver, RelaySettings(port=self.port), reactor=reactor, hostname="me.example",
                           own_address=lambda address: address == "127.0.0.2")
        self.agents.append(agent)
        outcome = (await self.deliver(BOB, agent=agent))[BOB]
        self.assertEqual((outcome.smtp, self.first.connections, self.second.connections), ((554, "5.4.6"), 0, 0))

    async def test_a_permanent_refusal_of_one_recipient_is_final_and_its_own(self) -> None:
        self.first.answers["RCPT"] = lambda line: "550 5.1.1 who?" if "eve" in line else ""
        outcomes = await self.deliver(BOB, EVE)
        self.assertIsNone(outcomes[BOB])
        refusal = outcomes[EVE]
        assert isinstance(refusal, RemoteRefusal)
        self.assertEqual((refusal.smtp, refusal.mta, refusal.diagnostic), ((550, "5.1.1"), "mx1.example.org", "550 5.1.1 who?"))
        self.assertEqual(self.second.connections, 0)

    async def test_a_temporary_refusal_of_a_recipient_waits_for_the_next_run(self) -> None:
        self.first.answers["RCPT"] = "450 4.7.1 greylisted"
        outcome = (await self.deliver(BOB))[BOB]
        self.assertTrue(outcome.temporary)
        self.assertEqual(self.second.connections, 0)

    async def test_a_message_lost_at_its_very_end_is_not_doubled_at_once(self) -> None:
        self.first.answers["END"] = CLOSE
        outcome = (await self.deliver(BOB))[BOB]
        self.assertTrue(outcome.temporary)
        self.assertEqual(self.second.connections, 0)

    async def test_what_dns_says_against_a_domain(self) -> None:
        bob = {domain: to(f"bob@{domain}")[0] for domain in
               ("nowhere.example", "null.example", "bare.example", "mine.example", "orphan.example", "broken.example")}
        self.dns.servfail.add("broken.example")
        self.dns_timeout_s = 0.5
        outcomes = await self.deliver(*bob.values())
        self.assertEqual({domain: outcomes[recipient].smtp for domain, recipient in bob.items()}, {
            "nowhere.example": (550, "5.1.2"), "null.example": (556, "5.1.10"), "bare.example": (550, "5.4.4"),
            "mine.example": (554, "5.4.6"), "orphan.example": (550, "5.4.4"), "broken.example": (451, "4.4.3"),
        })
        self.assertEqual(self.first.connections, 0)

    async def test_a_domain_without_mx_and_an_address_literal_are_reached(self) -> None:
        for recipient in to("bob@implicit.example", "bob@[127.0.0.2]"):
            self.assertEqual(await self.deliver(recipient), {recipient: None})
        self.assertEqual(len(self.first.messages), 2)

    async def test_nothing_is_handed_to_ourselves(self) -> None:
        outcome = (await self.deliver(BOB, own_addresses=frozenset({"127.0.0.2"})))[BOB]
        self.assertEqual(outcome.smtp, (554, "5.4.6"))
        outcome = (await self.deliver(BOB, port=25))[BOB]
        self.assertEqual(outcome.smtp, (554, "5.4.6"))
        self.first.name = self.second.name = "ME.example"
        outcome = (await self.deliver(BOB))[BOB]
        self.assertEqual(outcome.smtp, (554, "5.4.6"))

    async def test_who_sends_the_reports_that_the_sender_asked_for(self) -> None:
        """RFC 3461 section 5.2."""
        self.first.keywords = ("DSN",)
        carol, = to("carol@other.example")
        handed = await self.deliver(Recipient(BOB.address, frozenset({"SUCCESS"})), carol)
        self.assertEqual([recipient.address for recipient in handed.reporting], [BOB.address])
        self.assertEqual(self.first.messages[0].rcpts, ["RCPT TO:<bob@example.org> NOTIFY=SUCCESS"])

    async def test_several_domains_in_one_delivery(self) -> None:
        carol, = to("carol@other.example")
        self.assertEqual(await self.deliver(BOB, carol), {BOB: None, carol: None})
        self.assertEqual((len(self.first.messages), len(self.second.messages)), (1, 1))

    async def test_many_recipients_go_in_batches_over_one_connection(self) -> None:
        many = to(*(f"user{n}@example.org" for n in range(25)))
        outcomes = await self.deliver(*many, recipients_per_message=10)
        self.assertEqual(set(outcomes.values()), {None})
        self.assertEqual(([len(m.rcpts) for m in self.first.messages], self.first.connections), ([10, 10, 5], 1))

    async def test_a_connection_is_kept_and_used_again(self) -> None:
        agent = self.agent()
        for _ in range(3):
            self.assertEqual(await self.deliver(BOB, agent=agent), {BOB: None})
        self.assertEqual((self.first.connections, len(self.first.messages)), (1, 3))
        await agent.close()
        self.assertEqual(self.first.lines[-1], "QUIT")

    async def test_equal_hosts_share_the_load_but_a_kept_connection_comes_first(self) -> None:
        self.dns.records["example.org"] = {"MX": ["10 mx1.example.org.", "10 mx2.example.org."]}
        agent = self.agent()
        for _ in range(8):
            await self.deliver(BOB, agent=agent)
        self.assertEqual(self.first.connections + self.second.connections, 1)
        agent = self.agent(messages_per_connection=1)
        for _ in range(16):
            await self.deliver(BOB, agent=agent)
        self.assertTrue(self.first.connections > 1 and self.second.connections > 1)

    async def test_a_kept_connection_is_left_after_its_time_or_number_of_messages(self) -> None:
        agent = self.agent(idle_s=0.05)
        await self.deliver(BOB, agent=agent)
        await until(lambda: not self.first.open)
        self.assertEqual(self.first.lines[-1], "QUIT")
        agent = self.agent(messages_per_connection=2)
        for _ in range(4):
            await self.deliver(BOB, agent=agent)
        self.assertEqual(self.first.connections, 3)

    async def test_a_kept_connection_that_died_costs_nothing(self) -> None:
        agent = self.agent()
        await self.deliver(BOB, agent=agent)
        for n, end in enumerate((CLOSE, "421 4.4.2 idle for too long"), 1):
            self.first.answers["MAIL"] = lambda line, n=n, end=end: end if self.first.connections == n else ""
            self.assertEqual(await self.deliver(BOB, agent=agent), {BOB: None})
            self.assertEqual((self.first.connections, self.second.connections), (n + 1, 0))

    async def test_no_more_than_so_many_at_once_to_one_destination(self) -> None:
        agent = self.agent(per_destination=2)
        await gatherResults([Deferred.fromCoroutine(self.deliver(BOB, agent=agent)) for _ in range(6)])
        self.assertEqual((len(self.first.messages), self.first.connections), (6, 2))

    async def test_tls_is_used_where_it_is_offered_whatever_the_certificate(self) -> None:
        self.first.tls = self_signed("somebody.else")[0]
        self.assertEqual(await self.deliver(BOB), {BOB: None})
        self.assertTrue(self.first.messages[0].tls)
        self.assertEqual(await self.deliver(BOB, tls="none"), {BOB: None})
        self.assertFalse(self.first.messages[1].tls)

    async def test_opportunistic_tls_that_fails_falls_back_to_the_clear(self) -> None:
        self.first.keywords = ("PIPELINING", "STARTTLS")
        for answer in ("220 go", "454 4.7.0 not now", b"220 go\r\n250 injected\r\n"):
            self.first.answers["STARTTLS"] = answer
            self.first.messages.clear()
            outcomes = await self.deliver(BOB, client=ClientSettings(tls_timeout_s=0.2))
            if b"injected" in str(answer).encode():
                self.assertEqual(len(self.second.messages), 1)      # I5: such a host is not spoken to
            else:
                self.assertEqual((outcomes, len(self.first.messages)), ({BOB: None}, 1))

    async def smarthost(self, name: str = "mx1.example.org", **more):
        return await self.deliver(BOB, smarthost=Smarthost(name, self.port, **more))

    async def test_a_smarthost_takes_all_mail_after_login_over_verified_tls(self) -> None:
        self.first.tls, self.first.users = SERVER_TLS, {"bob": "secret"}
        carol, = to("carol@nowhere.example")
        agent = self.agent(smarthost=Smarthost("mx1.example.org", self.port, "starttls", "bob", "secret"))
        self.assertEqual(await self.deliver(BOB, carol, agent=agent), {BOB: None, carol: None})
        self.assertEqual((self.first.messages[0].tls, self.first.messages[0].login, len(self.first.messages)), (True, "bob", 1))

    async def test_a_smarthost_with_implicit_tls(self) -> None:
        self.first.tls, self.first.implicit_tls = SERVER_TLS, True
        self.assertEqual(await self.smarthost(tls="implicit"), {BOB: None})
        self.assertTrue(self.first.messages[0].tls)

    async def test_a_smarthost_vouched_for_by_a_ca_file_of_its_own(self) -> None:
        ours, other = pem_pair("mx1.example.org"), pem_pair("mx1.example.org")
        self.first.tls = ServerContext(ours[1] + ours[0])
        ca_file = Path(self.mktemp())
        agent = self.agent(smarthost=Smarthost("mx1.example.org", self.port, ca_file=ca_file))
        for content, taken in ((other[0], False), (ours[0], True)):
            ca_file.write_bytes(content)
            self.assertEqual((await self.deliver(BOB, agent=agent))[BOB] is None, taken)

    async def test_a_ca_file_that_is_gone_keeps_mail_waiting_and_is_named_to_the_log_alone(self) -> None:
        """I8"""
        self.first.tls = SERVER_TLS
        with capturedLogs() as logs:
            outcome = (await self.smarthost(ca_file=Path("gone.pem")))[BOB]
        self.assertEqual(outcome.smtp, (451, "4.7.5"))
        self.assertNotIn("gone.pem", str(outcome) + outcome.public)
        self.assertIn("the CA file gone.pem cannot be read", " ".join(map(formatEvent, logs)))

    async def test_a_smarthost_by_address_and_without_tls(self) -> None:
        self.assertEqual(await self.smarthost("127.0.0.2", tls="none"), {BOB: None})
        self.assertEqual(await self.smarthost("[127.0.0.2]", tls="none"), {BOB: None})

    async def test_a_smarthost_that_cannot_prove_its_name_gets_neither_password_nor_mail(self) -> None:
        self.first.tls, self.first.users = self_signed("evil.example")[0], {"bob": "secret"}
        for sort in ("starttls", "implicit"):
            self.first.implicit_tls = sort == "implicit"
            outcome = (await self.smarthost(tls=sort, user="bob", password="secret"))[BOB]
            self.assertEqual(outcome.smtp, (451, "4.7.5"))
        self.first.tls, self.first.implicit_tls = None, False
        outcome = (await self.smarthost(user="bob", password="secret"))[BOB]
        self.assertEqual(outcome.smtp, (451, "4.7.4"))
        self.assertFalse([line for line in self.first.lines if line.startswith(("AUTH", "MAIL"))])
        self.flushLoggedErrors()

    async def test_a_wrong_password_keeps_mail_waiting_and_does_not_show(self) -> None:
        self.first.users = {"bob": "right"}
        outcome = (await self.smarthost(tls="none", user="bob", password="wr0ng"))[BOB]
        self.assertEqual(outcome.smtp, (454, "4.7.0"))
        self.assertNotIn("wr0ng", str(outcome))
        self.first.users = {}
        self.assertTrue((await self.smarthost(tls="none", user="bob", password="wr0ng"))[BOB].temporary)

    async def test_a_fault_of_the_resolvers_is_contained(self) -> None:
        """I7."""
        agent = RelayAgent(object(), RelaySettings(), reactor=reactor, hostname="me.example")
        self.assertEqual((await self.deliver(BOB, agent=agent))[BOB].smtp, (451, "4.3.0"))
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)

    async def test_as_a_delivery_agent_with_a_head_for_each_recipient(self) -> None:
        delivery = await self.agent(spool_octets=10).begin(ENVELOPE)
        for recipient in (BOB, EVE):
            await delivery.add_recipient(recipient)
        await delivery.write(CONTENT[:8])
        await delivery.write(CONTENT[8:])
        self.assertEqual(await delivery.commit(b"Common: 1\r\n", {EVE: b"Own: 1\r\n"}), {BOB: None, EVE: None})
        self.assertEqual({message.data for message in self.first.messages},
                         {b"Common: 1\r\n" + CONTENT, b"Own: 1\r\nCommon: 1\r\n" + CONTENT})

    async def test_what_was_handed_on_before_a_cancellation_is_not_forgotten(self) -> None:
        """I1: it would be handed on again, or its sender be told that it failed."""
        self.first.answers["RCPT"] = lambda line: None if "<eve@" in line else ""
        dave, = to("dave@other.example")
        for others in ([], [dave]):
            agent = self.agent(recipients_per_message=1)
            seen = self.first.connections, len(self.second.messages)
            waiting = Deferred.fromCoroutine(self.deliver(BOB, EVE, *others, agent=agent))
            wanted = seen[0] + 1, seen[1] + len(others)
            await until(lambda: any("<eve@" in line for line in self.first.lines))
            await until(lambda wanted=wanted: (self.first.connections, len(self.second.messages)) == wanted)
            self.first.lines.clear()
            waiting.cancel()
            self.assertEqual(await waiting, dict.fromkeys((BOB, *others)))
            await agent.close()

    async def test_a_cancelled_delivery_closes_its_connection(self) -> None:
        agent = self.agent()
        self.first.answers["END"] = self.second.answers["END"] = None
        waiting = Deferred.fromCoroutine(self.deliver(BOB, *to("carol@other.example"), agent=agent))
        await until(lambda: any(b"hello" in data for data in self.first.writes))
        waiting.cancel()
        with self.assertRaises(CancelledError):
            await waiting
        await agent.close()
        await until(lambda: not self.first.open)
        self.assertEqual(self.first.messages, [])
