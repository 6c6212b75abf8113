"""Where a listener listens, said short or in full."""

from __future__ import annotations

import pytest

from mailframe.app.endpoints import endpoint_string, is_loopback, with_backlog
from mailframe.app.toml import ConfigError


@pytest.mark.parametrize(("text", "loopback", "full"), [
    ("2525", False, "tcp:2525"),
    ("2525", True, "tcp:2525:interface=127.0.0.1"),
    ("127.0.0.1:25", False, "tcp:25:interface=127.0.0.1"),
    ("[::1]:25", False, "tcp6:25:interface=\\:\\:1"),
    ("tcp:25", False, "tcp:25"),
    ("tcp:25", True, "tcp:25:interface=127.0.0.1"),
    ("tcp6:25", True, "tcp6:25:interface=\\:\\:1"),
    ("unix:/run/mail", True, "unix:/run/mail"),
])
def test_short_forms(text: str, loopback: bool, full: str) -> None:
    assert endpoint_string(text, loopback=loopback) == full


@pytest.mark.parametrize("text", ["", "smtp", "99999", "127.0.0.1:99999"])
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no endpoint"):
        endpoint_string(text)


@pytest.mark.parametrize(("endpoint", "answer"), [
    ("tcp:25", False), ("tcp:25:interface=0.0.0.0", False), ("tcp:25:interface=127.0.0.1", True),
    ("tcp:25:interface=127.9.9.9", True), ("tcp6:25:interface=\\:\\:1", True), ("tcp6:25:interface=\\:\\:", False),
    ("tcp:25:interface=localhost", True), ("tcp:25:backlog=5:interface=192.0.2.1", False), ("unix:/a", True), ("systemd:x", False),
])
def test_what_only_this_machine_can_reach(endpoint: str, answer: bool) -> None:
    assert is_loopback(endpoint) is answer


@pytest.mark.parametrize(("text", "full"), [
    ("tcp:25", "tcp:25:backlog=4096"),
    ("tcp6:25:interface=\\:\\:1", "tcp6:25:interface=\\:\\:1:backlog=4096"),
    ("tcp:25:backlog=7", "tcp:25:backlog=7"),
    ("unix:/run/lmtp", "unix:/run/lmtp"),
    ("systemd:domain=INET:index=0", "systemd:domain=INET:index=0"),
])
def test_many_may_knock_at_once(text: str, full: str) -> None:
    assert with_backlog(text) == full
