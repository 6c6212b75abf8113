"""8BITMIME (RFC 6152): octets are kept as they come, so all there is to do is to remember what was declared."""

from __future__ import annotations

from ..extension import Extension
from ..situation import MailDraft
from ..syntax import SyntaxFault
from . import binarymime


def parse(draft: MailDraft, value: str | None) -> None:
    """A 7BIT body that holds 8-bit octets after all is nobody's loss: it is taken as it is."""
    body = (value or "").upper()
    bodies = ("7BIT", "8BITMIME", *binarymime.keywords(draft.situation))
    if body not in bodies:
        raise SyntaxFault(f"BODY must be {' or '.join(bodies)}")
    draft.body = body


EXTENSION = Extension("8BITMIME", "6152", keywords=lambda situation: ("8BITMIME",), mail_parameters={"BODY": parse})
