"""What is said when we end the connection (421, RFC 5321 section 3.8), each with its reason."""

from __future__ import annotations

from .reply import Reply


def _closing(enhanced: str, text: str) -> bytes:
    return Reply.of(421, enhanced, text).encode()


BROKEN = _closing("4.3.0", "Internal error, please try again later")
CROWDED = _closing("4.7.0", "Too many connections, please try again later")
ERRORS = _closing("4.7.0", "Too many errors")
FOREIGN = _closing("4.7.0", "This is SMTP")
IDLE = _closing("4.4.2", "Idle for too long")
SLOW = _closing("4.4.2", "The transaction takes too long")
STOPPING = _closing("4.3.2", "Server is shutting down, please try again later")
TLS_INJECTED = _closing("4.7.0", "Nothing may follow STARTTLS before the handshake")
UNREADABLE = _closing("4.7.0", "Cannot tell commands from a chunk's octets any more")
