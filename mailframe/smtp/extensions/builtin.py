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
    futurerelease,
    mail,
    mtpriority,
    pipelining,
    requiretls,
    size,
    smtputf8,
    starttls,
)

BUILTIN = Registry(module.EXTENSION for module in (
    base, mail, pipelining, size, eightbitmime, smtputf8, enhancedstatuscodes, dsn, starttls, auth,
    requiretls, deliverby, mtpriority, futurerelease,
))
