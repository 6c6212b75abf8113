"""Where a listener listens: Twisted endpoint strings, or a bare port or address for short."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from mailframe.app.toml import ConfigError

BACKLOG = 4_096     # Twisted's 50 are full in a moment when all come at once, and whoever finds no room waits a second or more;
                    # the kernel cuts it to what it allows (net.core.somaxconn, 4,096 where nobody has changed it)
ACCEPTED = 10       # connections in one turn of the reactor, some 0.15 ms each; Twisted takes 100, and more while more come (I2)


def endpoint_string(text: str, *, loopback: bool = False) -> str:
    """`text` as an endpoint string: ``1025`` and ``127.0.0.1:1025`` become ``tcp:...``; with `loopback` a bare port
    means the loopback interface. Raises ConfigError."""
    text = text.strip()
    if text.isdigit():
        return f"tcp:{_port(text, text)}" + (":interface=127.0.0.1" if loopback else "")
    if match := re.fullmatch(r"([0-9.]+):(\d+)|\[([0-9a-fA-F:]+)\]:(\d+)", text):
        if match[1]:
            return f"tcp:{_port(match[2], text)}:interface={match[1]}"
        return f"tcp6:{_port(match[4], text)}:interface=" + match[3].replace(":", "\\:")
    kind, _, rest = text.partition(":")
    if kind in ("tcp", "tcp6") and loopback and rest.isdigit():
        return f"{text}:interface=" + ("127.0.0.1" if kind == "tcp" else "\\:\\:1")
    if text.startswith("/"):
        raise ConfigError(f"{text!r} is no endpoint; a Unix socket is unix:{text}, or unix:{text}:mode=660 to say who may connect.")
    if kind == "unix" and (mode := re.search(r"(?<!\\):mode=([^:]*)", text)) and not re.fullmatch("[0-7]{1,4}", mode[1]):
        raise ConfigError(f"{text!r} is no endpoint: its mode is {mode[1]!r}; write one as chmod takes it, mode=660.")
    if not rest:
        raise ConfigError(f"{text!r} is no endpoint; write a port (2525), an address (127.0.0.1:2525) "
                          "or a Twisted endpoint string (tcp:2525:interface=127.0.0.1).")
    return text


def with_backlog(text: str) -> str:
    """The endpoint string with room for `BACKLOG` connections that wait to be accepted, unless it says itself how many."""
    if not text.startswith(("tcp:", "tcp6:", "ssl:")) or re.search(r"(?<!\\):backlog=", text):
        return text
    return f"{text}:backlog={BACKLOG}"


def accept_in_turns(port: Any) -> None:
    """Let `port` take at most `ACCEPTED` connections in one turn of the reactor; the others wait in the kernel for the next."""
    if not hasattr(port, "numberAccepts"):      # which Twisted's ports have, and raise while all of it is used
        return
    accept = port.doRead

    def accept_some() -> object:
        port.numberAccepts = min(port.numberAccepts, ACCEPTED)
        return accept()

    port.doRead = accept_some


def _port(digits: str, text: str) -> int:
    port = int(digits)
    if port > 65535:
        raise ConfigError(f"{text!r} is no endpoint: ports end at 65535.")
    return port


def is_loopback(endpoint: str) -> bool:
    """Whether nobody but this machine can reach it."""
    if endpoint.startswith("unix:"):
        return True
    if not endpoint.startswith(("tcp:", "tcp6:")):
        return False
    settings: dict[str, str] = dict(part.split("=", 1) for part in re.split(r"(?<!\\):", endpoint) if "=" in part)
    interface = settings.get("interface", "").replace("\\:", ":")
    try:
        return ipaddress.ip_address(interface).is_loopback
    except ValueError:
        return interface == "localhost"
