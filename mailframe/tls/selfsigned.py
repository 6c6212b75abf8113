"""A self-signed certificate for development, kept in the data folder."""

from __future__ import annotations

import datetime
import ipaddress
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .pem import CertificateFiles, read_identity

_LIFE = datetime.timedelta(days=365)
_RENEW_BEFORE = datetime.timedelta(days=7)    # so that a server started today does not expire within a week's work


def self_signed(data: Path, *, now: float) -> CertificateFiles:
    """The files of an ECDSA P-256 certificate for localhost, 127.0.0.1 and ::1, made if there is none that is still
    good at `now` (seconds since the epoch). Raises OSError."""
    folder = data / "tls"
    files = CertificateFiles(folder / "localhost.pem", folder / "localhost-key.pem")
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    if not _still_good(files, moment):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(key, moment)
        key_pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        _write(files.key, key_pem)
        _write(files.chain, certificate.public_bytes(serialization.Encoding.PEM))
    return files


def _still_good(files: CertificateFiles, moment: datetime.datetime) -> bool:
    try:
        certificate = read_identity(files).chain[0]
    except ValueError:
        return False
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc - _RENEW_BEFORE


def _certificate(key: ec.EllipticCurvePrivateKey, moment: datetime.datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mailframe development")])
    addresses = [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - datetime.timedelta(hours=1))   # another machine's clock may be a little late
        .not_valid_after(moment + _LIFE)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost"), *addresses]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)   # so that a client may trust it
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    return builder.sign(key, hashes.SHA256())


def _write(path: Path, octets: bytes) -> None:
    """Whole or not at all, readable for the owner only."""
    temporary = path.with_suffix(".new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(octets)
    os.replace(temporary, path)
