"""Why a connection under TLS ended, in words for people."""

from __future__ import annotations

from OpenSSL.SSL import Error as SslError
from service_identity import VerificationError
from twisted.python.failure import Failure


def ended_by_tls(reason: Failure) -> bool:
    """Whether TLS ended the connection, and not the network or a time limit."""
    return isinstance(reason.value, (SslError, VerificationError))


def why_ended(reason: Failure) -> str:
    """Why a connection ended, for people."""
    error = reason.value
    if isinstance(error, VerificationError):
        return "the certificate is for another name"
    if isinstance(error, SslError) and error.args and isinstance(error.args[0], list):
        return "; ".join(str(entry[-1]) for entry in error.args[0]) or "the other side broke TLS off"
    return " ".join((reason.getErrorMessage() or type(error).__name__).split())[:200]
