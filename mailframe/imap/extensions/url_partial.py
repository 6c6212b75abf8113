"""URL-PARTIAL (RFC 5550): URLs of CATENATE and URLFETCH may name a piece, ``;PARTIAL=``; `url` reads it."""

from __future__ import annotations

from ..registry import Extension, State

EXTENSION = Extension(capability=b"URL-PARTIAL", rfc="5550", announced=State.LOGGED_IN)
