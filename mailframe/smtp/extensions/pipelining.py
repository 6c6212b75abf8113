"""PIPELINING (RFC 2920): the framer and the joined answers do the work; this announces it."""

from __future__ import annotations

from ..extension import Extension

EXTENSION = Extension("PIPELINING", "2920", keywords=lambda situation: ("PIPELINING",))
