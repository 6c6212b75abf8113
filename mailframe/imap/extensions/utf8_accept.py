"""UTF8=ACCEPT (RFC 9755, before it RFC 6855): after ENABLE, names and strings are UTF-8, and APPEND may say which messages
have UTF-8 headers.

`Cursor` and `writer` read and write names by `Context.utf8`. ENVELOPE and BODYSTRUCTURE hold what is not US-ASCII in
literals, enabled or not, and every message is kept as it came, whether it was announced as UTF8 or not.
"""

from __future__ import annotations

from ..registry import Extension, State

EXTENSION = Extension(capability=b"UTF8=ACCEPT", rfc="9755, 6855", announced=State.LOGGED_IN, enables=(b"UTF8=ACCEPT",))
