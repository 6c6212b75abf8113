"""SIZE (RFC 1870): a message too big is refused before it is sent."""

from __future__ import annotations

from mailframe.model.refusal import MessageTooBig

from ..extension import Extension
from ..situation import MailDraft, Situation
from ..syntax import SyntaxFault


def keywords(situation: Situation) -> tuple[str, ...]:
    """``SIZE 0`` says that there is no fixed limit (section 3)."""
    return (f"SIZE {situation.settings.max_message_octets}",)


def parse(draft: MailDraft, value: str | None) -> None:
    """``size-value = 1*20DIGIT`` octets (section 3)."""
    if value is None or not (value.isascii() and value.isdigit()) or len(value) > 20:
        raise SyntaxFault("SIZE wants a number of octets")
    draft.size = int(value)
    limit = draft.situation.settings.max_message_octets
    if limit and draft.size > limit:
        raise MessageTooBig(f"Message is too big, {limit} octets are allowed")


EXTENSION = Extension("SIZE", "1870", keywords=keywords, mail_parameters={"SIZE": parse})
