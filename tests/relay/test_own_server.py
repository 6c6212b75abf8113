"""Our relay and our SMTP server in conversation: what the one sends, the other takes."""

from __future__ import annotations

from email import message_from_bytes
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from support.certificates import self_signed
from support.reception import Recorder
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.refusal import UnknownRecipient
from mailframe.relay.agent import RelayAgent
from mailframe.relay.settings import RelaySettings, Smarthost
from mailframe.smtp.client_data import DotStuffer
from mailframe.smtp.data import DataReader
from mailframe.smtp.server import SmtpServerFactory
from mailframe.smtp.settings import SmtpSettings
from mailframe.tls.client import ClientContexts

SERVER_TLS, ROOT = self_signed("localhost")
PIECES = st.lists(st.sampled_from([b".", b"\r\n", b"a", b"\r\n.\r\n", b"\r\n..", b"\r", b"\n", b"text"]), max_size=12).map(b"".join)


class Source:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)

    async def read(self, offset: int, size: int) -> bytes:
        return self.content[offset:offset + size]


@settings(max_examples=60, deadline=None)
@given(PIECES, st.lists(st.integers(0, 10_000), max_size=6))
def test_what_the_client_stuffs_the_server_reads_and_nothing_is_left_over(data: bytes, places: list[int]) -> None:
    """I5: no content can end the data early, or leave octets that would be read as commands."""
    stuffer, reader = DotStuffer(), DataReader()
    borders = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    wire = b"".join(stuffer.feed(data[start:end]) for start, end in pairwise(borders)) + stuffer.end()
    octets, rest = reader.feed(wire)
    assert (reader.done, reader.bare_newline, rest) == (True, False, b"")
    clean = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    assert octets == clean + (b"" if clean.endswith(b"\r\n") or not clean else b"\r\n")


class OwnServerTests(TestCase):
    timeout = 20

    def setUp(self) -> None:
        self.reception = Recorder()
        self.factory = SmtpServerFactory(self.reception, SmtpSettings(hostname="mx.example"), clock=reactor, tls=SERVER_TLS)
        self.port = reactor.listenTCP(0, self.factory, interface="127.0.0.1")
        smarthost = Smarthost("localhost", self.port.getHost().port)
        self.agent = RelayAgent(None, RelaySettings(smarthost), reactor=reactor, hostname="me.example", tls=ClientContexts(ROOT))

        async def end() -> None:
            await self.agent.close()
            await self.port.stopListening()
            stopped = self.factory.stop()
            self.factory.cut()
            await stopped

        self.addCleanup(lambda: Deferred.fromCoroutine(end()))

    async def test_a_message_with_everything_arrives_as_it_was(self) -> None:
        bob = Recipient(Address.parse("josé@xn--mnchen-3ya.example"), frozenset({"FAILURE", "DELAY"}), "rfc822;b+x=y@example.org")
        eve = Recipient(Address.parse('"e v>e"@example.org'))
        self.reception.obstacles[f"rcpt {eve}"] = UnknownRecipient()
        content = "Subject: é\r\n\r\n.\r\n..dots\r\n".encode() + b"x" * 300_000 + b"\r\n"
        envelope = Envelope("id", Address.parse("älice@example.com"), body="8BITMIME", smtputf8=True, ret="HDRS", envid="Q Q+1")
        outcomes = await self.agent.deliver(envelope, [bob, eve], Source(content), b"Received: by me\r\n")
        self.assertIsNone(outcomes[bob])
        self.assertEqual((outcomes[eve].smtp, outcomes[eve].mta), ((550, "5.1.1"), "localhost"))
        delivered, = self.reception.committed
        self.assertEqual(delivered.octets, b"Received: by me\r\n" + content)
        self.assertEqual(delivered.recipients, [bob])
        seen = delivered.envelope
        self.assertEqual((seen.sender, seen.ret, seen.envid, seen.smtputf8, seen.body),
                         (envelope.sender, "HDRS", "Q Q+1", True, "8BITMIME"))
        self.assertTrue(seen.peer.tls)
        self.assertEqual(seen.peer.protocol, "UTF8SMTPS")

    async def test_binary_content_that_requires_tls_arrives_with_every_octet(self) -> None:
        """By BDAT where this server takes it, else encoded: what a reader decodes is the same (RFC 3030 section 3)."""
        self.reception.honours |= {"BINARYMIME", "REQUIRETLS"}
        head = b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        bob = Recipient(Address.parse("bob@example.org"))
        for payload in (b"\0\n.\r\nQUIT\r\n\r\n.\r\nMAIL FROM:<x>\r\n", bytes(range(256)) * 4_000 + b"\r\n"):
            envelope = Envelope("id", Address.parse("alice@example.com"), body="BINARYMIME", require_tls=True)
            self.assertEqual(await self.agent.deliver(envelope, [bob], Source(head + payload)), {bob: None})
            delivered = self.reception.committed[-1]
            self.assertTrue(delivered.envelope.require_tls)
            self.assertEqual(message_from_bytes(delivered.octets).get_payload(decode=True), payload)

    async def test_several_messages_on_one_kept_connection_after_a_refused_one(self) -> None:
        bob, eve = (Recipient(Address.parse(text)) for text in ("bob@example.org", "eve@example.org"))
        self.reception.obstacles[f"rcpt {eve}"] = UnknownRecipient()
        for recipient in (bob, eve, eve, bob):
            outcomes = await self.agent.deliver(Envelope("id", None), [recipient], Source(b"A: b\r\n\r\n"))
            self.assertEqual(outcomes[recipient] is None, recipient is bob)
        self.assertEqual((len(self.reception.committed), len(self.reception.hellos)), (2, 2))    # EHLO before and after TLS
