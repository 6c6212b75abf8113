"""The built-in mechanisms, in the order in which they are offered and preferred."""

from __future__ import annotations

from . import login, plain
from .exchange import Mechanism

MECHANISMS: dict[bytes, Mechanism] = {mechanism.name: mechanism for mechanism in (plain.MECHANISM, login.MECHANISM)}
