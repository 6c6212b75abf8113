"""TLS at a whole server, as openssl's own client sees it: every wing, old protocols, names, renewal, files for root alone."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support.servers import PATIENCE_S, Child, twistd

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")

LISTENERS = (
    ("smtp", "smtp", "starttls"), ("submission", "submission", "starttls"), ("submissions", "submission", "implicit"),
    ("imap", "imap", "starttls"), ("imaps", "imap", "implicit"), ("pop3", "pop3", "starttls"), ("pop3s", "pop3", "implicit"),
)
PROTOCOL = {"smtp": "smtp", "submission": "smtp", "imap": "imap", "pop3": "pop3"}      # as s_client calls them


def write_pair(folder: Path, name: str, label: str, passphrase: bytes | None = None) -> None:
    """A certificate for `name`, whose subject says `label`, in `name`.pem and `name`.key; each replaced in one step."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False).sign(key, hashes.SHA256()))
    locked = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    for suffix, octets in (("key", key.private_bytes(pem, serialization.PrivateFormat.PKCS8, locked)),
                           ("pem", certificate.public_bytes(pem))):
        temporary = folder / f"{name}.new"
        temporary.touch(0o600)
        temporary.write_bytes(octets)
        os.replace(temporary, folder / f"{name}.{suffix}")


def configure(folder: Path, keys: Path, wings: tuple[str, ...] = tuple(name for name, _, _ in LISTENERS)) -> list[str]:
    """A server with two certificates; returns twistd's arguments."""
    (folder / "accounts").touch(0o644)
    text = ['domains = ["one.example"]', 'hostname = "mx.one.example"', 'data = "post"', "[[auth]]", 'plugin = "file"',
            'path = "accounts"', "[tls]", f'certificate = "{keys}/mx.one.example.pem"', f'key = "{keys}/mx.one.example.key"',
            "[[tls.also]]", f'certificate = "{keys}/mx.two.example.pem"', f'key = "{keys}/mx.two.example.key"']
    for name, role, tls in LISTENERS:
        if name in wings:
            text += [f"[listeners.{name}]", f'role = "{role}"', f'tls = "{tls}"', 'endpoint = "127.0.0.1:0"']
    (folder / "mailframe.toml").write_text("\n".join(text))
    return ["mailframe", "--config", str(folder / "mailframe.toml")]


@contextmanager
def server(folder: Path, arguments: list[str], *before: str) -> Iterator[tuple[Child, dict[str, int]]]:
    child = Child(twistd("--nodaemon", "--pidfile=", *before, *arguments), folder)
    try:
        ready = child.wait_for(r"is ready: (.*)")[1]
        yield child, {item.split(" ")[0]: int(item.rpartition(":")[2]) for item in ready.split(", ")}
    finally:
        code = child.stop()
    assert code == 0 and "Traceback" not in child.output, child.output


def s_client(port: int, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options], input="", capture_output=True,
                          text=True, timeout=PATIENCE_S, check=False)


def shown(port: int, *options: str) -> str:
    """The label on the certificate that is shown."""
    done = s_client(port, *options)
    match = re.search(r"subject=.*?CN ?= ?(\S+)", done.stdout)
    assert match, done.stdout + done.stderr
    return match[1]


def test_every_wing_speaks_modern_tls_and_nothing_older(tmp_path: Path) -> None:
    for name in ("mx.one.example", "mx.two.example"):
        write_pair(tmp_path, name, name)
    with server(tmp_path, configure(tmp_path, tmp_path)) as (_, ports):
        for name, role, tls in LISTENERS:
            start = ("-starttls", PROTOCOL[role]) if tls == "starttls" else ()
            assert "TLSv1.3" in s_client(ports[name], *start, "-tls1_3").stdout, name
            assert shown(ports[name], *start, "-servername", "mx.two.example") == "mx.two.example", name
        said = s_client(ports["imaps"], "-tls1_2").stdout
        assert re.search(r"ECDHE-ECDSA-(AES\d+-GCM|CHACHA20)", said), "forward secrecy and authenticated encryption only"
        for old in ("-tls1", "-tls1_1"):
            assert "Cipher is (NONE)" in s_client(ports["pop3s"], old, "-cipher", "ALL:@SECLEVEL=0").stdout, old
        assert shown(ports["pop3s"], "-noservername") == "mx.one.example"
        assert shown(ports["pop3s"], "-servername", "other.example") == "mx.one.example"


def test_renewed_certificates_are_taken_up_and_broken_ones_are_not(tmp_path: Path) -> None:
    for name in ("mx.one.example", "mx.two.example"):
        write_pair(tmp_path, name, "first")
    with server(tmp_path, configure(tmp_path, tmp_path, ("pop3s",))) as (child, ports):
        assert shown(ports["pop3s"]) == "first"
        write_pair(tmp_path, "mx.one.example", "second")
        child.process.send_signal(signal.SIGHUP)
        child.wait_for("read the TLS certificates again")
        assert shown(ports["pop3s"], "-servername", "mx.one.example") == "second"
        assert shown(ports["pop3s"], "-servername", "mx.two.example") == "first"
        (tmp_path / "mx.one.example.pem").write_text("-----BEGIN CERTIFICATE-----\nhalf a fi")
        child.process.send_signal(signal.SIGHUP)
        child.wait_for(r"stay as they were read before: the TLS certificate .*mx.one.example.pem is not a PEM certificate")
        assert shown(ports["pop3s"], "-servername", "mx.one.example") == "second"
        write_pair(tmp_path, "mx.one.example", "third", passphrase=b"secret")
        child.process.send_signal(signal.SIGHUP)
        child.wait_for(r"mx.one.example.key has a passphrase")
        write_pair(tmp_path, "mx.one.example", "fourth")
        child.process.send_signal(signal.SIGHUP)
        child.wait_for("read the TLS certificates again")
        assert shown(ports["pop3s"], "-servername", "mx.one.example") == "fourth"


@pytest.mark.parametrize(("spoil", "words"), [
    (lambda folder: write_pair(folder, "mx.one.example", "x", b"secret"),
     "mx.one.example.key has a passphrase; a server cannot type it"),
    (lambda folder: shutil.copy(folder / "mx.two.example.key", folder / "mx.one.example.key"),
     "mx.one.example.key does not belong to the certificate .*mx.one.example.pem"),
    (lambda folder: (folder / "mx.two.example.key").unlink(), "mx.two.example.key cannot be read: No such file"),
    (lambda folder: (folder / "mx.two.example.pem").write_text(""), "mx.two.example.pem is not a PEM certificate"),
], ids=["a passphrase", "another's key", "no key", "empty"])
def test_what_cannot_be_used_at_the_start_is_one_sentence(tmp_path: Path, spoil: object, words: str) -> None:
    for name in ("mx.one.example", "mx.two.example"):
        write_pair(tmp_path, name, name)
    spoil(tmp_path)  # type: ignore[operator]
    done = subprocess.run(twistd("--nodaemon", "--pidfile=", *configure(tmp_path, tmp_path, ("pop3s",))), cwd=tmp_path,
                          capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1
    assert re.fullmatch(f"mailframe: [^\n]*{words}[^\n]*\\.\n", done.stderr), done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give up root")
def test_certificates_for_root_alone_work_and_renewing_them_is_one_clear_line(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    base = Path("/tmp") / f"mailframe-tls-{os.getpid()}"
    keys = base / "keys"
    keys.mkdir(parents=True)
    try:
        os.chown(base, nobody.pw_uid, nobody.pw_gid)
        keys.chmod(0o700)
        for name in ("mx.one.example", "mx.two.example"):
            write_pair(keys, name, "first")
        arguments = configure(base, keys, ("pop3s",))
        with server(tmp_path, arguments, f"--uid={nobody.pw_uid}", f"--gid={nobody.pw_gid}") as (child, ports):
            assert shown(ports["pop3s"]) == "first"
            write_pair(keys, "mx.one.example", "second")
            for _ in range(3):
                child.process.send_signal(signal.SIGHUP)
            child.wait_for("stay as they were read before: .*mx.one.example.pem cannot be read: Permission denied")
            assert shown(ports["pop3s"]) == "first"
            assert child.output.count("stay as they were") == 1
            for path in keys.iterdir():
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
            keys.chmod(0o711)
            child.process.send_signal(signal.SIGHUP)
            child.wait_for("read the TLS certificates again")
            assert shown(ports["pop3s"], "-servername", "mx.one.example") == "second"
    finally:
        shutil.rmtree(base)


def test_developments_own_certificate_is_for_localhost_by_name_and_number_and_can_be_trusted(tmp_path: Path) -> None:
    off = [f"--{name}=off" for name in ("smtp", "submission", "submissions", "imap", "imaps", "pop3")]
    with server(tmp_path, ["mailframe", *off, "--pop3s", "0"]) as (_, ports):
        trust = tmp_path / "mailframe-data" / "tls" / "localhost.pem"
        for check in (("-verify_ip", "127.0.0.1"), ("-verify_ip", "::1"), ("-verify_hostname", "localhost")):
            said = s_client(ports["pop3s"], "-CAfile", str(trust), "-verify_return_error", *check).stdout
            assert "Verify return code: 0 (ok)" in said, said
        first = trust.read_bytes()
    old = x509.load_pem_x509_certificate(first)
    assert old.not_valid_after_utc.timestamp() > time.time() + 300 * 86_400
    _expire(trust, tmp_path / "mailframe-data" / "tls" / "localhost-key.pem")
    with server(tmp_path, ["mailframe", *off, "--pop3s", "0"]) as (_, ports):
        said = s_client(ports["pop3s"], "-CAfile", str(trust), "-verify_return_error").stdout
        assert "Verify return code: 0 (ok)" in said, "made anew at the start"


def _expire(chain: Path, key_file: Path) -> None:
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "old")]), datetime.now(UTC)
    expired = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(9)).not_valid_after(now - timedelta(1)).sign(key, hashes.SHA256()))
    chain.write_bytes(expired.public_bytes(serialization.Encoding.PEM))
