"""What can go wrong with a database, in words that fit its reader: the operator at start, a mail program later."""

from __future__ import annotations

import errno

import apsw

from mailframe.model.refusal import Refusal, StorageFull, TryAgainLater


class EngineError(OSError):
    """The database cannot be used; the text is one sentence for the person who starts the server."""


def refusal_for(error: BaseException) -> Refusal:
    """What a failed commit or write means to those whose mail was in it: no space, or some other trouble that may pass."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, apsw.FullError) or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)):
        return StorageFull(detail=str(error))
    return TryAgainLater(detail=f"{type(error).__name__}: {error}")
