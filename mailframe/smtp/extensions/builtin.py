"""The extensions every server here has; `BUILTIN.extended(...)` adds more."""

from __future__ import annotations

from ..extension import Registry
from . import (
    auth,
    base,
    dsn,
    eightbitmime,
    enhancedstatuscodes,
    etrn,
    help,
    limits,
    mail,
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
    starttls, auth, requiretls,
)), verify.VRFY, verify.EXPN))
