"""Networks as an operator writes them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.model.networks import checked_networks, within

NETWORKS = ("192.0.2.0/24", "198.51.100.7", "2001:db8::/32", "unix")


@pytest.mark.parametrize(("ip", "answer"), [
    ("192.0.2.255", True), ("192.0.3.0", False), ("198.51.100.7", True), ("198.51.100.8", False), ("2001:db8:ffff::1", True),
    ("2001:db9::1", False), ("::ffff:192.0.2.1", True), ("::ffff:192.0.3.1", False), ("2001:db8::1%eth0", True), ("", True),
    ("unknown", False), ("unix", False), ("192.0.2", False),
])
def test_an_address_lies_in_a_network_or_not(ip: str, answer: bool) -> None:
    assert within(ip, checked_networks("key", NETWORKS)) is answer
    assert not within(ip, ())


def test_a_unix_socket_is_in_no_network_of_addresses() -> None:
    assert not within("", ("0.0.0.0/0", "::/0"))


@pytest.mark.parametrize("text", ["192.0.2.1/24", "here", "", "192.0.2.0/33", "Unix"])
def test_what_is_no_network_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=f"networks has '{text}', which is no network: "):
        checked_networks("networks", ["192.0.2.0/24", text])


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=50))
def test_whatever_calls_itself_an_address_has_an_answer(ip: str) -> None:
    assert within(ip, NETWORKS) in (True, False)
