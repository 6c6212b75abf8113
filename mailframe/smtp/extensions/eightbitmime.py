"""8BITMIME (RFC 6152): octets are kept as they come, so all there is to do is to remember what was declared."""

from __future__ import annotations

from ..extension import Extension, MailDraft
from ..syntax import SyntaxFault


def parse(draft: MailDraft, value: str | None) -> None:
    body = (value or "").upper()
    if body not in ("7BIT", "8BITMIME"):
        raise SyntaxFault("BODY must be 7BIT or 8BITMIME")
    draft.body = body


EXTENSION = Extension("8BITMIME", "6152", keywords=lambda situation: ("8BITMIME",), mail_parameters={"BODY": parse})
