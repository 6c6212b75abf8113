"""Which octets of a message a section of IMAP names (RFC 3501 section 6.4.5)."""

from __future__ import annotations

from typing import Literal

from .index import Index

Text = Literal["", "HEADER", "TEXT", "MIME"]


def locate(index: Index, part: tuple[int, ...], text: Text) -> tuple[int, int] | None:
    """(offset, size) of ``BODY[part.text]`` in the message; None when there is no such section.

    `part` is () for the message itself. HEADER.FIELDS is cut out of HEADER by `mailframe.mime.header.filter_fields`.
    """
    if not part:
        number = 0
        if text == "":
            return 0, index.size
    else:
        found = locate_part(index, part)
        if found is None:
            return None
        number = found
        if text in ("", "MIME"):
            here = index.parts[number]
            return (here.body, here.end - here.body) if text == "" else (here.start, here.body - here.start)
        if not index.parts[number].is_message:
            return None
        number = index.children(number)[0]          # HEADER and TEXT are those of the message inside
    message = index.parts[number]
    if text == "HEADER":
        return message.start, message.body - message.start
    return (message.body, message.end - message.body) if text == "TEXT" else None


def locate_part(index: Index, part: tuple[int, ...]) -> int | None:
    """The part a number path names: each step picks out of a multipart, or is 1 and means the only body there is."""
    container: int | None = 0
    chosen = 0
    for step in part:
        if container is None:
            return None
        if index.parts[container].is_multipart:
            children = index.children(container)
            if not 0 < step <= len(children):
                return None
            chosen = children[step - 1]
        elif step == 1:
            chosen = container
        else:
            return None
        here = index.parts[chosen]
        if here.is_message:
            container = index.children(chosen)[0]
        else:
            container = chosen if here.is_multipart and chosen != container else None
    return chosen
