"""Line ends between text formats with LF and a store's CRLF, in chunks cut anywhere. Pure."""

from __future__ import annotations

_MOST = 65_536      # CRs in a row that are waited with


class ToCrlf:
    """LF becomes CRLF; CRLF stays as it is. `exact`: each LF becomes CRLF, also after a CR, which undoes `ToLf`."""

    def __init__(self, exact: bool = False) -> None:
        self._exact = exact
        self._carry = b""

    def feed(self, octets: bytes) -> bytes:
        """The next octets, converted as far as they can be."""
        if self._exact:
            return octets.replace(b"\n", b"\r\n")
        octets = self._carry + octets
        self._carry = b"\r" if octets.endswith(b"\r") else b""
        if self._carry:
            octets = octets[:-1]
        return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") if b"\n" in octets else octets

    def end(self) -> bytes:
        """What was kept back."""
        carry, self._carry = self._carry, b""
        return carry


class ToLf:
    """CRLF becomes LF; a CR or LF alone stays as it is."""

    def __init__(self) -> None:
        self._carry = b""

    def feed(self, octets: bytes) -> bytes:
        """The next octets, converted as far as they can be."""
        octets = self._carry + octets
        self._carry = b"\r" if octets.endswith(b"\r") else b""
        return (octets[:-1] if self._carry else octets).replace(b"\r\n", b"\n")

    def end(self) -> bytes:
        """What was kept back."""
        carry, self._carry = self._carry, b""
        return carry


class Canonical:
    """The form in which a message is compared after it was in a format with LF: each LF, with any CRs before it, is one CRLF."""

    def __init__(self) -> None:
        self._carry = b""

    def feed(self, octets: bytes) -> bytes:
        """The next octets, converted as far as they can be."""
        octets = self._carry + octets
        rest = octets.rstrip(b"\r")
        self._carry = octets[len(rest):] if len(octets) - len(rest) <= _MOST else b""
        if not self._carry:
            rest = octets
        while b"\r\n" in rest:
            rest = rest.replace(b"\r\n", b"\n")
        return rest.replace(b"\n", b"\r\n")

    def end(self) -> bytes:
        """What was kept back."""
        carry, self._carry = self._carry, b""
        return carry


def canonical(octets: bytes) -> bytes:
    """See Canonical."""
    form = Canonical()
    return form.feed(octets) + form.end()
