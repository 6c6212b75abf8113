"""The configuration's reference, made from the settings' own definitions: docs, the example file, and what `check` says."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import types
from collections.abc import Iterator
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mailframe.app.build import rehearse
from mailframe.app.config import FIXED, Certificate, Config, Listener, TlsConfig
from mailframe.app.toml import Key, PluginSpec
from mailframe.auth.limiter import LoginLimits
from mailframe.imap.settings import ImapSettings
from mailframe.pipeline.filters import FilterSettings
from mailframe.pipeline.route import RouteSettings
from mailframe.pipeline.settings import PipelineSettings
from mailframe.pop3.settings import Pop3Settings
from mailframe.queue.schedule import RetrySettings
from mailframe.relay.settings import RelaySettings, Smarthost
from mailframe.smtp.client_settings import ClientSettings
from mailframe.smtp.settings import SmtpSettings

#: The tables of the file, in the order in which people want to read about them.
TABLES: tuple[tuple[Key, str, type], ...] = (
    ((), "", Config),
    (("listeners", "NAME"), "listeners.NAME", Listener),
    (("tls",), "tls", TlsConfig),
    (("tls", "also"), "tls.also (a list)", Certificate),
    (("pipeline",), "pipeline", PipelineSettings),
    (("pipeline", "route"), "pipeline.route", RouteSettings),
    (("pipeline", "filters"), "pipeline.filters", FilterSettings),
    (("relay",), "relay", RelaySettings),
    (("relay", "smarthost"), "relay.smarthost", Smarthost),
    (("relay", "routes", "NAME"), "relay.routes.DOMAIN", Smarthost),
    (("relay", "client"), "relay.client", ClientSettings),
    (("queue",), "queue", RetrySettings),
    (("smtp",), "smtp", SmtpSettings),
    (("submission",), "submission", SmtpSettings),
    (("login",), "login", LoginLimits),
    (("imap",), "imap", ImapSettings),
    (("pop3",), "pop3", Pop3Settings),
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a table."""

    name: str
    kind: str                       # for people
    default: Any                    # MISSING where it must be given
    reason: str


def settings(table: Key, cls: type) -> list[Setting]:
    """The keys of a table, in the order of their definition."""
    hints, comments = get_type_hints(cls), _comments(cls)
    found = []
    for item in dataclasses.fields(cls):
        if item.name in FIXED.get(table, ()) or not item.init:
            continue
        default = item.default_factory() if item.default_factory is not MISSING else item.default
        found.append(Setting(item.name, _kind(hints[item.name]), default, comments.get(item.name, "")))
    return found


def _comments(cls: type) -> dict[str, str]:
    """What stands behind each field, on its line and on the comment lines that follow."""
    comments: dict[str, str] = {}
    name = ""
    for line in inspect.getsource(cls).splitlines():
        if match := re.match(r"    (\w+): [^#]*(?:#\s*(.*))?$", line):
            name = match[1]
            if match[2]:
                comments[name] = match[2]
        elif name and (more := re.match(r"\s+#\s*(.*)$", line)):
            comments[name] = f"{comments.get(name, '')} {more[1]}".strip()
        else:
            name = ""
    return comments


_KINDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", PluginSpec: "plugin"}


def _kind(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _kind(next(a for a in arguments if a is not type(None)))
    if origin is Literal:
        return " or ".join(json.dumps(word) for word in arguments)
    if origin is tuple:
        return f"list of {_kind(arguments[0])}s"
    if origin is not None or (dataclasses.is_dataclass(hint) and hint not in _KINDS):
        return "table"
    return _KINDS.get(hint, getattr(hint, "__name__", str(hint)))


def shown(value: Any) -> str | None:
    """A default as TOML; None where TOML cannot say it (nothing, a table of its own)."""
    if isinstance(value, PluginSpec):
        return json.dumps(value.plugin)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Path):
        return json.dumps(str(value))
    if isinstance(value, (str, int)):
        return json.dumps(value) if isinstance(value, str) else f"{value:_}" if value >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:_.0f}" if value.is_integer() else repr(value)
    if isinstance(value, tuple) and all(isinstance(item, (str, PluginSpec)) for item in value):
        return "[" + ", ".join(str(shown(item)) for item in value) + "]"
    return None


def markdown() -> str:
    """docs/configuration.md's tables."""
    parts = []
    for table, title, cls in TABLES:
        rows = [
            f"| `{item.name}` | {item.kind} | {_cell(item.default)} | {item.reason.replace('|', chr(92) + '|')} |"
            for item in settings(table, cls) if item.kind != "table"
        ]
        heading = f"## `[{title}]`" if title else "## At the top"
        intro = (inspect.getdoc(cls) or "").partition("\n")[0]
        columns = ["| setting | kind | default | what it is for |", "|---|---|---|---|"]
        parts.append("\n".join([heading, "", intro, "", *columns, *rows]))
    return "\n\n".join(parts) + "\n"


def _cell(default: Any) -> str:
    if default is MISSING:
        return "must be given"
    text = shown(default)
    return f"`{text}`" if text is not None else "none"


_EXAMPLE_HEAD = """\
# A complete mailframe configuration. It starts as it stands, on loopback and high ports:
#
#   twistd -n mailframe --config mailframe.toml
#   mailframe user add alice@example.org --config mailframe.toml
#   mailframe user add bob@example.org --config mailframe.toml
#
# Lines that begin with # show the defaults. Relative paths start from this file's folder. docs/configuration.md has all of it.

hostname = "mail.example.org"       # the server's own name: in DNS, with a reverse entry that leads back to it
data = "mailframe-data"             # mailboxes, queue, accounts; made with mode 0700
domains = ["example.org"]           # mail for these is ours
#postmaster = "alice@example.org"   # reads postmaster@ every domain; without it the first account does

# Where the server listens. For the world: "25", "587", "465", "143", "993", "110", "995" (with "tcp6:25" for IPv6 and IPv4).
# plaintext_login = "loopback" lets programs on this machine log in without TLS.

[listeners.smtp]                    # mail from other servers
role = "smtp"
endpoint = "127.0.0.1:2525"

[listeners.submission]              # mail from our users, STARTTLS
role = "submission"
endpoint = "127.0.0.1:2587"
plaintext_login = "loopback"

[listeners.submissions]             # the same with TLS from the first octet
role = "submission"
endpoint = "127.0.0.1:2465"
tls = "implicit"

[listeners.imap]
role = "imap"
endpoint = "127.0.0.1:2143"
plaintext_login = "loopback"

[listeners.imaps]
role = "imap"
endpoint = "127.0.0.1:2993"
tls = "implicit"

[listeners.pop3]
role = "pop3"
endpoint = "127.0.0.1:2110"
plaintext_login = "loopback"

[listeners.pop3s]
role = "pop3"
endpoint = "127.0.0.1:2995"
tls = "implicit"

# Without a certificate of your own a self-signed one is made in the data folder. Both files are read again when they change.
#[tls]
#certificate = "/etc/letsencrypt/live/mail.example.org/fullchain.pem"
#key = "/etc/letsencrypt/live/mail.example.org/privkey.pem"

# Mailboxes: "sqlite" in the data folder, or a plugin of your own, by name or as "package.module:Factory".
[storage]
plugin = "sqlite"

# Accounts: one line each, NAME@DOMAIN:HASH, and aliases as ALIAS@DOMAIN -> NAME@DOMAIN. `mailframe user` keeps the file.
[[auth]]
plugin = "file"
#path = "mailframe-data/accounts"

# Mail for other domains goes to their MX hosts, or all of it to a smarthost:
#[relay.smarthost]
#host = "smtp.provider.example"
#tls = "starttls"
#user = "alice"
#password = "secret"
"""


def example() -> str:
    """A complete commented configuration: examples/mailframe.toml, and what `mailframe config` prints."""
    parts = [_EXAMPLE_HEAD]
    for table, title, cls in TABLES:
        if table in ((), ("listeners", "NAME"), ("tls",), ("tls", "also"),
                     ("relay", "smarthost"), ("relay", "routes", "NAME")):
            continue
        rows = [(f"#{item.name} = {shown(item.default)}", item.reason) for item in settings(table, cls)
                if shown(item.default) is not None]
        parts.append("\n".join([f"#[{title}]", *(f"{left:<40}  # {reason}" if reason else left for left, reason in rows)]) + "\n")
    return "\n".join(parts)


def check(config: Config) -> Iterator[str]:
    """What `mailframe check` says of a configuration that can be read. Raises ConfigError for plugins that are not there."""
    rehearse(config)
    yield f"mailframe as {config.hostname} for {', '.join(config.domains)}, data in {config.data}"
    for name, listener in config.listeners.items():
        yield f"  {name}: {listener.role} on {listener.endpoint}, TLS {listener.tls}, plain login {listener.plaintext_login}"
    auth = ", ".join(spec.plugin for spec in config.auth)
    yield f"  storage: {config.storage.plugin}; delivery: {config.delivery.plugin}; auth: {auth}"
    yield "The configuration is good."
