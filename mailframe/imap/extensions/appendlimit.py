"""APPENDLIMIT (RFC 7889): the largest message that can be appended, the same for every mailbox."""

from __future__ import annotations

from collections.abc import Iterable

from ..registry import Context, Extension, State


def _announced(context: Context) -> Iterable[bytes]:
    return (b"APPENDLIMIT=%d" % context.settings.max_message_octets,)


EXTENSION = Extension(capability=None, rfc="7889", announced=State.LOGGED_IN, capabilities=_announced)
