"""The extensions every server here has; `BUILTIN.extended(...)` adds more."""

from __future__ import annotations

from ..extension import Registry
from . import (
    auth,
    base,
    binarymime,
    chunking,
    deliverby,
    dsn,
    eightbitmime,
    enhancedstatuscodes,
    futurerelease,
    lmtp,
    mail,
    mtpriority,
    pipelining,
    requiretls,
    size,
    smtputf8,
    starttls,
    xclient,
    xforward,
)

BUILTIN = Registry(module.EXTENSION for module in (
    base, mail, pipelining, size, eightbitmime, chunking, binarymime, smtputf8, enhancedstatuscodes, dsn, starttls, auth,
    requiretls, deliverby, mtpriority, futurerelease, lmtp, xclient, xforward,
))
