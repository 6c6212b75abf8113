"""The extensions every server here has; `BUILTIN.extended(...)` adds more."""

from __future__ import annotations

from ..extension import Registry
from . import (
    auth,
    base,
    deliverby,
    dsn,
    eightbitmime,
    enhancedstatuscodes,
    etrn,
    futurerelease,
    help,
    limits,
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
)

BUILTIN = Registry((*(module.EXTENSION for module in (
    base, mail, pipelining, size, eightbitmime, smtputf8, enhancedstatuscodes, dsn,
    limits, nosoliciting, rrvs, etrn, help,
    starttls, auth, requiretls, deliverby, mtpriority, futurerelease,
)), verify.VRFY, verify.EXPN))
