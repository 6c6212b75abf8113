"""The server on real sockets, with clients that are not ours."""

from __future__ import annotations

import smtplib
import socket
import time
from email.message import EmailMessage

from support.certs import client_context
from support.smtpsockets import Blocking, Served
from twisted.internet import reactor

from mailframe.smtp.session import SmtpSession


def fill(client: Blocking, octets: bytes) -> int:
    """Send until the other side takes no more; how much that was, at most 40 MB."""
    client.socket.settimeout(0.3)
    sent = 0
    try:
        while sent < 40_000_000:
            sent += client.socket.send(octets)
    except TimeoutError:
        pass
    client.socket.settimeout(10)
    return sent


class Sockets(Served):
    async def test_smtplib_sends_a_message(self) -> None:
        port = self.serve()
        message = EmailMessage()
        message["Subject"] = "Grüße"
        message.set_content(".\n..\nlines with dots\n" + "x" * 200_000)

        def send() -> dict[str, tuple[int, bytes]]:
            with smtplib.SMTP("127.0.0.1", port) as client:
                return client.send_message(message, "alice@far.example", ["bob@mx.example", "carol@mx.example"])
        assert await self.in_thread(send) == {}
        delivery = self.reception.committed[0]
        assert delivery.octets.replace(b"\r\n", b"\n") == message.as_bytes() and len(delivery.recipients) == 2
        assert (delivery.envelope.peer.protocol, delivery.envelope.peer.ip) == ("ESMTP", "127.0.0.1")

    async def test_smtplib_with_starttls_and_login(self) -> None:
        port = self.serve(role="submission")

        def send() -> list[str]:
            seen = []
            with smtplib.SMTP("localhost", port) as client:
                client.ehlo()
                seen.append(" ".join(sorted(client.esmtp_features)))
                client.starttls(context=client_context())
                client.ehlo()
                seen.append(" ".join(sorted(client.esmtp_features)))
                for method in ("PLAIN", "LOGIN"):
                    try:
                        client.user, client.password = "bob", "wrong"
                        client.auth(method, getattr(client, f"auth_{method.lower()}"))
                    except smtplib.SMTPAuthenticationError as error:
                        seen.append(str(error.smtp_code))
                client.login("bob", "secret")
                client.sendmail("bob@mx.example", "carol@far.example", "Subject: x\r\n\r\nhello\r\n")
            return seen
        plain, encrypted, *codes = await self.in_thread(send)
        assert "starttls" in plain and "auth" not in plain and "auth" in encrypted and "starttls" not in encrypted
        assert codes == ["535", "535"]
        peer = self.reception.committed[0].envelope.peer
        assert (peer.protocol, peer.account) == ("ESMTPSA", "bob") and peer.tls.startswith("TLSv1.3 TLS_")

    async def test_implicit_tls(self) -> None:
        port = self.serve(implicit_tls=True)

        def send() -> None:
            with smtplib.SMTP_SSL("localhost", port, context=client_context()) as client:
                client.login("bob", "secret")
                client.sendmail("bob@mx.example", "carol@far.example", b"Subject: x\r\n\r\n" + b"y" * 300_000 + b"\r\n")
        await self.in_thread(send)
        peer = self.reception.committed[0].envelope.peer
        assert peer.protocol == "ESMTPSA" and peer.tls.startswith("TLSv1.3")
        assert len(self.reception.committed[0].octets) == 300_016

    async def test_octets_behind_starttls_close_the_connection(self) -> None:  # I5
        port = self.serve()

        def inject() -> bytes:
            client = Blocking(port)
            client.reply()
            client.say(b"EHLO c.example\r\n")
            said = client.say(b"STARTTLS\r\nMAIL FROM:<evil@far.example>\r\nRCPT TO:<bob@mx.example>\r\n")
            rest = client.file.read()
            client.close()
            return said + rest
        assert (await self.in_thread(inject)).startswith(b"421 4.7.0") and self.reception.deliveries == []

    async def test_commands_in_the_clear_instead_of_a_handshake_are_no_commands(self) -> None:  # I5
        port = self.serve()

        def inject() -> bytes:
            client = Blocking(port)
            client.reply()
            client.say(b"EHLO c.example\r\n")
            assert client.say(b"STARTTLS\r\n").startswith(b"220")
            client.socket.sendall(b"EHLO evil\r\nMAIL FROM:<evil@far.example>\r\n")
            try:
                rest = client.file.read()
            except ConnectionError:
                rest = b""
            client.close()
            return rest
        assert b"250" not in await self.in_thread(inject) and self.reception.deliveries == []
        assert len(self.reception.hellos) == 1

    async def test_a_client_that_disappears_in_mid_data_delivers_nothing(self) -> None:
        port = self.serve()

        def vanish() -> None:
            client = Blocking(port)
            client.transaction()
            client.socket.sendall(b"half a message\r\n" * 1_000)
            client.close()
        await self.in_thread(vanish)
        await self.until(lambda: self.factory.connections == 0)
        assert [delivery.state for delivery in self.reception.deliveries] == ["aborted"]

    async def test_a_slow_store_and_a_fast_client_need_little_memory(self) -> None:  # I3
        await self.flood(tls=False)

    async def test_so_it_is_over_tls(self) -> None:  # I3
        await self.flood(tls=True)

    async def flood(self, *, tls: bool) -> None:
        port = self.serve(implicit_tls=tls)
        held = self.reception.hold("write")

        def pour() -> int:
            client = Blocking(port, tls=tls)
            client.transaction()
            sent = fill(client, b"x" * 65_534 + b"\r\n")
            waiting.append(self.session().framer.waiting)
            client.close()
            return sent
        waiting: list[int] = []
        sent = await self.in_thread(pour)
        assert sent < 40_000_000, "the client was never held back"
        assert waiting[0] < 400_000, "what waits is kept by TCP, not by us"
        del self.reception.obstacles["write"]
        held.callback(None)
        await self.until(lambda: self.factory.connections == 0)
        assert [delivery.state for delivery in self.reception.deliveries] == ["aborted"]

    def session(self) -> SmtpSession:
        return next(iter(self.factory._sessions))

    async def test_a_message_held_back_for_a_while_arrives_whole(self) -> None:
        port = self.serve(implicit_tls=True)
        held = self.reception.hold("write")
        body = b"".join(b"%06d\r\n" % number for number in range(200_000))

        def release() -> None:
            del self.reception.obstacles["write"]
            held.callback(None)

        def send() -> bytes:
            client = Blocking(port, tls=True)
            client.transaction()
            reactor.callFromThread(reactor.callLater, 0.2, release)  # type: ignore[attr-defined]
            reply = client.say(body + b".\r\n")
            client.close()
            return reply
        assert (await self.in_thread(send)).startswith(b"250") and self.reception.committed[0].octets == body

    async def test_a_client_that_reads_nothing_is_held_back_and_harms_nobody(self) -> None:  # I3
        await self.stubborn(tls=False)

    async def test_nor_does_one_over_tls(self) -> None:  # I3
        await self.stubborn(tls=True)

    async def stubborn(self, *, tls: bool) -> None:
        port = self.serve(implicit_tls=tls)

        def refuse_to_read() -> int:
            client = Blocking(port, tls=tls)
            sent = fill(client, b"HELP\r\n" * 10_000)
            other = Blocking(port, tls=tls)
            began = time.monotonic()
            other.transaction()
            assert other.say(b"hello\r\n.\r\n").startswith(b"250") and time.monotonic() - began < 2
            other.close()
            client.close()
            return sent
        assert await self.in_thread(refuse_to_read) < 40_000_000

    async def test_three_hundred_idle_connections_delay_nobody(self) -> None:
        port = self.serve(max_connections_per_ip=400)

        def crowd() -> float:
            idle = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(300)]
            began = time.monotonic()
            client = Blocking(port)
            client.transaction()
            assert client.say(b"hello\r\n.\r\n").startswith(b"250")
            took = time.monotonic() - began
            client.close()
            for connection in idle:
                connection.close()
            return took
        assert await self.in_thread(crowd) < 2
        await self.until(lambda: self.factory.connections == 0)

    async def test_stop_says_goodbye_and_waits_for_a_transaction(self) -> None:
        port = self.serve()
        idle, busy = await self.in_thread(lambda: (Blocking(port), Blocking(port)))
        await self.in_thread(idle.reply)
        await self.in_thread(busy.transaction)
        stopped = self.factory.stop()
        assert (await self.in_thread(idle.file.read)).startswith(b"421 4.3.2") and not stopped.called
        busy_said = await self.in_thread(lambda: busy.say(b"hello\r\n.\r\n") + busy.file.read())
        assert busy_said.startswith(b"250 ") and b"\r\n421 4.3.2" in busy_said
        idle.close()
        busy.close()
        await stopped
        assert len(self.reception.committed) == 1


class LastWordsTests(Served):
    async def test_a_lost_chunk_as_the_last_error_is_told_one_goodbye(self) -> None:
        """RFC 5321 section 3.8: after 421 the connection is closed, and nothing more is said, whatever else was wrong."""
        for line in (b"BDAT x\r\n", b"BDAT 4\n"):
            port = self.serve(max_errors=1)

            def say_it() -> bytes:
                client = Blocking(port)  # noqa: B023
                client.reply()
                client.socket.sendall(line)  # noqa: B023
                said = client.file.read()
                client.close()
                return said

            said = await self.in_thread(say_it)
            self.assertEqual(said.count(b"\r\n421 "), 1, said)
            self.assertTrue(said.endswith(b"\r\n421 4.7.0 Too many errors\r\n"), said)
