"""LMTP (RFC 2033): LHLO in place of HELO and EHLO. What is answered after a message is the role's (`roles.Manners`)."""

from __future__ import annotations

from ..extension import Command, Extension
from ..machine import ORDER
from ..roles import LMTP_ROLES
from .base import ehlo

EXTENSION = Extension("lmtp", "2033", commands=(Command(b"LHLO", ORDER[b"LHLO"], ehlo, roles=LMTP_ROLES, idle=True),))
