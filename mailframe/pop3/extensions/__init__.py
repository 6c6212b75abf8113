"""POP3's commands, the base protocol's in the same slots as the extensions'."""

from ..extension import Extension
from . import base, capa, retrieve, sasl, stls, uidl, user

#: In the order of CAPA's answer.
EXTENSIONS: tuple[Extension, ...] = (
    base.EXTENSION, *capa.EXTENSIONS, stls.EXTENSION, user.EXTENSION, sasl.EXTENSION, *retrieve.EXTENSIONS, uidl.EXTENSION,
)
