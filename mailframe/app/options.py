"""The short options of `twistd mailframe`, and the configuration that they mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from twisted.python import usage

from mailframe.app.config import (
    DEVELOPMENT_LISTENERS,
    SERVER_LISTENERS,
    Config,
    Listener,
    TlsConfig,
    load,
    relative_to,
)
from mailframe.app.toml import ConfigError, Key, PluginSpec
from mailframe.relay.settings import RelaySettings, Smarthost

#: Options that may be given several times.
_SINGULAR = {"domains": "domain", "filters": "filter"}

#: All listeners that have an option: the usual ones, and who is there only when asked for.
_LISTENERS = {**SERVER_LISTENERS, "lmtp": Listener("lmtp", "24")}


class Options(usage.Options):
    """Every option is also a setting of the configuration file; see docs/configuration.md."""

    synopsis = "[options]"
    longdesc = (
        "Without --config, --domain, --auth and --relay this is development mode: it listens on loopback only, accepts mail "
        "for every address, lets nothing leave the machine, and prints an account to try. An ENDPOINT is a port (2525), an "
        "address (127.0.0.1:2525), a Twisted endpoint string (tcp:2525:interface=127.0.0.1), or \"off\". "
        "A NAME is a plugin's, as \"mailframe plugins\" lists them, or package.module:Factory; ARGUMENT is its first setting."
    )
    optParameters: ClassVar = [
        ["config", "c", None, "Read this TOML file."],
        ["data", "d", None, "Keep everything in this folder (default: mailframe-data)."],
        ["hostname", None, None, "The server's own name (default: this machine's)."],
        ["storage", None, None, "Where mailboxes rest, NAME or NAME:ARGUMENT (default: sqlite)."],
        ["content", None, None, "Where large messages rest, NAME or NAME:ARGUMENT (default: directory)."],
        ["delivery", None, None, "What takes mail for our own accounts, NAME or NAME:ARGUMENT (default: mailbox)."],
        ["directory", None, None, "Who has an address here, NAME or NAME:ARGUMENT (default: the first --auth that knows)."],
        ["relay", None, None, "Hand mail for others to this host, HOST or HOST:PORT (default: their MX hosts)."],
        ["certificate", None, None, "PEM file with the TLS certificate and its chain."],
        ["key", None, None, "PEM file with the certificate's private key."],
        ["smtp", None, None, "ENDPOINT for mail from other servers (default: 25; development: 1025)."],
        ["submission", None, None, "ENDPOINT for our users' mail, STARTTLS (default: 587; development: 1587)."],
        ["submissions", None, None, "ENDPOINT for our users' mail, TLS (default: 465; development: 1465)."],
        ["lmtp", None, None, "ENDPOINT for mail from an own server, LMTP; unix:PATH:mode=660 (default: off)."],
        ["imap", None, None, "ENDPOINT for IMAP, STARTTLS (default: 143; development: 1143)."],
        ["imaps", None, None, "ENDPOINT for IMAP, TLS (default: 993; development: 1993)."],
        ["pop3", None, None, "ENDPOINT for POP3, STLS (default: 110; development: 1110)."],
        ["pop3s", None, None, "ENDPOINT for POP3, TLS (default: 995; development: 1995)."],
    ]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self["domains"] = []
        self["auth"] = []
        self["filters"] = []

    def parseArgs(self, *more: str) -> None:
        """There is nothing but options."""
        if more:
            raise usage.UsageError(f"{more[0]!r} belongs to no option; a configuration file is named by --config.")

    def opt_domain(self, name: str) -> None:
        """Mail for this domain is ours; may be given several times."""
        self["domains"].append(name)

    def opt_auth(self, spec: str) -> None:
        """Who may log in: NAME or NAME:ARGUMENT (file:ACCOUNTS); may be given several times."""
        self["auth"].append(spec)

    def opt_filter(self, spec: str) -> None:
        """Judge incoming mail with this filter, NAME or NAME:ARGUMENT; may be given several times."""
        self["filters"].append(spec)

    def opt_version(self) -> None:
        """Print mailframe's version and exit."""
        from mailframe import __version__

        print(f"mailframe {__version__}")
        raise SystemExit(0)


def configuration(options: Options) -> Config:
    """The configuration that the options mean. Raises ConfigError."""
    for name, value in options.items():
        if value == "":
            raise ConfigError(f"--{name} is empty; an unset variable, perhaps?")
    given: dict[str, Any] = {}
    if options["config"]:
        config = load(Path(options["config"]).absolute())
    else:
        given["development"] = not (options["domains"] or options["auth"] or options["relay"])
        given["base"] = Path.cwd()
        given["hostname"] = ""
        config = Config(development=True)
    given |= _plain(options)
    defaults = dict(config.listeners) if options["config"] else dict(
        DEVELOPMENT_LISTENERS if given["development"] else SERVER_LISTENERS)
    for name in _LISTENERS:
        if options[name] == "off":
            defaults.pop(name, None)
        elif options[name]:
            defaults[name] = replace(defaults.get(name) or _LISTENERS[name], endpoint=options[name])
    place = _place(options, config)
    try:
        config = replace(config, listeners=defaults, place=place, **given)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}" if error.key and (where := place(error.key)) else str(error)) from None
    return relative_to(config, Path.cwd() if not options["config"] else config.base)


def _place(options: Options, config: Config) -> Callable[[Key], str]:
    """Where a setting stands: in an option, or where the file has it."""
    def place(key: Key) -> str:
        for word in map(str, (key[-1], *key[:2])):
            if options.get(word):
                return f"--{_SINGULAR.get(word, word)}"
        return config.place(key) if config.place is not None else ""

    return place


def _plain(options: Options) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if options["data"]:
        given["data"] = Path(options["data"]).absolute()
    if options["hostname"]:
        given["hostname"] = options["hostname"]
    if options["domains"]:
        given["domains"] = tuple(options["domains"])
    for name in ("storage", "content", "delivery", "directory"):
        if options[name]:
            given[name] = PluginSpec.short(options[name])
    for name in ("auth", "filters"):
        if options[name]:
            given[name] = tuple(PluginSpec.short(spec) for spec in options[name])
    if options["certificate"] or options["key"]:
        if not (options["certificate"] and options["key"]):
            raise ConfigError("--certificate and --key belong together, and one of them is missing.")
        given["tls"] = TlsConfig(Path(options["certificate"]).absolute(), Path(options["key"]).absolute())
    if options["relay"]:
        given["relay"] = _smarthost(options["relay"])
    return given


def _smarthost(text: str) -> RelaySettings:
    try:
        return RelaySettings(smarthost=Smarthost.short(text))
    except ValueError as error:
        raise ConfigError(f"--relay: {error}.") from None
