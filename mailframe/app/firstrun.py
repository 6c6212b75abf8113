"""What is printed when the server has started: the mode, what listens where, what to do next, and what to be wary of."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from twisted.cred.checkers import ICredentialsChecker

from mailframe import __version__
from mailframe.app.config import Config
from mailframe.auth.accounts import AccountsFile
from mailframe.auth.development import CAPTURED, NAME

if TYPE_CHECKING:
    from mailframe.app.parts import Parts

_COLUMNS = 100
_TITLES = {
    "mx": "mail from other servers", "submission": "mail from our users", "lmtp": "mail from an own server",
    "relay-in": "mail from own hosts", "imap": "read mail", "pop3": "collect mail",
}
_SECURITY = {("pop3", "starttls"): "STLS", ("", "starttls"): "STARTTLS", ("", "implicit"): "TLS", ("", "none"): "no TLS"}


def welcome(config: Config, addresses: Mapping[str, tuple[str, int]], parts: Parts) -> str:
    """The text, without a final line end."""
    lines = [*_mode(config), "", *_listeners(config, addresses), "", f"  {'data':<12} {config.data}"]
    if config.development and parts.development is not None:
        lines += _development(addresses, NAME, parts.development.password)
    for warning in warnings(config, parts):
        lines += ["", *textwrap.wrap(warning, _COLUMNS, initial_indent="Warning: ", subsequent_indent="  ",
                                     break_long_words=False, break_on_hyphens=False)]
    return "\n".join(lines)


def _mode(config: Config) -> list[str]:
    if config.development:
        return [f"mailframe {__version__} in development mode: on this machine only.",
                "Mail for every address is accepted, and nothing leaves."]
    return [f"mailframe {__version__} on {config.hostname}, for {', '.join(config.domains) or 'the domains of its directory'}."]


def _listeners(config: Config, addresses: Mapping[str, tuple[str, int]]) -> list[str]:
    rows = []
    for name, (host, port) in addresses.items():
        listener = config.listeners[name]
        security = _SECURITY.get((listener.role, listener.tls)) or _SECURITY["", listener.tls]
        place = f"{host}:{port}" if ":" not in host else f"[{host}]:{port}"
        rows.append((name, place if port else host, security, _TITLES[listener.role]))
    width = max((len(place) for _, place, _, _ in rows), default=0)
    return [f"  {name:<12} {place:<{width}}  {security:<8}  {title}" for name, place, security, title in rows]


def _development(addresses: Mapping[str, tuple[str, int]], account: str, password: str) -> list[str]:
    login = shlex.quote(f"{account}:{password}")
    tries = []
    if _port(addresses, "smtp"):
        tries.append(f"  curl -sS {_url('smtp', addresses)} --mail-from you@example.org --mail-rcpt {account} "
                     "-H 'Subject: Hello' -F '=It works.'")
    if _port(addresses, "imap"):
        tries.append(f"  curl -sS -u {login} '{_url('imap', addresses)}/INBOX;MAILINDEX=1'")
    if _port(addresses, "pop3"):
        tries.append(f"  curl -sS -u {login} {_url('pop3', addresses)}/1")
    return [
        f"  {'account':<12} {account}", f"  {'password':<12} {password}",
        *(["", "Try it: send a message, then read it.", "", *tries] if tries else []),
        "", f"Mail for anybody else is kept in {account}'s folder {CAPTURED}.", "",
        "For a real server, write a configuration, name your domains in it, add an account, start:", "",
        "  mailframe config > mailframe.toml",
        "  mailframe user add --config mailframe.toml NAME@DOMAIN",
        "  twistd -n mailframe --config mailframe.toml",
    ]


def _port(addresses: Mapping[str, tuple[str, int]], name: str) -> int:
    """0 where there is no such listener, or it is a Unix socket."""
    return addresses[name][1] if name in addresses else 0


def _url(name: str, addresses: Mapping[str, tuple[str, int]]) -> str:
    host, port = addresses[name]
    return f"{name}://{f'[{host}]' if ':' in host else host}:{port}"


def warnings(config: Config, parts: Parts) -> Iterator[str]:
    """What a real server should not be left with."""
    if config.development:
        return
    if "." not in config.hostname:
        yield (f"this machine calls itself {config.hostname!r}, and other mail servers do not trust a name without a domain. "
               "Set hostname to the name that the outside world knows it by.")
    if parts.tls.is_self_signed and any(listener.tls != "none" for listener in config.listeners.values()):
        yield ("the TLS certificate is self-signed, and mail programs will refuse it or ask about it. Name a real one: certificate "
               "and key under [tls], or --certificate and --key.")
    files = [part for part in parts.others if isinstance(part, AccountsFile)]
    checkers = [part for part in parts.others if ICredentialsChecker.providedBy(part)]
    if files and not any(file.count for file in files) and len(checkers) == len(files):
        yield (f"there are no accounts yet, so nobody can log in or be written to. Add one: mailframe user add --accounts "
               f"{shlex.quote(str(files[0].path))} NAME@{next(iter(config.domains), 'DOMAIN')}")
    relayed = (*config.relay_in.networks, *config.pipeline.relay_networks)
    anywhere = [network for network in relayed if network.endswith("/0")]
    if anywhere:
        yield (f"{anywhere[0]} in relay_networks, or in networks of [relay_in], is everybody: this is an open relay, and its "
               "address will soon be on every blocklist. Name your own networks.")
    open_to_all = [name for name, listener in config.listeners.items()
                   if listener.plaintext_login == "always" and listener.tls != "implicit" and config.takes_passwords(listener)]
    if open_to_all:
        yield (f'{" and ".join(open_to_all)} {"takes" if len(open_to_all) == 1 else "take"} passwords without TLS from anywhere '
               '(plaintext_login = "always"): whoever can listen on the way can read them. "tls" or "loopback" is safe.')
