"""Why a connection under TLS ended, in words for people."""

from __future__ import annotations

from OpenSSL.SSL import Error as SslError
from service_identity import VerificationError
from twisted.python.failure import Failure

# Of OpenSSL's words for what a server refuses and clients tell it, those that do not say it to everybody.
_MEANT = {
    "http request": "the client speaks HTTP",
    "wrong version number": "the client does not speak TLS",
    "packet length too long": "the client does not speak TLS",
    "no shared cipher": "the client offers nothing that is safe",
    "unsupported protocol": "the client knows nothing newer than TLS 1.1",
    "unknown ca": "the client does not trust our certificate",
    "certificate unknown": "the client does not trust our certificate",
    "bad certificate": "the client does not trust our certificate",
    "unsupported certificate": "the client does not take our kind of certificate",
    "certificate expired": "the client finds our certificate too old",
}


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


def why_refused(reason: Failure) -> str:
    """Why a server's handshake failed: OpenSSL's words, and what they mean."""
    words = why_ended(reason)
    meant = next((meant for said, meant in _MEANT.items() if said in words), "")
    return f"{words} ({meant})" if meant else words
