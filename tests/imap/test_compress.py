"""COMPRESS=DEFLATE (RFC 4978) over real sockets, in the clear and within TLS."""

from __future__ import annotations

import imaplib
import random
import socket
import zlib

from support.imap_sockets import MESSAGE, Sockets, trusting
from twisted.trial.unittest import TestCase

from mailframe.imap.deflate import PIECE, BadDeflate, Deflate


class _Packed:
    """A file for imaplib that packs and unpacks."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._in = zlib.decompressobj(-15)
        self._out = zlib.compressobj(9, zlib.DEFLATED, -15)
        self._buffer = b""
        self.received = 0

    def sendall(self, octets: bytes) -> None:
        self._connection.sendall(self._out.compress(octets) + self._out.flush(zlib.Z_SYNC_FLUSH))

    def _more(self) -> None:
        octets = self._connection.recv(65536)
        assert octets, "the server closed the connection"
        self.received += len(octets)
        self._buffer += self._in.decompress(octets)

    def readline(self, limit: int = -1) -> bytes:
        while b"\n" not in self._buffer:
            self._more()
        line, end, self._buffer = self._buffer.partition(b"\n")
        return line + end

    def read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        octets, self._buffer = self._buffer[:size], self._buffer[size:]
        return octets

    @property
    def unread(self) -> bytes:
        return self._buffer

    def close(self) -> None:
        pass

    def shutdown(self, how: int) -> None:
        self._connection.shutdown(how)


def compressed(client: imaplib.IMAP4) -> _Packed:
    imaplib.Commands.setdefault("COMPRESS", ("AUTH", "SELECTED"))
    assert client._simple_command("COMPRESS", "DEFLATE")[0] == "OK"  # type: ignore[attr-defined]
    packed = _Packed(client.sock)
    client.file.close()
    client.sock, client.file = packed, packed  # type: ignore[assignment]
    return packed


class CompressTests(Sockets):
    async def test_mail_goes_both_ways_in_fewer_octets(self) -> None:
        def work(client: imaplib.IMAP4) -> None:
            self.assertNotIn("COMPRESS=DEFLATE", client.capabilities)
            client.login("alice", "secret")
            client._get_capabilities()  # type: ignore[attr-defined]
            self.assertIn("COMPRESS=DEFLATE", client.capabilities)
            wire = client.sock
            packed = compressed(client)
            client._get_capabilities()  # type: ignore[attr-defined]
            self.assertNotIn("COMPRESS=DEFLATE", client.capabilities)
            answer = client._simple_command("COMPRESS", "DEFLATE")  # type: ignore[attr-defined]
            self.assertEqual(("NO", True), (answer[0], b"[COMPRESSIONACTIVE]" in answer[1][0]))
            self.assertEqual("OK", client.append("INBOX", None, None, MESSAGE)[0])  # type: ignore[arg-type]
            client.select()
            parts = client.fetch("1", "(BODY.PEEK[])")[1]
            assert isinstance(parts[0], tuple)
            self.assertEqual(MESSAGE, parts[0][1])
            self.assertLess(packed.received, len(MESSAGE) // 20)
            self.assertEqual("BYE", client.logout()[0])
            wire.close()
        await self.blocking(lambda: work(self.client()))

        def over_tls() -> None:
            client = self.client()
            client.starttls(trusting())
            work(client)
        await self.blocking(over_tls)

    async def test_what_is_told_in_idle_comes_in_no_fewer_octets_than_it_says(self) -> None:
        """For a client that takes the octets on the wire for those to be read, see `Deflate.pack_unasked`."""
        def work() -> None:
            client, other = self.client(), self.client()
            for each in (client, other):
                each.login("alice", "secret")
            packed = compressed(client)
            there = int(client.select()[1][0] or b"")
            before = packed.received
            client.send(b"z IDLE\r\n")
            told = packed.readline()
            for number in range(there + 1, there + 7):
                self.assertEqual("OK", other.append("INBOX", None, None, MESSAGE)[0])  # type: ignore[arg-type]
                while b"* %d EXISTS" % number not in told or packed.unread:
                    told += packed.readline()
                self.assertGreaterEqual(packed.received - before, len(told))
            client.send(b"DONE\r\n")
            while not packed.readline().startswith(b"z OK"):
                pass
            client.logout()
            other.logout()
        await self.blocking(work)

    async def test_what_comes_with_the_command_is_not_taken_for_anything(self) -> None:
        def work() -> None:
            client = self.client()
            client.login("alice", "secret")
            client.send(b"a COMPRESS DEFLATE\r\nb NOOP\r\n")
            received = client.sock.makefile("rb").read()
            self.assertIn(b"* BYE", received)
            self.assertNotIn(b"b OK", received)
            client.sock.close()
        await self.blocking(work)

    async def test_octets_that_are_not_deflate_end_the_connection(self) -> None:
        def work() -> None:
            client = self.client()
            client.login("alice", "secret")
            compressed(client)
            raw = client.sock._connection  # type: ignore[attr-defined]
            raw.sendall(b"b NOOP\r\n" * 10)
            with self.assertRaises((AssertionError, ConnectionError)):
                client.file.readline()
            raw.close()
        await self.blocking(work)
        await self.blocking(lambda: self.client().logout())     # nobody else is harmed

    async def test_a_bomb_costs_no_more_than_what_may_be_read_ahead(self) -> None:
        """I3"""
        def work() -> None:
            client = self.client()
            client.login("alice", "secret")
            packed = compressed(client)
            packed.sendall(b"b NOOP\r\n" + b"x" * (1 << 26) + b"\r\nc NOOP\r\n")
            lines = [packed.readline() for _ in range(3)]
            self.assertEqual([True, True], [any(line.startswith(tag) for line in lines) for tag in (b"b OK", b"c OK")])
            packed._connection.close()
        await self.blocking(work)


class DeflateTests(TestCase):
    def test_any_split_gives_the_same(self) -> None:
        """I4"""
        rng = random.Random(7)
        plain = b"".join(rng.choice((b"a1 NOOP\r\n", b"x" * 100_000, rng.randbytes(50))) for _ in range(60))
        packed = zlib.compressobj(6, zlib.DEFLATED, -15)
        wire = packed.compress(plain) + packed.flush(zlib.Z_SYNC_FLUSH)
        for size in (1, 7, 1_000, len(wire)):
            deflate, found = Deflate(), []
            for start in range(0, len(wire), size):
                deflate.take(wire[start:start + size])
                while deflate.waiting:
                    found.append(deflate.next())
            self.assertEqual(plain, b"".join(found))
            self.assertLessEqual(max(map(len, found)), PIECE)

    def test_what_is_packed_can_be_read_at_once(self) -> None:
        deflate, other = Deflate(), zlib.decompressobj(-15)
        for octets in (b"* OK\r\n", b"", b"x" * 200_000):
            self.assertEqual(octets, other.decompress(deflate.pack(octets)))

    def test_what_is_packed_unasked_is_no_shorter_and_what_follows_is_read_as_before(self) -> None:
        deflate, other = Deflate(), zlib.decompressobj(-15)
        for octets in (b"+ idling\r\n", b"* 8 EXISTS\r\n", b"* 9 EXISTS\r\n* 9 RECENT\r\n", b"x" * 9_999, b""):
            packed = deflate.pack_unasked(octets)
            self.assertEqual((True, octets), (len(packed) >= len(octets), other.decompress(packed)))
            self.assertEqual(octets, other.decompress(deflate.pack(octets)))
        self.assertLess(len(deflate.pack(b"x" * 9_999)), 100)

    def test_an_ended_stream_is_an_error(self) -> None:
        deflate = Deflate()
        deflate.take(zlib.compressobj(6, zlib.DEFLATED, -15).flush(zlib.Z_FINISH))
        self.assertRaises(BadDeflate, deflate.next)
