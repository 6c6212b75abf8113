"""Certificate chains and keys from PEM files, with errors that name the file and what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where a certificate lives. `chain`: PEM, the server's own certificate first; `key`: PEM, without a passphrase."""

    chain: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its key, as read. `names`: the DNS names it is good for, lower case, perhaps ``*.one.example``."""

    files: CertificateFiles
    chain: Sequence[x509.Certificate]
    key: PrivateKey
    names: tuple[str, ...]


Stamp = tuple[int, int, int, int]


def stamp(path: os.PathLike[str]) -> Stamp:
    """What differs when the file has changed, or comes, or goes."""
    try:
        status = os.stat(path)
    except OSError:
        return (0, 0, 0, 0)
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino    # ctime: who may read it has changed


class Unusable(ValueError):
    """One sentence that names the file; `path` is that file, as it was given."""

    def __init__(self, sentence: str, path: Path) -> None:
        super().__init__(sentence)
        self.path = path


def read_identity(files: CertificateFiles) -> Identity:
    """Raises Unusable."""
    octets = _read(files.chain, "TLS certificate")
    try:
        chain = x509.load_pem_x509_certificates(octets)
    except ValueError:
        raise Unusable(f"the TLS certificate {files.chain} is not a PEM certificate", files.chain) from None
    key = _read_key(files.key)
    if _public_octets(chain[0].public_key()) != _public_octets(key.public_key()):
        raise Unusable(f"the TLS key {files.key} does not belong to the certificate {files.chain}", files.key)
    return Identity(files, chain, key, tuple(_names(chain[0])))


def _read_key(path: Path) -> PrivateKey:
    octets = _read(path, "TLS key")
    try:
        key = load_pem_private_key(octets, password=None)
    except TypeError:
        raise Unusable(f"the TLS key {path} has a passphrase; a server cannot type it", path) from None
    except (ValueError, UnsupportedAlgorithm):
        raise Unusable(f"the TLS key {path} is not a private key in PEM", path) from None
    if not isinstance(key, PrivateKey):
        raise Unusable(f"the TLS key {path} is neither RSA, ECDSA nor EdDSA", path)
    return key


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unusable(f"the {what} {path} cannot be read: {error.strerror}", path) from None


def _public_octets(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined, no-any-return]


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [name.lower() for name in names.get_values_for_type(x509.DNSName)]
