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
    etrn,
    futurerelease,
    help,
    limits,
    lmtp,
    mail,
    mtpriority,
    nosoliciting,
    pipelining,
    requiretls,
    rrvs,
    size,
    smtputf8,
    starttls,
    verify,
    xclient,
    xforward,
)

BUILTIN = Registry((*(module.EXTENSION for module in (
    base, mail, pipelining, size, eightbitmime, chunking, binarymime, smtputf8, enhancedstatuscodes, dsn,
    limits, nosoliciting, rrvs, etrn, help,
    starttls, auth, requiretls, deliverby, mtpriority, futurerelease, lmtp, xclient, xforward,
)), verify.VRFY, verify.EXPN))
