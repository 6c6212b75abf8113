"""ENHANCEDSTATUSCODES (RFC 2034, codes of RFC 3463): every `Reply` carries its own; this announces it."""

from __future__ import annotations

from ..extension import Extension

EXTENSION = Extension("ENHANCEDSTATUSCODES", "2034", keywords=lambda situation: ("ENHANCEDSTATUSCODES",))
