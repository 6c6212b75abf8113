"""What counts as this server itself when the DNS sends mail back to it."""

from __future__ import annotations

import pytest

from mailframe.app.endpoints import endpoint_string
from mailframe.app.ownaddress import own_address


@pytest.mark.parametrize(("endpoint", "own", "foreign"), [
    ("127.0.0.5:25", "127.0.0.5", "127.0.0.6"),
    ("[::1]:25", "::1", "2001:db8::1"),
    ("25", "127.0.0.1", "192.0.2.1"),
    ("tcp:port=25:interface=127.0.0.5", "127.0.0.5", "127.0.0.6"),
    ("tcp6:25", "::1", "2001:db8::1"),
])
def test_a_listeners_address_is_our_own(endpoint: str, own: str, foreign: str) -> None:
    is_own = own_address([endpoint_string(endpoint), "unix:/tmp/x"], 25)
    assert is_own(own) and not is_own(foreign)


def test_a_listener_on_another_port_is_another_server() -> None:
    assert not own_address(["tcp:2525", "tcp:1125:interface=127.0.0.1", "unix:25"], 25)("127.0.0.1")
