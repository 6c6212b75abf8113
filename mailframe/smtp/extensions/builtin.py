"""The extensions every server here has; `BUILTIN.extended(...)` adds more."""

from __future__ import annotations

from ..extension import Registry
from . import (
    auth,
    base,
    binarymime,
    chunking,
    dsn,
    eightbitmime,
    enhancedstatuscodes,
    lmtp,
    mail,
    pipelining,
    size,
    smtputf8,
    starttls,
    xclient,
    xforward,
)

BUILTIN = Registry(module.EXTENSION for module in (
    base, mail, pipelining, size, eightbitmime, chunking, binarymime, smtputf8, enhancedstatuscodes, dsn, starttls, auth,
    lmtp, xclient, xforward,
))
