"""The SMTP client in conversation with scripted servers, over real sockets."""

from __future__ import annotations

from support.certificates import self_signed
from support.smtpsink import CLOSE, SmtpSink
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.ssl import optionsForClientTLS
from twisted.trial.unittest import TestCase

from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Recipient
from mailframe.sasl.registry import MECHANISMS
from mailframe.smtp.client import PeerGone, PeerRefused, SmtpClient, TlsFailed
from mailframe.smtp.client_plan import Stage
from mailframe.smtp.client_settings import ClientSettings

ENVELOPE = Envelope("id", Address.parse("alice@example.com"))
BOB, EVE, JOSE = (Recipient(Address.parse(text)) for text in ("bob@example.org", "eve@example.org", "josé@example.org"))
PATIENT = ClientSettings(10, 10, 10, 10, 10, tls_timeout_s=10)       # a test that needs less says so
HASTY = ClientSettings(10, 10, 10, 10, 10, tls_timeout_s=0.2, quit_timeout_s=0.2)
SERVER_TLS, ROOT = self_signed("sink.example")
MESSAGE = b"Subject: x\r\n\r\n.dot\r\nend\r\n"


class Source:
    def __init__(self, content: bytes, *, cut_at: int | None = None) -> None:
        self.content = content
        self.size = len(content)
        self.cut_at = cut_at
        self.reads = 0

    def read(self, offset: int, size: int) -> bytes:
        self.reads += 1
        return self.content[: self.cut_at][offset:offset + size]


class ClientTests(TestCase):
    timeout = 15

    def setUp(self) -> None:
        self.sink = SmtpSink(reactor)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.sink.stop()))
        self.client: SmtpClient | None = None
        self.addCleanup(lambda: self.client and Deferred.fromCoroutine(self.client.quit()))

    async def connect(self, settings: ClientSettings = PATIENT) -> SmtpClient:
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.sink.start())
        self.client = await connectProtocol(endpoint, SmtpClient(reactor, settings))
        return self.client

    async def ready(self, settings: ClientSettings = PATIENT) -> SmtpClient:
        client = await self.connect(settings)
        await client.greet("me.example")
        return client

    async def test_a_message_arrives_octet_for_octet_with_one_write_for_its_envelope(self) -> None:
        client = await self.ready()
        outcomes = await client.send(ENVELOPE, [BOB, EVE], Source(MESSAGE), b"Received: here\r\n")
        self.assertTrue(all(outcome.accepted for outcome in outcomes.values()))
        self.assertEqual(self.sink.messages[0].data, b"Received: here\r\n" + MESSAGE)
        self.assertEqual(self.sink.messages[0].rcpts, ["RCPT TO:<bob@example.org>", "RCPT TO:<eve@example.org>"])
        self.assertEqual(len(self.sink.writes), 3)      # EHLO; MAIL, RCPT, RCPT, DATA; the message
        self.assertEqual(client.name, "sink.example")

    async def test_without_pipelining_each_command_waits_for_its_answer(self) -> None:
        self.sink.keywords = ()
        client = await self.ready()
        outcomes = await client.send(ENVELOPE, [BOB, EVE], Source(MESSAGE))
        self.assertTrue(outcomes[EVE].accepted)
        self.assertEqual(len(self.sink.writes), 6)
        self.assertEqual(self.sink.messages[0].data, MESSAGE)

    async def test_a_server_that_knows_no_ehlo_is_greeted_with_helo(self) -> None:
        self.sink.answers["EHLO"] = "502 5.5.1 what?"
        client = await self.ready()
        self.assertTrue((await client.send(ENVELOPE, [BOB], Source(MESSAGE)))[BOB].accepted)
        self.assertEqual(self.sink.lines[1], "HELO me.example")

    async def test_several_messages_on_one_connection(self) -> None:
        client = await self.ready()
        for _ in range(3):
            self.assertTrue((await client.send(ENVELOPE, [BOB], Source(MESSAGE)))[BOB].accepted)
            self.assertTrue(client.usable)
        self.assertEqual((len(self.sink.messages), self.sink.connections, client.sent), (3, 1, 3))
        self.assertNotIn("RSET", self.sink.lines)

    async def test_a_large_message_flows_with_the_servers_pace(self) -> None:
        content = b"".join(b"%08d .................................................\r\n.\r\n" % n for n in range(20_000))
        client = await self.ready(ClientSettings())
        self.assertTrue((await client.send(ENVELOPE, [BOB], Source(content)))[BOB].accepted)
        self.assertEqual(self.sink.messages[0].data, content)

    async def test_one_refused_recipient_does_not_hurt_the_others(self) -> None:
        for keywords in (("PIPELINING",), ()):
            sink = self.sink = SmtpSink(reactor, keywords=keywords)
            sink.answers["RCPT"] = lambda line: "550 5.1.1 who?" if "eve" in line else ""
            client = await self.ready()
            outcomes = await client.send(ENVELOPE, [EVE, BOB], Source(MESSAGE))
            self.assertTrue(outcomes[BOB].accepted)
            self.assertEqual((outcomes[EVE].reply.code, outcomes[EVE].stage), (550, Stage.RCPT))
            await client.quit()
            await sink.stop()

    async def test_without_a_valid_recipient_the_body_is_never_sent(self) -> None:
        self.sink.answers["RCPT"] = "550 5.1.1 who?"
        client = await self.ready()
        source = Source(MESSAGE)
        outcomes = await client.send(ENVELOPE, [EVE, BOB], source)
        self.assertEqual({outcome.reply.enhanced for outcome in outcomes.values()}, {"5.1.1"})
        self.assertEqual((source.reads, self.sink.messages), (0, []))
        del self.sink.answers["RCPT"]
        self.assertTrue((await client.send(ENVELOPE, [BOB], Source(MESSAGE)))[BOB].accepted)
        self.assertIn("RSET", self.sink.lines)

    async def test_a_transaction_that_came_to_nothing_is_ended_at_once(self) -> None:
        """A connection that is kept must not keep the other side in a transaction: it could not stop for us."""
        for keywords in (("PIPELINING",), ()):
            for verb in ("RCPT", "DATA"):
                sink = self.sink = SmtpSink(reactor, keywords=keywords)
                sink.answers[verb] = "451 4.3.0 not now"
                client = await self.ready()
                await client.send(ENVELOPE, [BOB], Source(MESSAGE))
                self.assertTrue(client.usable)
                while sink.lines[-1] != "RSET":
                    await client._wait(10, "RSET to arrive") if client._resetting else self.fail(sink.lines)
                await client.quit()
                self.assertEqual(sink.lines[-1], "QUIT")
                await sink.stop()

    async def test_a_server_that_cannot_reset_is_left(self) -> None:
        self.sink.answers.update(RCPT="550 5.1.1 who?", RSET="503 5.5.1 never")
        client = await self.ready()
        await client.send(ENVELOPE, [BOB], Source(MESSAGE))
        await client.closed
        self.assertFalse(client.usable)

    async def test_a_server_that_says_354_to_nobody_gets_an_empty_message_at_most(self) -> None:
        """RFC 2920 section 3.1."""
        self.sink.answers.update(RCPT="550 5.1.1 who?", DATA="354 go on", END="554 5.5.1 nobody")
        client = await self.ready()
        outcomes = await client.send(ENVELOPE, [BOB], Source(MESSAGE))
        self.assertEqual(outcomes[BOB].reply.code, 550)
        self.assertTrue(client.usable)
        self.assertEqual(self.sink.writes[-1], b".\r\n")

    async def test_a_refused_sender_is_the_outcome_of_all(self) -> None:
        for keywords in (("PIPELINING",), ()):
            sink = self.sink = SmtpSink(reactor, keywords=keywords)
            sink.answers["MAIL"] = "451 4.7.1 later"
            client = await self.ready()
            outcomes = await client.send(ENVELOPE, [EVE, BOB], Source(MESSAGE))
            self.assertEqual({(o.reply.code, o.stage) for o in outcomes.values()}, {(451, Stage.MAIL)})
            self.assertTrue(client.usable)
            await client.quit()
            await sink.stop()

    async def test_a_refusal_after_the_message_is_the_outcome_of_those_who_were_accepted(self) -> None:
        self.sink.answers["END"] = "554 5.7.1 spam"
        self.sink.answers["RCPT"] = lambda line: "450 4.2.1 busy" if "eve" in line else ""
        outcomes = await (await self.ready()).send(ENVELOPE, [EVE, BOB], Source(MESSAGE))
        self.assertEqual((outcomes[BOB].reply.code, outcomes[BOB].stage), (554, Stage.END))
        self.assertEqual(outcomes[EVE].reply.code, 450)

    async def test_421_ends_the_connection_and_keeps_its_words(self) -> None:
        self.sink.answers["MAIL"] = b"421 4.3.2 closing down\r\n"
        client = await self.ready()
        outcomes = await client.send(ENVELOPE, [BOB], Source(MESSAGE))
        self.assertIn("closing down", outcomes[BOB].reply.text)
        self.assertFalse(client.usable)

    async def test_a_server_that_closes_at_any_stage_is_a_temporary_outcome(self) -> None:
        for keywords in (("PIPELINING",), ()):
            for verb in ("MAIL", "RCPT", "DATA", "END"):
                sink = self.sink = SmtpSink(reactor, keywords=keywords)
                sink.answers[verb] = CLOSE
                client = await self.ready()
                outcome = (await client.send(ENVELOPE, [BOB], Source(MESSAGE)))[BOB]
                self.assertEqual(outcome.reply.code // 100, 4, (keywords, verb))
                self.assertEqual(outcome.stage, Stage.DOUBTFUL if verb == "END" else Stage.LOST)
                self.assertFalse(client.usable)
                await client.quit()
                await sink.stop()

    async def test_hostile_answers_are_faults_never_acceptance(self) -> None:
        for verb, answer in (
            ("MAIL", "354 come on"), ("MAIL", b"250-" + b"x" * 9_000), ("MAIL", b"250-a\r\n" * 300), ("RCPT", "334 x"),
            ("DATA", "250 ok"), ("DATA", b"\xff\xfe\r\n"), ("DATA", b"354 a\r\n250 early\r\n"), ("END", "354 more"),
            ("MAIL", b"250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n250 more\r\n250 more\r\n"), ("END", b"<html>\r\n"),
        ):
            sink = self.sink = SmtpSink(reactor, keywords=())
            sink.answers[verb] = answer
            client = await self.ready()
            outcome = (await client.send(ENVELOPE, [BOB], Source(MESSAGE)))[BOB]
            self.assertFalse(outcome.accepted, (verb, answer))
            self.assertEqual(outcome.reply.code // 100, 4, (verb, answer))
            self.assertFalse(client.usable)
            await client.quit()
            await sink.stop()

    async def test_a_refusal_in_the_middle_of_the_message_stops_it(self) -> None:
        content = b"x" * 70 + b"\r\n"
        source = Source(content * 200_000)
        peer_data = []

        def interrupt(line: str) -> str:
            for peer in self.sink.open:
                peer.transport.pauseProducing()
            reactor.callLater(0.02, lambda: [peer.say(b"552 5.3.4 enough\r\n") for peer in self.sink.open])
            peer_data.append(line)
            return "354 go"

        self.sink.answers["DATA"] = interrupt
        self.sink.keywords = ()
        client = await self.ready(ClientSettings())
        outcome = (await client.send(ENVELOPE, [BOB], source))[BOB]
        self.assertEqual((outcome.reply.code, outcome.stage), (552, Stage.END))
        self.assertLess(source.reads, 200)
        self.assertFalse(client.usable)

    async def test_a_server_that_reads_nothing_is_left_in_time(self) -> None:
        self.sink.keywords = ()
        source = Source(b"y" * 70_000_000)
        client = await self.ready(ClientSettings(block_timeout_s=0.1))

        def stop_reading(line: str) -> str:
            for peer in self.sink.open:
                peer.transport.pauseProducing()
            return ""

        self.sink.answers["DATA"] = stop_reading
        outcome = (await client.send(ENVELOPE, [BOB], source))[BOB]
        self.assertEqual(outcome.stage, Stage.LOST)
        self.assertLess(source.reads * 65_536, 30_000_000)

    async def test_content_that_ends_early_is_never_sent_as_if_whole(self) -> None:
        from mailframe.model.refusal import TryAgainLater

        client = await self.ready()
        with self.assertRaises(TryAgainLater):
            await client.send(ENVELOPE, [BOB], Source(b"x" * 200_000, cut_at=100_000))
        self.assertFalse(client.usable)
        await client.quit()
        self.assertEqual(self.sink.messages, [])

    async def test_a_header_that_needs_smtputf8_is_refused_only_where_it_is_missing(self) -> None:
        envelope = Envelope("id", ENVELOPE.sender, smtputf8=True)
        client = await self.ready()
        refused = await client.send(envelope, [BOB], Source("Subject: é\r\n\r\nx\r\n".encode()))
        self.assertEqual(refused[BOB].reply.enhanced, "5.6.7")
        self.assertTrue((await client.send(envelope, [BOB], Source("Subject: e\r\n\r\né\r\n".encode())))[BOB].accepted)

    async def test_greetings_that_refuse_or_make_no_sense(self) -> None:
        for greeting, error in (("554 5.7.1 no", PeerRefused), ("421 later", PeerRefused), (b"hello\r\n", PeerGone),
                                (CLOSE, PeerGone), (None, PeerGone), (b"220 a\r\n250 b\r\n", PeerGone)):
            sink = self.sink = SmtpSink(reactor)
            sink.greeting = greeting
            client = await self.connect(ClientSettings(0.2) if greeting is None else PATIENT)
            with self.assertRaises(error):
                await client.greet("me.example")
            await client.quit()
            await sink.stop()

    async def test_starttls_begins_the_session_afresh(self) -> None:
        self.sink.tls = SERVER_TLS
        client = await self.ready()
        await client.start_tls(optionsForClientTLS("sink.example", trustRoot=ROOT), "me.example")
        self.assertTrue(client.tls.startswith("TLSv1."))
        self.assertTrue((await client.send(ENVELOPE, [BOB], Source(MESSAGE)))[BOB].accepted)
        self.assertTrue(self.sink.messages[0].tls)
        self.assertEqual(self.sink.lines[:3], ["EHLO me.example", "STARTTLS", "EHLO me.example"])

    async def test_a_certificate_for_somebody_else_is_not_spoken_to(self) -> None:
        for creator, words in ((optionsForClientTLS("other.example", trustRoot=ROOT), "for another name"),
                               (optionsForClientTLS("sink.example"), "certificate verify failed")):
            sink = self.sink = SmtpSink(reactor, tls=SERVER_TLS)
            client = await self.ready()
            with self.assertRaises(TlsFailed) as caught:
                await client.start_tls(creator, "me.example")
            self.assertIn(words, str(caught.exception))
            self.assertEqual(sink.lines, ["EHLO me.example", "STARTTLS"])
            await client.quit()
            await sink.stop()
        self.flushLoggedErrors()

    async def test_words_in_the_clear_after_starttls_end_the_connection(self) -> None:
        """I5: nothing said before the handshake can pass for an answer after it."""
        for answer in (b"220 go\r\n250 injected\r\n", b"220 go\r\n250-inj"):
            sink = self.sink = SmtpSink(reactor, tls=SERVER_TLS)
            sink.answers["STARTTLS"] = answer
            client = await self.ready()
            with self.assertRaises(PeerGone):
                await client.start_tls(optionsForClientTLS("sink.example", trustRoot=ROOT), "me.example")
            await client.quit()
            await sink.stop()

    async def test_a_handshake_that_never_ends_fails_in_time(self) -> None:
        self.sink.answers["STARTTLS"] = b"220 go\r\n"
        client = await self.ready(HASTY)
        with self.assertRaises(TlsFailed):
            await client.start_tls(optionsForClientTLS("sink.example", trustRoot=ROOT), "me.example")

    async def test_tls_refused_by_the_server_leaves_the_connection_usable(self) -> None:
        self.sink.answers["STARTTLS"] = "454 4.7.0 not now"
        client = await self.ready()
        with self.assertRaises(PeerRefused):
            await client.start_tls(optionsForClientTLS("sink.example", trustRoot=ROOT), "me.example")
        self.assertTrue((await client.send(ENVELOPE, [BOB], Source(MESSAGE)))[BOB].accepted)

    async def test_login_with_each_mechanism(self) -> None:
        self.sink.users["bob"] = "pässword"
        client = await self.ready()
        for mechanism in MECHANISMS.values():
            await client.login(mechanism, "bob", "pässword")
            with self.assertRaises(PeerRefused) as caught:
                await client.login(mechanism, "bob", "wrong")
            self.assertEqual(caught.exception.reply.code, 535)
            self.assertNotIn("wrong", str(caught.exception))

    async def test_a_senseless_challenge_is_a_refusal(self) -> None:
        self.sink.users["bob"] = "x"
        self.sink.answers["AUTH"] = "334 ***"
        with self.assertRaises(PeerRefused):
            await (await self.ready()).login(MECHANISMS[b"PLAIN"], "bob", "x")

    async def test_quit_is_polite_and_never_hangs(self) -> None:
        client = await self.ready()
        await client.quit()
        self.assertEqual(self.sink.lines[-1], "QUIT")
        await self.sink.stop()
        self.sink = SmtpSink(reactor)
        self.sink.answers["QUIT"] = None
        client = await self.ready(HASTY)
        await client.quit()
        self.assertFalse(client.usable)
