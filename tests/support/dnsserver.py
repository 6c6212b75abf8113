"""A small real DNS server on loopback, UDP and TCP on one port, with faults to order."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol

Records = dict[str, dict[str, list[str]]]     # {"example.org": {"MX": ["10 mx.example.org"], "A": ["192.0.2.1"]}}
SOA = "ns.invalid. hostmaster.invalid. 1 3600 600 86400 60"
MAX_UDP_OCTETS = 1232


class DnsServer:
    """Answers from `records` (names without the last dot, types and data as in a zone file; IPs on port `start` returned).

    A name that is not there is NXDOMAIN, a type that is not there NODATA. Faults, by name: `servfail`, `silent`
    (no answer at all), `truncated` (over UDP); `authenticated` sets AD. All may be changed while it runs; `asked` is
    every question so far as (name, type, "udp" or "tcp").
    """

    def __init__(self, reactor, records: Records) -> None:
        self._reactor = reactor
        self.records = records
        self.servfail: set[str] = set()
        self.silent: set[str] = set()
        self.truncated: set[str] = set()
        self.authenticated = False
        self.ttl = 300
        self.asked: list[tuple[str, str, str]] = []
        self._ports: list = []
        self._connections: set[_TcpConnection] = set()

    def start(self, interface: str = "127.0.0.1") -> int:
        """Begin to answer; returns the port number, the same for UDP and TCP."""
        for _ in range(20):
            udp = self._reactor.listenUDP(0, _Udp(self), interface=interface)
            number = udp.getHost().port
            try:
                tcp = self._reactor.listenTCP(number, _TcpFactory(self), interface=interface)
            except CannotListenError:
                udp.stopListening()
                continue
            self._ports = [udp, tcp]
            return number
        raise RuntimeError("no port free for both UDP and TCP")

    async def stop(self) -> None:
        for connection in tuple(self._connections):
            connection.transport.abortConnection()
        ports, self._ports = self._ports, []
        for port in ports:
            stopped = port.stopListening()
            if stopped is not None:
                await stopped

    def answer(self, wire: bytes, way: str) -> bytes | None:
        try:
            query = dns.message.from_wire(wire)
        except Exception:
            return None
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append((name, question.rdtype.name, way))
        if name in self.silent:
            return None
        response = dns.message.make_response(query, recursion_available=True)
        if name in self.servfail:
            response.set_rcode(dns.rcode.SERVFAIL)
            return response.to_wire()
        self._fill(response, name, question.rdtype)
        if self.authenticated:
            response.flags |= dns.flags.AD
        octets = response.to_wire(max_size=65_535)
        if way == "udp" and (name in self.truncated or len(octets) > MAX_UDP_OCTETS):
            response.answer.clear()
            response.flags |= dns.flags.TC
            octets = response.to_wire(max_size=65_535)
        return octets

    def _fill(self, response: dns.message.Message, name: str, kind: dns.rdatatype.RdataType) -> None:
        for _ in range(20):
            types = self.records.get(name)
            if types is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                break
            owner = dns.name.from_text(name + ".")
            if kind.name in types:
                response.answer.append(dns.rrset.from_text(owner, self.ttl, "IN", kind.name, *types[kind.name]))
                return
            if "CNAME" not in types:
                break
            response.answer.append(dns.rrset.from_text(owner, self.ttl, "IN", "CNAME", *types["CNAME"]))
            name = types["CNAME"][0].rstrip(".")
        response.authority.append(dns.rrset.from_text(dns.name.from_text(name + "."), 60, "IN", "SOA", SOA))


class _Udp(DatagramProtocol):
    noisy = False

    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def datagramReceived(self, datagram: bytes, addr) -> None:
        octets = self._server.answer(datagram, "udp")
        if octets is not None:
            self.transport.write(octets, addr)


class _TcpConnection(Protocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._buffer = b""

    def connectionMade(self) -> None:
        self._server._connections.add(self)

    def connectionLost(self, reason=None) -> None:
        self._server._connections.discard(self)

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 2:
            end = 2 + int.from_bytes(self._buffer[:2], "big")
            if len(self._buffer) < end:
                return
            octets = self._server.answer(self._buffer[2:end], "tcp")
            self._buffer = self._buffer[end:]
            if octets is not None:
                self.transport.write(len(octets).to_bytes(2, "big") + octets)


class _TcpFactory(Factory):
    noisy = False

    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def buildProtocol(self, addr):
        return _TcpConnection(self._server)
