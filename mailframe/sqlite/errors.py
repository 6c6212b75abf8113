"""What can go wrong with a database, in words that fit its reader: the operator at start, a mail program later."""

from __future__ import annotations

import errno

import apsw
from twisted.logger import Logger

from mailframe.model.refusal import Corrupted, Refusal, StorageFull, TryAgainLater

log = Logger()


class EngineError(OSError):
    """The database cannot be used; the text is one sentence for the person who starts the server."""


def refusal_for(error: BaseException, path: object) -> Refusal:
    """What failed in the database `path` means to those whose mail was in it: no space, or some other trouble that may pass.

    Damage is logged with the way out; what is not on a damaged page goes on working."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, apsw.FullError) or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)):
        return StorageFull(detail=str(error))
    if isinstance(error, (apsw.CorruptError, apsw.NotADBError)):
        log.error("the database {path} is damaged ({error}): `mailframe store check` says where, and what can be done",
                  path=path, error=error)
        return Corrupted(detail=f"{type(error).__name__}: {error}")
    return TryAgainLater(detail=f"{type(error).__name__}: {error}")
