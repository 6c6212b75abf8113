"""INPROGRESS (RFC 9585): who waits long for SEARCH, SORT, THREAD, STORE, COPY or MOVE is told how far it is.

Those commands say so as they go (`Context.progress`); FETCH shows by its answers that it gets on.
"""

from __future__ import annotations

from ..registry import Extension, State

EXTENSION = Extension(
    capability=b"INPROGRESS", rfc="9585", announced=State.LOGGED_IN, when=lambda context: context.settings.progress_s > 0,
)
