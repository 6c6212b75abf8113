"""What is printed when the server has started: the mode, what listens where, and in development how to try it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mailframe import __version__
from mailframe.app.config import Config
from mailframe.auth.development import NAME

if TYPE_CHECKING:
    from mailframe.app.build import Parts

_TITLES = {"smtp": "mail from other servers", "submission": "mail from our users", "imap": "read mail", "pop3": "collect mail"}


def welcome(config: Config, addresses: Mapping[str, tuple[str, int]], parts: Parts) -> str:
    """The text, without a final line end."""
    lines = [_mode(config), ""]
    for name, (host, port) in addresses.items():
        listener = config.listeners[name]
        security = {"implicit": "TLS", "starttls": "STARTTLS", "none": "no TLS"}[listener.tls]
        place = f"{host}:{port}" if ":" not in host else f"[{host}]:{port}"
        lines.append(f"  {name:<12} {place if port else host:<22} {security:<9} {_TITLES[listener.role]}")
    lines += ["", f"  {'data':<12} {config.data}"]
    if config.development and parts.development is not None:
        lines += _development(addresses, NAME, parts.development.password)
    return "\n".join(lines)


def _mode(config: Config) -> str:
    if config.development:
        return (f"mailframe {__version__} in development mode: loopback only, mail for every address is accepted, "
                "nothing leaves this machine.")
    return f"mailframe {__version__} as {config.hostname} for {', '.join(config.domains) or 'the configured directory'}."


def _development(addresses: Mapping[str, tuple[str, int]], account: str, password: str) -> list[str]:
    lines = [f"  {'account':<12} {account}", f"  {'password':<12} {password}", "", "Try it:", ""]
    login = shlex.quote(f"{account}:{password}")
    if "smtp" in addresses:
        message = f"From: you@example.org\\r\\nTo: {account}\\r\\nSubject: Hello\\r\\n\\r\\nIt works.\\r\\n"
        lines.append(f"  printf '{message}' | curl -sS {_url('smtp', addresses)} "
                     f"--mail-from you@example.org --mail-rcpt {account} -T -")
    if "imap" in addresses:
        lines.append(f"  curl -sS '{_url('imap', addresses)}/INBOX;MAILINDEX=1' -u {login}")
    if "pop3" in addresses:
        lines.append(f"  curl -sS {_url('pop3', addresses)}/1 -u {login}")
    lines += [
        "", f"Mail for anybody else is kept in the folder Captured of {account}.",
        "For a real server: mailframe config > mailframe.toml, name your domains in it, mailframe user add NAME@DOMAIN, then",
        "twistd -n mailframe --config mailframe.toml (docs/configuration.md).",
    ]
    return lines


def _url(name: str, addresses: Mapping[str, tuple[str, int]]) -> str:
    host, port = addresses[name]
    return f"{name}://{f'[{host}]' if ':' in host else host}:{port}"
