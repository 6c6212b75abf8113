"""UTF8=ACCEPT (RFC 9755, before it RFC 6855): after ENABLE, names and strings are UTF-8, and APPEND may say which messages
have UTF-8 headers.

`Cursor` and `writer` read and write names by `Context.utf8`. ENVELOPE and BODYSTRUCTURE hold what is not US-ASCII in
literals, enabled or not, and every message is kept as it came, whether it was announced as UTF8 or not.
"""

from __future__ import annotations

from mailframe.staging.intake import Intake

from ..append.appending import AppendData, Incoming
from ..cursor import BadSyntax
from ..registry import Extension, State


async def take(incoming: Incoming, intake: Intake) -> None:
    """``"UTF8" SP "(" literal8 ")"``, behind the word and its space (RFC 6855 section 4)."""
    if not incoming.cursor.utf8:
        raise BadSyntax("ENABLE UTF8=ACCEPT comes first")
    incoming.cursor.expect(b"(")
    await incoming.pour(intake)
    incoming.cursor.expect(b")")


EXTENSION = Extension(
    capability=b"UTF8=ACCEPT", rfc="9755, 6855", announced=State.LOGGED_IN, enables=(b"UTF8=ACCEPT",),
    append_data=(AppendData(b"UTF8", take),),
)
