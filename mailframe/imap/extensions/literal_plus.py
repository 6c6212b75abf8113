"""LITERAL+ (RFC 7888): literals for which the client need not wait. The framer does it; here it is announced."""

from __future__ import annotations

from ..registry import Extension, State

EXTENSION = Extension(capability=b"LITERAL+", rfc="7888", announced=State.LOGGED_IN)

#: Strangers are told that only small ones are welcome (section 5).
BEFORE_LOGIN = Extension(capability=b"LITERAL-", rfc="7888", announced=State.NOT_AUTHENTICATED)
