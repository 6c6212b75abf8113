"""TLS on real ports of all wings: who is known again, which certificate is shown, reloading, and connections that are cut off."""

from __future__ import annotations

import contextlib
import socket
import ssl

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from support.tlsports import BYE, WINGS, TlsPorts, both, careless, drain, raw, said, write_pair

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
PARTS = (
    (b"DATA\r\nSubject: half\r\n\r\nhalf a message", b"354"),
    (b"DATA\r\nSubject: half\r\n\r\nhalf a message\r\n.", b"354"),
    (b"DATA\r\nSubject: half\r\n\r\nhalf a message\r\n.\r", b"354"),
    (b"BDAT 20 LAST\r\nSubject: half\r\n\r\nno", b""),
    (b"BDAT 17\r\nSubject: half\r\n\r\n", b"250"),
)


class PortTests(TlsPorts):
    async def test_a_client_is_known_again_by_its_ticket_until_the_next_day(self) -> None:
        """On every port, whatever name it asked for; after a day tickets are sealed with another key (RFC 9325 section 3.4)."""
        for wing, implicit in both():
            contexts = self.contexts("one.example", "two.example")
            port = self.serve(wing, contexts, implicit=implicit)
            for version in VERSIONS:
                for name in ("one.example", "two.example", "none.example"):
                    client = careless(maximum_version=version)

                    def visit(session: ssl.SSLSession | None) -> tuple[bool | None, ssl.SSLSession | None]:
                        plain = raw(port, wing, asked=not implicit)  # noqa: B023
                        with client.wrap_socket(plain, server_hostname=name, session=session) as line:  # noqa: B023
                            line.sendall(BYE[wing])  # noqa: B023
                            drain(line)
                            return line.session_reused, line.session

                    known, session = await self.in_thread(lambda: visit(None))
                    self.assertIs(known, False)
                    self.days.advance(80_000)
                    known, session = await self.in_thread(lambda: visit(session))  # noqa: B023
                    self.assertIs(known, True, (wing, implicit, version, name))
                    self.days.advance(10_000)
                    known, session = await self.in_thread(lambda: visit(session))  # noqa: B023
                    self.assertIs(known, False)

    async def test_each_client_is_shown_the_certificate_that_it_can_verify(self) -> None:
        port = self.serve("smtp", self.contexts("one.example", "two.example", rsa_also=True), implicit=True)
        kinds = {"ECDHE-ECDSA-AES128-GCM-SHA256": ec.EllipticCurvePublicKey, "ECDHE-RSA-AES128-GCM-SHA256": object}

        def shown(cipher: str, name: str) -> x509.Certificate:
            client = careless(maximum_version=ssl.TLSVersion.TLSv1_2)
            client.set_ciphers(cipher)
            with client.wrap_socket(raw(port), server_hostname=name) as line:
                octets = line.getpeercert(True)
                assert octets is not None
                return x509.load_der_x509_certificate(octets)

        for asked, given in (("one.example", "one.example"), ("two.example", "two.example"), ("none.example", "one.example")):
            for cipher in kinds:
                found = await self.in_thread(lambda: shown(cipher, asked))  # noqa: B023
                self.assertEqual(found.subject.rfc4514_string(), f"CN={given}")
                self.assertEqual(isinstance(found.public_key(), ec.EllipticCurvePublicKey), "ECDSA" in cipher)

    async def test_renegotiation_is_refused(self) -> None:
        """TLS 1.2 has it; who asks for it again and again makes the server sign (RFC 9325 section 3.5)."""
        for wing in WINGS:
            port = self.serve(wing, self.contexts("one.example"), implicit=True)

            def ask() -> None:
                context = SSL.Context(SSL.TLS_CLIENT_METHOD)
                context.set_max_proto_version(SSL.TLS1_2_VERSION)
                plain = raw(port)  # noqa: B023
                plain.settimeout(None)
                client = SSL.Connection(context, plain)
                client.set_connect_state()
                client.do_handshake()
                client.recv(1_000)
                client.renegotiate()
                try:
                    with self.assertRaisesRegex(SSL.Error, "no renegotiation"):
                        client.do_handshake()
                finally:
                    plain.close()
            await self.in_thread(ask)

    async def test_a_renewed_certificate_leaves_connections_as_they_are(self) -> None:
        contexts = self.contexts("old.example")
        for wing, implicit in both():
            write_pair(self.pairs[0], "old.example")
            contexts.reload()
            port = self.serve(wing, contexts, implicit=implicit)

            def come() -> ssl.SSLSocket:
                return careless().wrap_socket(raw(port, wing, asked=not implicit), server_hostname="x.example")  # noqa: B023

            def name(line: ssl.SSLSocket) -> str:
                return x509.load_der_x509_certificate(line.getpeercert(True) or b"").subject.rfc4514_string()

            open_before = await self.in_thread(come)
            write_pair(self.pairs[0], "new.example")
            self.days.advance(5)
            later = await self.in_thread(come)
            self.assertEqual((name(open_before), name(later)), ("CN=old.example", "CN=new.example"))
            for line in (open_before, later):
                line.sendall(BYE[wing])
                await self.in_thread(lambda: drain(line))  # noqa: B023
                line.close()


class TruncationTests(TlsPorts):
    """I5: TCP's end without TLS's own is anybody's to make, and ends no message."""

    async def test_a_message_that_is_cut_off_is_not_delivered(self) -> None:
        for implicit in (True, False):
            port = self.serve("smtp", self.contexts("one.example"), implicit=implicit)
            for number, (octets, reply) in enumerate(PARTS):
                for told in (False, True):
                    def send() -> None:
                        plain = raw(port, "smtp", asked=not implicit)  # noqa: B023
                        with careless().wrap_socket(plain) as line:
                            if implicit:  # noqa: B023
                                said(line)
                            line.sendall(b"EHLO client.example\r\n")
                            said(line)
                            for command in (b"MAIL FROM:<a@far.example>\r\n", b"RCPT TO:<bob@mx.example>\r\n"):
                                line.sendall(command)
                                assert said(line).startswith(b"250")
                            begin, _, rest = octets.partition(b"\r\n")  # noqa: B023
                            if reply == b"354":  # noqa: B023
                                line.sendall(begin + b"\r\n")
                                assert said(line).startswith(b"354")
                                line.sendall(rest)
                            else:
                                line.sendall(octets)  # noqa: B023
                                assert said(line).startswith(reply) if reply else True  # noqa: B023
                            if told:  # noqa: B023
                                with contextlib.suppress(ssl.SSLError, OSError):
                                    line.unwrap()
                    await self.in_thread(send)
                    await self.until(lambda: self.factory.connections == 0)
                    states = {delivery.state for delivery in self.reception.deliveries}
                    self.assertEqual(states, {"aborted"}, (implicit, number, told))

    async def test_half_closed_under_tls_ends_it_as_well(self) -> None:
        port = self.serve("smtp", self.contexts("one.example"), implicit=True)

        def send() -> None:
            with careless().wrap_socket(raw(port)) as line:
                said(line)
                line.sendall(b"EHLO client.example\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<bob@mx.example>\r\nDATA\r\n")
                while b"354 " not in said(line):
                    pass
                line.sendall(b"half a line")
                socket.socket.shutdown(line, socket.SHUT_WR)
                drain(line)
        await self.in_thread(send)
        await self.until(lambda: self.factory.connections == 0)
        self.assertEqual([delivery.state for delivery in self.reception.deliveries], ["aborted"])
