"""Handshakes that come to nothing, on every kind of port: one line in the log, a limit in time, never a traceback."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

from support.tlsports import BYE, TlsPorts, both, careless, drain, raw

from mailframe.tls.handshakes import HANDSHAKE_TIMEOUT_S


def old(line: socket.socket) -> None:
    """TLS 1.1, by hand, as no library of today says it: a ClientHello with one cipher suite."""
    hello = b"\x03\x02" + bytes(32) + b"\0" + b"\0\x02\xc0\x13" + b"\x01\0"
    line.sendall(b"\x16\x03\x01" + (len(hello) + 4).to_bytes(2, "big") + b"\x01" + len(hello).to_bytes(3, "big") + hello)
    drain(line)


def no_cipher(line: socket.socket) -> None:
    context = careless(maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("ECDHE+AES+SHA1:@SECLEVEL=0")
    refused(context, line)


def distrusting(line: socket.socket) -> None:
    refused(ssl.create_default_context(), line)


def distrusting_12(line: socket.socket) -> None:
    context = ssl.create_default_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    refused(context, line)


def refused(context: ssl.SSLContext, line: socket.socket) -> None:
    try:
        context.wrap_socket(line, server_hostname="localhost")
    except ssl.SSLError:
        return
    raise AssertionError("it was taken")


def run(attempt: Callable[[socket.socket], None], line: socket.socket) -> None:
    with line:
        attempt(line)


def plain_words(line: socket.socket) -> None:
    line.sendall(b"EHLO evil.example\r\nMAIL FROM:<evil@far.example>\r\n")
    drain(line)


def web(line: socket.socket) -> None:
    line.sendall(b"GET / HTTP/1.1\r\nHost: mx.example\r\n\r\n")
    drain(line)


def gone_in_the_middle(line: socket.socket) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = careless().wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        line.sendall(outgoing.read())
    line.recv(1)


ATTEMPTS: tuple[tuple[Callable[[socket.socket], None], str], ...] = (
    (old, r"(unsupported protocol|version).*"),
    (no_cipher, r"no shared cipher \(the client offers nothing that is safe\)"),
    (distrusting, r".*unknown ca \(the client does not trust our certificate\)"),
    (distrusting_12, r".*unknown ca \(the client does not trust our certificate\)"),
    (plain_words, r".*\(the client does not speak TLS\)"),
    (web, r"http request \(the client speaks HTTP\)"),
    (gone_in_the_middle, r"the client has gone"),
)


class HandshakeTests(TlsPorts):
    def over(self, wing: str) -> Callable[[], bool]:
        return lambda: not len(self.handshakes[wing].late) and not self.sessions()

    def sessions(self) -> int:
        factory = self.factory
        return factory.connections if hasattr(factory, "connections") else len(getattr(factory, "sessions", ()) or
                                                                                getattr(factory, "_sessions", ()))

    async def test_one_that_fails_is_one_line_with_its_reason(self) -> None:
        for wing, implicit in both():
            port = self.serve(wing, self.contexts("localhost"), implicit=implicit)
            for attempt, words in ATTEMPTS:
                lines = await self.logged(lambda: self.in_thread(lambda: run(attempt, raw(port, wing, asked=not implicit))),  # noqa: B023
                                          self.over(wing))
                self.assertEqual(len(lines), 1, (wing, implicit, attempt, lines))
                self.assertRegex(lines[0], rf"^TLS handshake failed ip=127\.0\.0\.1 listener={wing}-port: {words}$")

    async def test_a_port_that_is_only_looked_at_is_not_worth_a_line(self) -> None:
        for wing, implicit in both():
            port = self.serve(wing, self.contexts("localhost"), implicit=implicit)
            self.assertEqual(await self.logged(lambda: self.in_thread(lambda: raw(port).close()), self.over(wing)), [])  # noqa: B023

    async def test_nor_is_a_whole_visit_but_to_ask_for_tls_and_go_is(self) -> None:
        for wing, implicit in both():
            port = self.serve(wing, self.contexts("localhost"), implicit=implicit)

            def visit() -> None:
                with careless().wrap_socket(raw(port, wing, asked=not implicit)) as line:  # noqa: B023
                    line.sendall(BYE[wing])  # noqa: B023
                    drain(line)
            self.assertEqual(await self.logged(lambda: self.in_thread(visit), self.over(wing)), [])
            if not implicit:
                lines = await self.logged(
                    lambda: self.in_thread(lambda: raw(port, wing, asked=True).close()), self.over(wing))  # noqa: B023
                self.assertEqual(lines, [f"TLS handshake failed ip=127.0.0.1 listener={wing}-port: the client has gone"])

    async def test_one_that_is_not_over_in_time_is_ended(self) -> None:
        for wing, implicit in both():
            port = self.serve(wing, self.contexts("localhost"), implicit=implicit)
            line = await self.in_thread(lambda: raw(port, wing, asked=not implicit))  # noqa: B023
            late = self.handshakes[wing].late
            await self.until(lambda: len(late) == 1)  # noqa: B023
            self.clock.advance(HANDSHAKE_TIMEOUT_S - 1)
            self.assertEqual((len(late), len(self.clock.getDelayedCalls())), (1, 1))
            self.clock.advance(0.5)
            self.assertTrue(self.sessions())

            async def end() -> None:
                self.clock.advance(0.5)
                await self.in_thread(lambda: drain(line))  # noqa: B023
            lines = await self.logged(end, self.over(wing))
            line.close()
            self.assertEqual(lines, [f"TLS handshake failed ip=127.0.0.1 listener={wing}-port: not over within 60 s"])
            self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_one_that_is_over_has_no_more_limit(self) -> None:
        for wing, implicit in both():
            port = self.serve(wing, self.contexts("localhost"), implicit=implicit)

            def come() -> ssl.SSLSocket:
                return careless().wrap_socket(raw(port, wing, asked=not implicit))  # noqa: B023
            line = await self.in_thread(come)
            await self.until(lambda: not len(self.handshakes[wing].late))  # noqa: B023
            self.assertEqual(self.clock.getDelayedCalls(), [])
            self.clock.advance(HANDSHAKE_TIMEOUT_S * 2)
            self.assertEqual(self.sessions(), 1)
            line.close()
            await self.until(self.over(wing))

    async def test_who_is_one_too_many_and_waits_is_cut(self) -> None:
        """I3: for under TLS even a word of farewell takes the client's part in it."""
        for wing in ("pop3", "imap"):
            port = self.serve(wing, self.contexts("localhost"), implicit=True, max_connections=1)
            guest = await self.in_thread(lambda: careless().wrap_socket(raw(port)))  # noqa: B023
            silent = await self.in_thread(lambda: raw(port))  # noqa: B023
            late = self.handshakes[wing].late
            await self.until(lambda: len(late) == 1)  # noqa: B023

            def told() -> bytes:
                with careless().wrap_socket(raw(port)) as line:  # noqa: B023
                    return line.recv(100)
            self.assertIn(b"oo many connections", await self.in_thread(told))
            await self.until(lambda: len(late) == 1)  # noqa: B023
            self.clock.advance(HANDSHAKE_TIMEOUT_S)
            await self.in_thread(lambda: drain(silent))  # noqa: B023
            silent.close()
            guest.close()
            self.assertEqual(len(late), 0)
