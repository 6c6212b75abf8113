"""What the clients of the IMAP benchmark do; lean, so that the server is what is measured."""

from __future__ import annotations

import selectors
import socket
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from mails import OCTETS, Mails
from peers import Peer, family, memory_kib, resident_mib
from run import PATIENCE_S, Line, connected, imap, imap_flight, opened
from table import Done

_TOGETHER = 100         # messages in one APPEND while the mailbox is filled
_DATES = ("01-Feb-2022", "15-Aug-2023", "28-Dec-2024")
_NUMBERS = count()      # no two STOREs after one another are alike


@dataclass(frozen=True)
class Deaf:
    """What one who does not read cost: memory at its peak, others' waits meanwhile and before, the heartbeat."""

    mib: float
    median_ms: float
    max_ms: float
    before_ms: float
    late_ms: float


class Visitor:
    """Connects, logs in, selects INBOX, logs out; one command at a time."""

    def __init__(self, peer: Peer) -> None:
        self._words = (b"a LOGIN %b %b\r\n" % peer.who, b"b SELECT INBOX\r\n", b"c LOGOUT\r\n")
        self._port = peer.port
        self.come()

    def come(self) -> None:
        self.socket = connected(self._port)
        self._step, self._tail = 0, b""

    def fileno(self) -> int:
        return self.socket.fileno()

    def readable(self) -> bool:
        """False once it has been let go."""
        octets = self.socket.recv(65_536)
        if not octets:
            self.socket.close()
            if self._step < 3:
                raise RuntimeError("the server closed the connection")
            return False
        self._tail += octets
        if not self._tail.endswith(b"\r\n"):
            return True
        last = self._tail[self._tail.rfind(b"\n", 0, -1) + 1:]
        if self._step < 3 and last.startswith((b"* OK", b"a OK", b"b OK")[self._step]):
            self.socket.sendall(self._words[self._step])
            self._step, self._tail = self._step + 1, b""
        elif b" NO " in last or b" BAD " in last:
            raise RuntimeError(last)
        return True


class Load:
    """On one server; `messages`: in its INBOX."""

    def __init__(self, peer: Peer, mails: Mails, messages: int) -> None:
        self._peer, self._mails, self.messages = peer, mails, messages
        self._appendable: list[bytes] = []

    def fill(self) -> None:
        """INBOX, with flags and dates that differ; and two more mailboxes."""
        line = self._peer.line()
        line.tagged(b"tag", b"CREATE " + self._peer.drop)
        line.tagged(b"tag", b"CREATE " + self._peer.small)
        line.tagged(b"tag", b"APPEND " + self._peer.small + b"".join(map(self._appended, range(10))))
        for start in range(0, self.messages, _TOGETHER):
            batch = [self._appended(number) for number in range(start, min(self.messages, start + _TOGETHER))]
            line.tagged(b"tag", b"APPEND INBOX" + b"".join(batch))
        line.close()

    def _appended(self, number: int) -> bytes:
        flags = b" ".join(flag for flag, set_ in (
            (b"\\Seen", number % 3), (b"\\Flagged", number % 10 == 0), (b"\\Answered", number % 17 == 0)) if set_)
        message = self._mails.make(number)
        return b" (%b) \"%b 10:00:00 +0000\" {%d+}\r\n%b" % (flags, _DATES[number % 3].encode(), len(message), message)

    def settle(self) -> None:
        """Until text for SEARCH has been made of all messages, and perhaps indexed: the server then writes no more."""
        left, since = self._peer.unready(), time.monotonic()
        while left:
            time.sleep(0.5)
            now = self._peer.unready()
            if now < left:
                since = time.monotonic()
            elif time.monotonic() - since > PATIENCE_S:
                raise RuntimeError(f"no text for SEARCH is made of {now} messages")
            left = now

    # -- each says how many operations it was, and how many of them in a second

    def logins(self, total: int) -> Done:
        selector = selectors.EpollSelector()
        visitors = [Visitor(self._peer) for _ in range(20)]
        for visitor in visitors:
            selector.register(visitor, selectors.EVENT_READ, visitor)
        left, there = total - len(visitors), len(visitors)
        begun = time.perf_counter()
        while there:
            for key, _ in selector.select(PATIENCE_S):
                visitor, fd = key.data, key.fd
                if visitor.readable():
                    continue
                selector.unregister(fd)
                if left > 0:
                    left -= 1
                    visitor.come()
                    selector.register(visitor, selectors.EVENT_READ, visitor)
                else:
                    there -= 1
        return total, total / (time.perf_counter() - begun)

    def listed(self, items: bytes, times: int) -> Done:
        return times * self.messages, imap(self._peer.port, items, times, self._peer.who)()

    def first_listed(self, items: bytes) -> Done:
        """From SELECT on, in one go."""
        line = self._peer.line()
        begun = time.perf_counter()
        line.tagged(b"b", b"SELECT INBOX")
        answer = line.tagged(b"tag", b"FETCH 1:* (%b)" % items)
        took = time.perf_counter() - begun
        line.close()
        if answer.count(b" FETCH (") < self.messages:
            raise RuntimeError("messages are missing in the answer")
        return self.messages, self.messages / took

    def bodies(self, total: int, connections: int, flight: int) -> Done:
        def command(number: int, messages: int) -> bytes:
            return b"UID FETCH %d BODY.PEEK[]" % (number * 7 % messages + 1)
        return self._flight(command, OCTETS * 9 // 10, total, connections, flight)

    def stores(self, total: int, connections: int, flight: int) -> Done:
        def command(_: int, messages: int) -> bytes:
            number = next(_NUMBERS)
            return b"UID STORE %d %bFLAGS.SILENT (\\Deleted)" % (number * 7 % messages + 1, (b"+", b"-")[number // messages % 2])
        return self._flight(command, 0, total, connections, flight)

    def appends(self, total: int, connections: int) -> Done:
        made = self._appendable = self._appendable or [self._mails.make(number) for number in range(500)]

        def command(number: int, _: int) -> bytes:
            message = made[number % len(made)]
            return b"APPEND %b {%d+}\r\n%b" % (self._peer.drop, len(message), message)
        return self._flight(command, 0, total, connections, 1)

    def _flight(self, command: Callable[[int, int], bytes], octets: int, total: int, connections: int, flight: int) -> Done:
        return total, imap_flight(self._peer.port, command, octets, total, connections, flight, self._peer.who)

    def searches(self, key: bytes, times: int) -> Done:
        line, _ = opened(self._peer.port, *self._peer.who)
        begun = time.perf_counter()
        for _ in range(times):
            line.tagged(b"tag", b"SEARCH " + key)
        took = time.perf_counter() - begun
        line.close()
        return times, times / took

    # -- memory

    def idle(self, connections: int) -> float:
        """KiB that each of them costs who is logged in, has a small mailbox selected and waits in IDLE."""
        peer = self._peer
        self._idler().close()
        before = memory_kib(peer.pid)
        lines = [self._idler() for _ in range(connections)]
        each = (memory_kib(peer.pid) - before) / connections
        for line in lines:
            line.close()
        return each

    def _idler(self) -> Line:
        line = self._peer.line()
        line.tagged(b"b", b"EXAMINE " + self._peer.small)
        line.socket.sendall(b"c IDLE\r\n")
        while not line.line().startswith(b"+"):
            pass
        return line

    def deaf(self, ask: Callable[[Load, socket.socket], None]) -> Deaf:
        other, messages = opened(self._peer.port, *self._peer.who)
        before, _ = self._waits(other, messages, 2.0, [])
        line, _ = opened(self._peer.port, *self._peer.who)
        time.sleep(0.5)
        pids = family(self._peer.pid)
        there = resident_mib(pids)
        self._peer.late()
        line.socket.setblocking(False)
        ask(self, line.socket)
        waits, most = self._waits(other, messages, 5.0, pids)
        for each in (line, other):
            each.close()
        late = max(self._peer.late(), default=0.0)
        return Deaf(most - there, statistics.median(waits), max(waits), statistics.median(before), late)

    def _waits(self, line: Line, messages: int, seconds: float, pids: list[int]) -> tuple[list[float], float]:
        """Milliseconds of one FETCH of a message after another, and the most memory that these processes had meanwhile."""
        waits: list[float] = []
        most, end = 0.0, time.perf_counter() + seconds
        while (begun := time.perf_counter()) < end:
            line.tagged(b"tag", b"UID FETCH %d BODY.PEEK[]" % (len(waits) * 7 % messages + 1))
            waits.append(1000 * (time.perf_counter() - begun))
            if len(waits) % 20 == 1:
                most = max(most, resident_mib(pids))
        return waits, most

    def ask_whole(self, sock: socket.socket) -> None:
        """10,000 messages of 10 KiB, ten times."""
        sock.send(b"".join(b"d%d FETCH 1:* BODY.PEEK[]\r\n" % number for number in range(10)))

    def ask_each(self, sock: socket.socket) -> None:
        """As much as it takes of the commands before it stops reading."""
        octets = b"".join(b"e%d UID FETCH %d BODY.PEEK[]\r\n" % (number, number % 10_000 + 1) for number in range(100_000))
        end = time.monotonic() + 3
        while octets and time.monotonic() < end:
            try:
                octets = octets[sock.send(octets):]
            except BlockingIOError:
                time.sleep(0.01)
