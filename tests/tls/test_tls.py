"""TLS over real handshakes: SNI, reloading, resuming, refusing what is broken, and both kinds of client."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from service_identity import VerificationError
from support.folders import CleanTestCase
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure

from mailframe.tls import pem
from mailframe.tls.client import ClientContexts
from mailframe.tls.contexts import ServerContexts
from mailframe.tls.pem import CertificateFiles, read_identity
from mailframe.tls.selfsigned import self_signed


def write_certificate(folder: Path, *names: str) -> CertificateFiles:
    """A certificate for `names`, its own authority, as two PEM files."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(7)
        .not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(True, None), critical=True).sign(key, hashes.SHA256())
    )
    files = CertificateFiles(folder / f"{names[0].strip('*.')}.pem", folder / f"{names[0].strip('*.')}.key")
    encoding = serialization.Encoding.PEM
    files.chain.write_bytes(certificate.public_bytes(encoding))
    files.key.write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return files


def handshake(server: SSL.Connection, client: SSL.Connection) -> None:
    """In memory; raises SSL.Error when either side refuses."""
    server.set_accept_state()
    client.set_connect_state()
    done = 0
    for _ in range(10):
        done = 0
        for one, other in ((client, server), (server, client)):
            try:
                one.do_handshake()
                done += 1
            except SSL.WantReadError:
                pass
            while (octets := pending(one)):
                other.bio_write(octets)
        if done == 2:
            return
    raise AssertionError("no handshake")


def pending(connection: SSL.Connection) -> bytes:
    try:
        return connection.bio_read(65536)
    except SSL.WantReadError:
        return b""


async def verified_connection(contexts: ServerContexts, hostname: str, ca_file: Path | None) -> bytes:
    """What the server says over a verified connection; raises when the client will not have one."""

    class Greeter(Protocol):
        def connectionMade(self) -> None:
            self.transport.write(b"hello")
            self.transport.loseConnection()

    class Reader(Protocol):
        def __init__(self) -> None:
            self.octets = b""
            self.done: Deferred[bytes] = Deferred()

        def dataReceived(self, data: bytes) -> None:
            self.octets += data

        def connectionLost(self, reason: Failure) -> None:
            if reason.check(ConnectionDone):
                self.done.callback(self.octets)
            else:
                self.done.errback(reason)

    port = reactor.listenSSL(0, Factory.forProtocol(Greeter), contexts, interface="127.0.0.1")  # type: ignore[attr-defined]
    try:
        endpoint = wrapClientTLS(
            ClientContexts().verified(hostname, ca_file), HostnameEndpoint(reactor, "127.0.0.1", port.getHost().port))
        reader = await connectProtocol(endpoint, Reader())
        return await reader.done
    finally:
        await port.stopListening()


class ServerTests(CleanTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.clock = Clock()

    def served(self, contexts: ServerContexts, hostname: str) -> list[str]:
        """The names on the certificate that a client asking for `hostname` is shown."""
        client = ClientContexts().opportunistic(hostname).clientConnectionForTLS(None)
        handshake(contexts.serverConnectionForTLS(None), client)
        certificate = client.get_peer_certificate()
        assert certificate is not None
        names = certificate.to_cryptography().extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return names.value.get_values_for_type(x509.DNSName)

    def test_each_client_is_shown_the_certificate_of_the_name_it_asked_for(self) -> None:
        one = write_certificate(self.folder, "mx.one.example")
        two = write_certificate(self.folder, "*.two.example", "two.example")
        contexts = ServerContexts([one, two], clock=self.clock)
        self.assertEqual(self.served(contexts, "mx.one.example"), ["mx.one.example"])
        self.assertEqual(self.served(contexts, "IMAP.Two.example")[0], "*.two.example")
        self.assertEqual(self.served(contexts, "two.example")[0], "*.two.example")
        self.assertEqual(self.served(contexts, "a.b.two.example"), ["mx.one.example"])
        self.assertEqual(self.served(contexts, "127.0.0.1"), ["mx.one.example"])  # no SNI

    def test_a_renewed_certificate_is_used_without_a_restart(self) -> None:
        files = write_certificate(self.folder, "old.example")
        contexts = ServerContexts([files], clock=self.clock)
        contexts.load()
        renewed = write_certificate(self.folder / "new", "new.example")
        os.replace(renewed.chain, files.chain)
        self.clock.advance(5)
        self.assertEqual(self.served(contexts, "x.example"), ["old.example"])  # the key does not belong yet: kept
        os.replace(renewed.key, files.key)
        self.assertEqual(self.served(contexts, "x.example"), ["old.example"])  # not looked at again yet
        self.clock.advance(5)
        self.assertEqual(self.served(contexts, "x.example"), ["new.example"])

    def test_a_certificate_that_becomes_readable_later_is_read_then(self) -> None:
        """Renewed by root, then handed to the server's user by the last line of a script: only the mode changes."""
        files = write_certificate(self.folder, "old.example")
        contexts = ServerContexts([files], clock=self.clock)
        contexts.load()
        renewed = write_certificate(self.folder / "new", "new.example")
        os.replace(renewed.chain, files.chain)
        os.replace(renewed.key, files.key)
        real = pem._read

        def forbidden(path: Path, what: str) -> bytes:
            raise pem.Unusable(f"the {what} {path} cannot be read: Permission denied", path)

        with capturedLogs() as events:
            self.patch(pem, "_read", forbidden)      # tests may run as root, who may read everything
            for _ in range(3):
                self.clock.advance(5)
                self.assertEqual(self.served(contexts, "x.example"), ["old.example"])
        errors = [formatEvent(event) for event in events if event["log_level"].name == "error"]
        self.assertEqual(len(errors), 1, errors)
        self.assertIn(f"{files.chain} cannot be read: Permission denied", errors[0])
        self.patch(pem, "_read", real)
        files.key.chmod(0o400)
        self.clock.advance(5)
        self.assertEqual(self.served(contexts, "x.example"), ["new.example"])

    def test_a_clock_set_back_does_not_stop_the_reloading(self) -> None:
        files = write_certificate(self.folder, "old.example")
        self.clock.advance(100_000)
        contexts = ServerContexts([files], clock=self.clock)
        contexts.load()
        renewed = write_certificate(self.folder / "new", "new.example")
        os.replace(renewed.chain, files.chain)
        os.replace(renewed.key, files.key)
        self.clock.rightNow = 0.0
        self.assertEqual(self.served(contexts, "x.example"), ["new.example"])

    def test_a_certificate_that_vanishes_stays_in_use(self) -> None:
        files = write_certificate(self.folder, "one.example")
        contexts = ServerContexts([files], clock=self.clock)
        contexts.load()
        files.key.unlink()
        for _ in range(2):
            self.clock.advance(5)
            self.assertEqual(self.served(contexts, "one.example"), ["one.example"])

    def test_a_key_that_can_be_read_no_more_costs_one_line_and_not_one_a_day(self) -> None:
        """Tickets then keep their key: what was read before privileges were dropped stays in use."""
        files = write_certificate(self.folder, "one.example")
        contexts = ServerContexts([files], clock=self.clock)
        contexts.load()
        files.key.write_bytes(b"rubbish")
        with capturedLogs() as logs:
            for _ in range(3):
                self.clock.advance(90_000)
                self.assertEqual(self.served(contexts, "one.example"), ["one.example"])
        [line] = [formatEvent(event) for event in logs if event["log_namespace"].startswith("mailframe")]
        self.assertIn("stay as they were read before", line)

    def test_what_is_wrong_is_one_sentence_with_the_files_name(self) -> None:
        one, two = write_certificate(self.folder, "one.example"), write_certificate(self.folder, "two.example")
        rubbish = self.folder / "rubbish.pem"
        rubbish.write_text("hello")
        locked = self.folder / "locked.key"
        locked.write_bytes(ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")))
        for chain, key, words in (
            (one.chain, two.key, "two.example.key does not belong"),
            (self.folder / "none.pem", one.key, "none.pem cannot be read: No such file"),
            (one.chain, self.folder, "cannot be read: Is a directory"),
            (rubbish, one.key, "rubbish.pem is not a PEM certificate"),
            (one.chain, rubbish, "rubbish.pem is not a private key"),
            (one.chain, locked, "locked.key has a passphrase"),
        ):
            with self.assertRaisesRegex(ValueError, words) as caught:
                ServerContexts([CertificateFiles(chain, key)], clock=self.clock).load()
            self.assertNotIn("\n", str(caught.exception))
        with self.assertRaisesRegex(ValueError, "at least one"):
            ServerContexts([], clock=self.clock)

    def test_old_protocols_are_refused(self) -> None:
        contexts = ServerContexts([write_certificate(self.folder, "one.example")], clock=self.clock)
        old = SSL.Context(SSL.TLS_CLIENT_METHOD)
        old.set_max_proto_version(SSL.TLS1_1_VERSION)
        with self.assertRaises(SSL.Error):
            handshake(contexts.serverConnectionForTLS(None), SSL.Connection(old, None))


class VerifiedClientTests(CleanTestCase):
    def setUp(self) -> None:
        self.files = write_certificate(Path(self.mktemp()), "mx.one.example")
        self.contexts = ServerContexts([self.files], clock=Clock())

    def test_a_bad_ca_file_is_named(self) -> None:
        with self.assertRaisesRegex(ValueError, "nowhere.pem cannot be read"):
            ClientContexts().verified("mx.one.example", Path("nowhere.pem"))
        with self.assertRaisesRegex(ValueError, r"\.key holds no PEM certificate"):
            ClientContexts().verified("mx.one.example", self.files.key)

    def test_a_ca_file_is_read_again_when_it_has_changed_and_only_then(self) -> None:
        contexts = ClientContexts()
        before = contexts.verified("mx.one.example", self.files.chain)
        self.assertIs(contexts.verified("mx.one.example", self.files.chain), before)
        self.files = write_certificate(self.files.chain.parent, "mx.one.example", "more")
        self.assertIsNot(contexts.verified("mx.one.example", self.files.chain), before)

    async def test_the_right_name_under_the_right_authority_connects(self) -> None:
        self.assertEqual(await verified_connection(self.contexts, "mx.one.example", self.files.chain), b"hello")

    async def test_a_wrong_name_or_an_unknown_authority_does_not(self) -> None:
        for hostname, ca_file in (("mx.other.example", self.files.chain), ("mx.one.example", None)):
            with self.assertRaises((SSL.Error, VerificationError)):
                await verified_connection(self.contexts, hostname, ca_file)


class SelfSignedTests(CleanTestCase):
    def test_it_is_made_once_private_and_renewed_before_it_expires(self) -> None:
        data, now = Path(self.mktemp()), time.time()
        files = self_signed(data, now=now)
        self.assertEqual(os.stat(files.key).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(files.key.parent).st_mode & 0o777, 0o700)
        identity = read_identity(files)
        self.assertEqual(identity.names, ("localhost",))
        addresses = identity.chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual([str(ip) for ip in addresses.get_values_for_type(x509.IPAddress)], ["127.0.0.1", "::1"])
        self.assertEqual(read_identity(self_signed(data, now=now + 86_400)).chain[0], identity.chain[0])
        self.assertNotEqual(read_identity(self_signed(data, now=now + 360 * 86_400)).chain[0], identity.chain[0])

    def test_broken_files_are_made_again(self) -> None:
        data = Path(self.mktemp())
        files = self_signed(data, now=time.time())
        files.key.write_text("")
        read_identity(self_signed(data, now=time.time()))

    async def test_a_client_that_trusts_it_may_verify_it(self) -> None:
        files = self_signed(Path(self.mktemp()), now=time.time())
        contexts = ServerContexts([files], clock=Clock())
        for hostname in ("localhost", "127.0.0.1", "::1"):
            self.assertEqual(await verified_connection(contexts, hostname, files.chain), b"hello")
