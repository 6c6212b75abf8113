"""Errors as sentences for a person."""

from __future__ import annotations


def explained(error: BaseException | None) -> str:
    """A sentence for a person."""
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{where}."
    text = str(error) or type(error).__name__
    return text if text.endswith((".", "!", "?")) else text + "."
