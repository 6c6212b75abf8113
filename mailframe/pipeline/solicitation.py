"""The Solicitation field of a message (RFC 3865 section 2.5), held against what is not wanted here."""

from __future__ import annotations

from collections.abc import Collection

from mailframe.mime.header import chosen_fields, unfold
from mailframe.model.envelope import Envelope
from mailframe.model.solicitation import classes, unwanted

#: Of the listeners at which NO-SOLICITING is announced: those for other people's servers.
ROLES = ("mx",)

_NAMES = frozenset((b"solicitation",))


def check_solicitation(envelope: Envelope, header: bytes, refused: Collection[str]) -> None:
    """Raises Unwanted. What our own users and our own parts send is nobody's unasked mail to us.

    A field that cannot be read says nothing: it is the sender's word against himself, and none has been given.
    """
    if envelope.submitted or envelope.peer.role not in ROLES:
        return
    for _, value in chosen_fields(header, _NAMES):
        try:
            said = classes(unfold(value).decode("ascii"))
        except ValueError:
            continue
        refusal = unwanted(said, refused)
        if refusal is not None:
            raise refusal
