"""What was promised to a sender and how the relay keeps it, or says that it cannot: with real DNS and SMTP peers on loopback."""

from __future__ import annotations

import calendar
from dataclasses import replace

from support.certificates import self_signed
from support.relayworld import BOB, CONTENT, ENVELOPE, EVE, SERVER_TLS, RelayCase, to
from support.smtpsink import CLOSE

from mailframe.model.envelope import Recipient
from mailframe.relay.settings import Smarthost

SURE = replace(ENVELOPE, require_tls=True)
REPORT = replace(SURE, sender=None)
EIGHT = replace(ENVELOPE, body="8BITMIME")
BINARY = replace(ENVELOPE, body="BINARYMIME")
WIDE = (b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        b"Viele Gr\xc3\xbc\xc3\x9fe aus der Stadt\r\n")
RAW = (b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
       b"\0\n.\r\nQUIT\r\n\r\n.\r\nMAIL FROM:<x>\r\n\r")
TLS_KEYWORDS = ("PIPELINING", "8BITMIME", "DSN", "REQUIRETLS")


class RequireTlsTests(RelayCase):
    """RFC 8689 section 4.2.1."""

    def setUp(self) -> None:
        super().setUp()
        self.dns.authenticated = True
        self.first.tls, self.first.keywords = SERVER_TLS, TLS_KEYWORDS
        self.second.tls, self.second.keywords = self_signed("mx2.example.org")[0], TLS_KEYWORDS    # whom nobody believes

    async def refusal(self, *, envelope=SURE, **settings) -> tuple[tuple[int, str], int]:
        """(the codes of what became of it, how many messages were handed on)."""
        outcome = (await self.deliver(BOB, envelope=envelope, **settings))[BOB]
        return outcome.smtp, len(self.first.messages) + len(self.second.messages)

    async def test_it_goes_by_verified_tls_to_a_validated_name_that_promises_the_same(self) -> None:
        self.assertEqual(await self.deliver(BOB, envelope=replace(SURE, ret="FULL")), {BOB: None})
        message, = self.first.messages
        self.assertEqual((message.mail, message.tls), ("MAIL FROM:<alice@example.com> RET=HDRS REQUIRETLS", True))

    async def test_mx_records_without_dnssec_are_no_way(self) -> None:
        self.dns.authenticated = False
        self.assertEqual(await self.refusal(), ((550, "5.7.10"), 0))
        self.assertEqual(self.first.connections, 0)

    async def test_a_domain_without_mx_needs_no_dnssec_as_the_certificate_has_its_name(self) -> None:
        self.dns.authenticated = False
        self.dns.records["mx1.example.org"] = {"A": ["127.0.0.2"]}
        bob, = to("bob@mx1.example.org")
        self.assertEqual(await self.deliver(bob, envelope=SURE), {bob: None})

    async def test_each_host_that_lacks_something_is_passed_over_and_the_last_ones_lack_is_told(self) -> None:
        self.first.keywords = ("PIPELINING",)
        self.assertEqual(await self.refusal(), ((550, "5.7.10"), 0))         # the second's certificate
        self.assertNotIn("MAIL", " ".join(self.first.lines))
        self.dns.records["example.org"] = {"MX": ["10 mx1.example.org."]}
        self.assertEqual(await self.refusal(), ((550, "5.7.30"), 0))
        self.first.tls = None
        self.assertEqual(await self.refusal(), ((550, "5.7.10"), 0))
        self.first.tls = self_signed("other.example")[0]
        self.assertEqual(await self.refusal(), ((550, "5.7.10"), 0))

    async def test_a_refused_starttls_is_final_or_not_as_the_host_says(self) -> None:
        self.dns.records["example.org"] = {"MX": ["10 mx1.example.org."]}
        for answer, codes in (("454 4.7.0 not now", (454, "4.7.0")), ("502 5.5.1 never", (550, "5.7.10"))):
            self.first.answers["STARTTLS"] = answer
            self.assertEqual(await self.refusal(), (codes, 0))

    async def test_a_host_that_is_down_is_tried_again_later(self) -> None:
        self.first.greeting = "421 4.3.2 restarting"
        self.assertEqual(await self.refusal(), ((421, "4.3.2"), 0))
        self.first.greeting = CLOSE
        self.assertEqual(await self.refusal(), ((451, "4.4.2"), 0))

    async def test_a_handshake_that_the_network_broke_is_tried_again_later(self) -> None:
        self.dns.records["example.org"] = {"MX": ["10 mx1.example.org."]}
        self.first.answers["STARTTLS"] = lambda line: self.cut_off()
        self.assertEqual((await self.refusal())[0][0], 451)

    def cut_off(self) -> None:
        for peer in self.first.open:
            peer.transport.write(b"220 2.0.0 go\r\n")
            peer.transport.loseConnection()

    async def test_connections_of_other_mail_are_not_used_for_it_nor_its_for_other_mail(self) -> None:
        agent = self.agent()
        for envelope in (ENVELOPE, SURE, ENVELOPE, SURE):
            self.assertEqual(await self.deliver(BOB, agent=agent, envelope=envelope), {BOB: None})
        self.assertEqual(self.first.connections, 2)
        self.assertEqual(sorted("REQUIRETLS" in message.mail for message in self.first.messages), [False, False, True, True])

    async def test_the_configured_host_must_be_reached_by_verified_tls(self) -> None:
        for tls, codes in (("none", (550, "5.7.10")), ("opportunistic", None), ("starttls", None)):
            smarthost = Smarthost("mx1.example.org", self.port, tls)
            outcome = (await self.deliver(BOB, envelope=SURE, smarthost=smarthost))[BOB]
            self.assertEqual(outcome and outcome.smtp, codes, tls)
        self.assertEqual(len(self.first.messages), 2)
        self.assertTrue(all("REQUIRETLS" in message.mail for message in self.first.messages))

    async def test_a_report_takes_a_protected_way_if_there_is_one(self) -> None:
        """Section 5."""
        self.assertEqual(await self.deliver(BOB, envelope=REPORT), {BOB: None})
        self.assertEqual(self.first.messages[0].mail, "MAIL FROM:<> REQUIRETLS")

    async def test_a_report_is_not_lost_where_no_way_is_protected(self) -> None:
        """Section 5: REQUIRETLS is not said in a session that does not meet its requirements (section 2)."""
        self.dns.authenticated = False
        self.assertEqual(await self.deliver(BOB, envelope=REPORT), {BOB: None})
        self.first.tls, self.dns.authenticated = None, True
        self.assertEqual(await self.deliver(BOB, envelope=REPORT), {BOB: None})
        self.assertEqual([message.mail for message in self.first.messages], ["MAIL FROM:<>"] * 2)

    async def test_what_a_host_says_of_a_recipient_stands_for_a_report_too(self) -> None:
        self.first.answers["RCPT"] = "550 5.1.1 who?"
        self.assertEqual((await self.refusal(envelope=REPORT))[0], (550, "5.1.1"))
        self.assertEqual(self.first.connections, 1)

    async def test_tls_required_no_yields_to_requiretls_and_else_hinders_nothing(self) -> None:
        """Sections 3 and 4.1: the field asks that a recipient's policy be passed over, and never undoes REQUIRETLS."""
        content = b"TLS-Required: No\r\n" + CONTENT
        self.dns.records["example.org"] = {"MX": ["10 mx1.example.org."]}
        self.first.tls = self_signed("expired.example")[0]
        self.assertEqual(await self.deliver(BOB, content=content), {BOB: None})
        self.assertEqual(await self.refusal(), ((550, "5.7.10"), 1))
        self.assertIn(b"TLS-Required: No", self.first.messages[0].data)


class ContentTests(RelayCase):
    """RFC 6152 section 3, RFC 3030 sections 2 and 3."""

    async def test_eight_bits_go_as_they_are_where_they_can(self) -> None:
        await self.deliver(BOB, envelope=EIGHT, content=WIDE)
        self.assertIn("BODY=8BITMIME", self.first.messages[0].mail)
        self.assertTrue(self.first.messages[0].data.endswith(WIDE))

    async def test_a_host_without_8bitmime_gets_seven(self) -> None:
        self.first.keywords = ("PIPELINING", "SIZE")
        self.assertEqual(await self.deliver(BOB, envelope=EIGHT, content=WIDE), {BOB: None})
        message, = self.first.messages
        self.assertTrue(message.data.isascii() and b"Viele Gr=C3=BC=C3=9Fe aus der Stadt\r\n" in message.data)
        self.assertEqual(message.mail, f"MAIL FROM:<alice@example.com> SIZE={len(message.data)}")

    async def test_signed_mail_is_not_altered_but_goes_to_a_host_that_takes_it_or_comes_back(self) -> None:
        signed = b"DKIM-Signature: v=1; a=rsa-sha256\r\n" + WIDE
        self.first.keywords = ("PIPELINING",)
        self.assertEqual(await self.deliver(BOB, envelope=EIGHT, content=signed), {BOB: None})
        self.assertEqual((len(self.first.messages), len(self.second.messages)), (0, 1))
        self.second.keywords = ()
        outcome = (await self.deliver(BOB, envelope=EIGHT, content=signed))[BOB]
        self.assertEqual(outcome.smtp, (554, "5.6.3"))
        self.assertIn("signed", outcome.public)

    async def test_binary_goes_by_bdat_octet_for_octet(self) -> None:
        """I5: no octet of it is a command, or ends it."""
        for keywords in (("PIPELINING", "CHUNKING", "BINARYMIME"), ("CHUNKING", "BINARYMIME", "8BITMIME")):
            self.first.keywords = keywords
            self.first.messages.clear()
            self.assertEqual(await self.deliver(BOB, envelope=BINARY, content=RAW), {BOB: None})
            message, = self.first.messages
            self.assertEqual((message.mail, message.data),
                             ("MAIL FROM:<alice@example.com> BODY=BINARYMIME", b"Received: by me\r\n" + RAW))

    async def test_large_binary_goes_by_bdat_in_many_writes(self) -> None:
        self.first.keywords = ("PIPELINING", "CHUNKING", "BINARYMIME")
        content = RAW + bytes(range(256)) * 4_000
        self.assertEqual(await self.deliver(BOB, envelope=BINARY, content=content), {BOB: None})
        self.assertTrue(self.first.messages[0].data.endswith(content))

    async def test_binary_for_a_host_that_lacks_it_is_encoded(self) -> None:
        for keywords in (("CHUNKING", "8BITMIME"), ("BINARYMIME", "8BITMIME"), ()):
            self.first.keywords = keywords
            self.first.messages.clear()
            self.assertEqual(await self.deliver(BOB, envelope=BINARY, content=RAW), {BOB: None})
            message, = self.first.messages
            self.assertTrue(b"Content-Transfer-Encoding: base64\r\n" in message.data and message.data.isascii())
            self.assertNotIn("BINARYMIME", message.mail)

    async def test_nobody_gets_binary_whose_recipients_were_all_refused(self) -> None:
        self.first.keywords = ("PIPELINING", "CHUNKING", "BINARYMIME")
        self.first.answers["RCPT"] = lambda line: "550 5.1.1 who?" if "eve" in line else ""
        agent = self.agent()
        self.assertEqual((await self.deliver(EVE, agent=agent, envelope=BINARY, content=RAW))[EVE].smtp, (550, "5.1.1"))
        self.assertFalse(any(line.startswith("BDAT") for line in self.first.lines))
        self.assertIsNone((await self.deliver(BOB, EVE, agent=agent, envelope=BINARY, content=RAW))[BOB])
        self.assertEqual((self.first.connections, len(self.first.messages)), (1, 1))

    async def test_a_refusal_of_the_whole_binary_message_is_told(self) -> None:
        self.first.keywords = ("CHUNKING", "BINARYMIME")
        self.first.answers["END"] = "552 5.3.4 too big"
        self.assertEqual((await self.deliver(BOB, envelope=BINARY, content=RAW))[BOB].smtp, (552, "5.3.4"))


    async def test_a_host_that_speaks_in_the_middle_of_a_chunk_is_left_with_its_last_word(self) -> None:
        """The chunk's end cannot be skipped: nothing else may follow on that connection (I5)."""
        self.first.keywords = ("CHUNKING", "BINARYMIME")
        large = RAW + bytes(range(256)) * 40_000
        for answer, codes, messages in (("552 5.3.4 too big", (552, "5.3.4"), 0), ("250 2.0.0 already", None, 1)):
            self.first.answers["BDAT"] = answer
            outcome = (await self.deliver(BOB, envelope=BINARY, content=large))[BOB]
            self.assertEqual((outcome and outcome.smtp, len(self.second.messages)), (codes, messages))
        self.assertEqual(self.first.connections, 2)


class WordsTests(RelayCase):
    """What MAIL and RCPT pass on, by what the next host offers."""

    async def test_a_host_where_we_logged_in_is_told_that_we_vouch_for_nobody(self) -> None:
        """RFC 4954 section 5."""
        self.first.users = {"me": "secret"}
        await self.deliver(BOB, smarthost=Smarthost("127.0.0.2", self.port, "none", "me", "secret"))
        await self.deliver(BOB, smarthost=Smarthost("127.0.0.2", self.port, "none"))
        self.assertEqual(["AUTH=<>" in message.mail for message in self.first.messages], [True, False])

    async def test_solicitation_is_passed_on_where_it_is_understood(self) -> None:
        """RFC 3865 section 2.3."""
        envelope = replace(ENVELOPE, solicitation="org.example:ADV")
        await self.deliver(BOB, envelope=envelope)
        self.first.keywords = ("NO-SOLICITING",)
        await self.deliver(BOB, envelope=envelope)
        self.assertEqual(["SOLICIT=org.example:ADV" in message.mail for message in self.first.messages], [False, True])

    async def test_an_address_with_a_date_goes_to_hosts_that_look_at_it(self) -> None:
        """RFC 7293 sections 3.1 and 6: others are given the other recipients."""
        since = Recipient(BOB.address, valid_since=float(calendar.timegm((2014, 4, 3, 23, 1, 0))))
        self.first.keywords = ("PIPELINING", "RRVS")
        self.assertEqual(await self.deliver(since, EVE), {since: None, EVE: None})
        self.assertEqual(self.first.messages[0].rcpts[0], "RCPT TO:<bob@example.org> RRVS=2014-04-03T23:01:00Z")
        self.first.keywords = self.second.keywords = ("PIPELINING",)
        outcomes = await self.deliver(since, EVE)
        self.assertEqual((outcomes[since].smtp, outcomes[EVE]), ((550, "5.7.19"), None))
        self.assertEqual([message.rcpts for message in self.first.messages[1:]], [["RCPT TO:<eve@example.org>"]])

    async def test_what_is_to_be_done_where_nobody_looks_at_the_date_is_passed_on_and_done(self) -> None:
        """RFC 7293 section 5.1.1: C goes on, R comes back, and each is told to the next host."""
        on, back = (Recipient(BOB.address, valid_since=60.0, without_rrvs=action) for action in "CR")
        self.first.keywords = ("PIPELINING", "RRVS")
        self.assertEqual(await self.deliver(on, back), {on: None, back: None})
        self.assertEqual(self.first.messages[0].rcpts, [
            f"RCPT TO:<bob@example.org> RRVS=1970-01-01T00:01:00Z;{action}" for action in "CR"])
        self.first.keywords = self.second.keywords = ("PIPELINING",)
        outcomes = await self.deliver(on, back)
        self.assertEqual((outcomes[on], outcomes[back].smtp), (None, (550, "5.7.19")))
        self.assertEqual([message.rcpts for message in self.first.messages[1:]], [["RCPT TO:<bob@example.org>"]])


class ReportTests(RelayCase):
    """RFC 6522 section 3: where the way back is not known to take 8 bits, the header alone may be returned."""

    report = (
        b'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary="r"\r\n\r\n'
        b"--r\r\n\r\nIt failed.\r\n--r\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; me.example\r\n"
        b"--r\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: signed\r\n"
        b'MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary="s"\r\n\r\n--s\r\n' + WIDE +
        b"--s\r\nContent-Type: application/pgp-signature\r\n\r\nsignature\r\n--s--\r\n\r\n--r--\r\n")

    async def test_a_report_about_signed_mail_reaches_a_host_of_seven_bits(self) -> None:
        self.first.keywords = ("PIPELINING",)
        self.assertEqual(await self.deliver(BOB, envelope=replace(EIGHT, sender=None), content=self.report), {BOB: None})
        message, = self.first.messages
        self.assertTrue(message.data.isascii() and message.mail.startswith("MAIL FROM:<>"))
        self.assertIn(b"Content-Type: text/rfc822-headers\r\n", message.data)
        self.assertIn(b"\r\nSubject: signed\r\n", message.data)
        self.assertNotIn(b"pgp-signature", message.data)

    async def test_what_has_a_sender_comes_back_to_it_instead(self) -> None:
        self.first.keywords = self.second.keywords = ("PIPELINING",)
        outcome = (await self.deliver(BOB, envelope=EIGHT, content=self.report))[BOB]
        self.assertEqual(outcome.smtp, (554, "5.6.3"))


class LimitsTests(RelayCase):
    """RFC 9422 section 4."""

    many = to(*(f"user{n}@example.org" for n in range(7)))

    async def test_recipients_of_a_transaction(self) -> None:
        self.first.keywords = ("PIPELINING", "LIMITS RCPTMAX=3 FOO=x MAILMAX=0 RCPTMAX")
        self.assertEqual(set((await self.deliver(*self.many)).values()), {None})
        self.assertEqual(([len(message.rcpts) for message in self.first.messages], self.first.connections), ([3, 3, 1], 1))

    async def test_mails_of_a_session(self) -> None:
        self.first.keywords = ("PIPELINING", "LIMITS MAILMAX=2 RCPTMAX=2")
        self.assertEqual(set((await self.deliver(*self.many)).values()), {None})
        self.assertEqual((len(self.first.messages), self.first.connections), (4, 2))

    async def test_domains_of_a_session(self) -> None:
        self.first.keywords = ("PIPELINING", "LIMITS RCPTDOMAINMAX=2")
        recipients = to("a@a.example", "b@b.example", "c@c.example", "d@a.example", "e@d.example")
        outcomes = await self.deliver(*recipients, smarthost=Smarthost("127.0.0.2", self.port, "none"))
        self.assertEqual(set(outcomes.values()), {None})
        self.assertEqual(([len(message.rcpts) for message in self.first.messages], self.first.connections), ([3, 2], 2))


class NeverTests(RelayCase):
    """RFC 7504, RFC 7505."""

    async def test_a_host_that_never_takes_mail_is_left_with_all_its_addresses(self) -> None:
        self.dns.records["mx1.example.org"] = {"A": ["127.0.0.2", "127.0.0.2"], "AAAA": ["::ffff:127.0.0.2"]}
        for verb, greeting in (("", "521 mx1.example.org takes no mail"), ("EHLO", "220 hi"), ("MAIL", "220 hi")):
            self.first.greeting = greeting
            self.first.answers = {verb: "521 never"}
            connections = self.first.connections
            self.assertEqual(await self.deliver(BOB), {BOB: None}, verb)
            self.assertEqual(self.first.connections, connections + 1)
        self.assertNotIn("HELO me.example", self.first.lines)
        self.assertEqual(len(self.second.messages), 3)

    async def test_where_all_hosts_never_take_mail_it_is_final(self) -> None:
        self.first.greeting = self.second.greeting = "521 no mail here"
        self.assertEqual((await self.deliver(BOB))[BOB].smtp, (521, "5.3.2"))

    async def test_a_recipient_whose_domain_takes_none_is_final(self) -> None:
        self.first.answers["RCPT"] = lambda line: "556 no mail for that domain" if "bob" in line else ""
        outcomes = await self.deliver(BOB, EVE)
        self.assertEqual((outcomes[BOB].smtp, outcomes[EVE]), ((556, "5.1.10"), None))
        self.assertEqual(self.second.connections, 0)

    async def test_an_alias_of_a_domain_leads_to_its_hosts(self) -> None:
        """RFC 5321 section 5.1: a CNAME's target is looked up as if it were the domain; the address stays as it is."""
        self.dns.records["alias.example"] = {"CNAME": ["example.org."]}
        bob, = to("bob@alias.example")
        self.assertEqual(await self.deliver(bob), {bob: None})
        self.assertEqual(self.first.messages[0].rcpts, ["RCPT TO:<bob@alias.example>"])

    async def test_a_null_mx_behind_a_backup_is_none(self) -> None:
        """RFC 7505 section 3: beside other records it says nothing."""
        self.dns.records["example.org"] = {"MX": ["0 .", "10 mx1.example.org."]}
        self.assertEqual(await self.deliver(BOB), {BOB: None})
