"""The configuration's reference, made from the settings' own definitions: docs/configuration.md, and what `check` says."""

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
from mailframe.app.builtin import BUILT_IN
from mailframe.app.config import FIXED, Certificate, Config, Listener, TlsConfig
from mailframe.app.factory import parameters_of, settings_of
from mailframe.app.guardreference import COMMON, by_role
from mailframe.app.toml import Key, PluginSpec
from mailframe.auth.limiter import LoginLimits
from mailframe.filters.asklists import DnsList
from mailframe.filters.bans import BansSettings
from mailframe.filters.dnslists import DnsListsSettings
from mailframe.filters.early import EarlySettings
from mailframe.filters.greylist import GreylistSettings
from mailframe.filters.guards import GuardsSettings
from mailframe.filters.hello import HelloSettings
from mailframe.filters.rates import RatesSettings
from mailframe.filters.recipients import RecipientsSettings
from mailframe.filters.reverse import ReverseSettings
from mailframe.filters.scope import Scope
from mailframe.filters.sender import SenderSettings
from mailframe.filters.tarpit import TarpitSettings
from mailframe.imap.settings import ImapSettings
from mailframe.pipeline.filters import FilterSettings
from mailframe.pipeline.route import RouteSettings
from mailframe.pipeline.settings import PipelineSettings
from mailframe.pipeline.submission.settings import RateSettings, SubmissionSettings
from mailframe.pop3.settings import Pop3Settings
from mailframe.queue.schedule import RetrySettings
from mailframe.relay.settings import RelaySettings, Smarthost
from mailframe.smtp.client_settings import ClientSettings
from mailframe.smtp.settings import SmtpSettings
from mailframe.stores.annotated.settings import MetadataLimits
from mailframe.stores.shared.settings import SharingSettings
from mailframe.stores.sqlite.settings import SqliteSettings
from mailframe.tracing.choices import TraceSettings

#: The tables of the file in groups, in the order in which people want to read about them.
GROUPS: tuple[tuple[str, tuple[tuple[Key, str, type], ...]], ...] = (
    ("The server", (
        ((), "", Config),
        (("listeners", "NAME"), "listeners.NAME", Listener),
        (("tls",), "tls", TlsConfig),
        (("tls", "also"), "[tls.also]", Certificate),
        (("trace",), "trace", TraceSettings),
    )),
    ("Mail coming in", (
        (("smtp",), "smtp", SmtpSettings),
        (("submission",), "submission", SmtpSettings),
        (("lmtp",), "lmtp", SmtpSettings),
        (("relay_in",), "relay_in", SmtpSettings),
        (("pipeline",), "pipeline", PipelineSettings),
        (("pipeline", "submission"), "pipeline.submission", SubmissionSettings),
        (("pipeline", "submission", "rates"), "pipeline.submission.rates", RateSettings),
        (("pipeline", "route"), "pipeline.route", RouteSettings),
        (("pipeline", "filters"), "pipeline.filters", FilterSettings),
    )),
    ("Guards against strangers", (
        (("guards",), "guards", GuardsSettings),
        (("guards", "bans"), "guards.bans", BansSettings),
        (("guards", "rates"), "guards.rates", RatesSettings),
        (("guards", "early"), "guards.early", EarlySettings),
        (("guards", "reverse"), "guards.reverse", ReverseSettings),
        (("guards", "dnsbl"), "guards.dnsbl", DnsListsSettings),
        (("guards", "dnsbl", "lists"), "[guards.dnsbl.lists]", DnsList),
        (("guards", "hello"), "guards.hello", HelloSettings),
        (("guards", "sender"), "guards.sender", SenderSettings),
        (("guards", "recipients"), "guards.recipients", RecipientsSettings),
        (("guards", "greylist"), "guards.greylist", GreylistSettings),
        (("guards", "tarpit"), "guards.tarpit", TarpitSettings),
    )),
    ("Mail going out", (
        (("relay",), "relay", RelaySettings),
        (("relay", "smarthost"), "relay.smarthost", Smarthost),
        (("relay", "routes", "DOMAIN"), 'relay.routes."DOMAIN"', Smarthost),
        (("relay", "client"), "relay.client", ClientSettings),
        (("queue",), "queue", RetrySettings),
    )),
    ("Reading mail, and logging in", (
        (("imap",), "imap", ImapSettings),
        (("pop3",), "pop3", Pop3Settings),
        (("metadata",), "metadata", MetadataLimits),
        (("sharing",), "sharing", SharingSettings),
        (("login",), "login", LoginLimits),
    )),
)
TABLES = tuple(table for _, tables in GROUPS for table in tables)


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
    """What stands behind each field, on its line and on the comment lines that follow; what a class adds beats what it inherits."""
    comments: dict[str, str] = {}
    name = ""
    lines = [line for each in reversed(cls.__mro__[:-1]) for line in ["", *inspect.getsource(each).splitlines()]]
    for line in lines:
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
    if origin in (tuple, frozenset):
        return f"list of {_kind(arguments[0])}s"
    if len(arguments) == 2 and get_origin(arguments[1]) is tuple:
        return f"table of {_kind(arguments[1]).replace('list', 'lists', 1)}"
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
    if isinstance(value, (tuple, frozenset)) and all(isinstance(item, (str, PluginSpec)) for item in value):
        return "[" + ", ".join(str(shown(item)) for item in value) + "]"
    if value == {}:
        return "{}"
    return None


def markdown() -> str:
    """All of docs/configuration.md; made anew with: ``python -m mailframe.app.reference > docs/configuration.md``."""
    parts = [_INTRODUCTION]
    shown_before: dict[type, str] = {}
    for group, tables in GROUPS:
        parts.append(f"## {group}")
        for table, title, cls in tables:
            heading = f"### `[{title}]`" if title else "### At the top of the file"
            if cls in shown_before:
                parts.append(f"{heading}\n\nThe same settings as in `[{shown_before[cls]}]`{_LIKE[table]}")
                continue
            shown_before[cls] = title
            own = [item for item in settings(table, cls) if not (issubclass(cls, Scope) and item.name in COMMON)]
            parts.append("\n".join([heading, "", _sentence(cls), "", *_rows(own)]))
            if cls is GuardsSettings:
                parts += [by_role(), *_of_each_guard()]
    return "\n\n".join([*parts, _plugins()]) + "\n"


def _of_each_guard() -> list[str]:
    common = [item for item in settings((), Scope) if item.name in COMMON]
    return ["### In the table of each guard", "Besides what is its own, each has:", "\n".join(_rows(common))]


#: What tables are for that share their settings with another.
_LIKE: dict[Key, str] = {
    ("submission",): ", for the listeners with `role = \"submission\"`. A login is always asked for there.",
    ("lmtp",): ", for the listeners with `role = \"lmtp\"`, and `require_login`: true lets nobody in who has not logged in.",
    ("relay_in",): ", for the listeners with `role = \"relay-in\"`. `networks` must be given: from there mail is "
                   "taken for anybody, without a login.",
    ("relay", "routes", "DOMAIN"): ", for the mail of this one domain: `[relay.routes.\"partner.example\"]`.",
}


def _sentence(cls: type) -> str:
    """The first paragraph of what a class says of itself, without what is for programmers."""
    first = (inspect.getdoc(cls) or "").partition("\n\n")[0].replace("\n", " ")
    return first.partition(" Wrong values raise")[0]


def _rows(items: list[Setting]) -> list[str]:
    rows = [f"| `{item.name}` | {item.kind} | {_cell(item.default)} | {item.reason.replace('|', chr(92) + '|')} |"
            for item in items if item.kind != "table"]
    return ["| setting | kind | default | what it is for, and why so much |", "|---|---|---|---|", *rows]


def _cell(default: Any) -> str:
    if default is MISSING:
        return "must be given"
    text = shown(default)
    return f"`{text}`" if text is not None else "none"


#: What built-in plugins take by name, with the reasons.
_SETTINGS: dict[str, type] = {"storage.sqlite": SqliteSettings}


def _plugins() -> str:
    """The built-in plugins with their settings."""
    rows = []
    for kind, named in BUILT_IN.items():
        for name, factory in named.items():
            own = ", ".join(f"`{each}`" for each in settings_of(parameters_of(factory)))
            rows.append(f"| {kind} | `{name}` | {own or 'none'} "
                        f"| {(inspect.getdoc(factory) or '').partition(chr(10))[0]} |")
    columns = ["| kind | name | settings | what it does |", "|---|---|---|---|"]
    explained = [f"\n### Settings of `{name}`\n\n{_sentence(cls)}\n\n" + "\n".join(_rows(settings((), cls)))
                 for name, cls in _SETTINGS.items()]
    return "\n".join(["## Built-in plugins", "", _PLUGINS, "", *columns, *rows, *explained])


_INTRODUCTION = """\
# Configuration

<!-- Made from the settings' definitions. Make it anew with: python -m mailframe.app.reference > docs/configuration.md -->

A server reads one TOML file: `twistd -n mailframe --config mailframe.toml`. `mailframe config` prints a complete commented one to
start from (it is [examples/mailframe.toml](../examples/mailframe.toml)), and `mailframe check mailframe.toml` tells what it means
without starting anything. A wrong key, type or value stops the server with one sentence that names the file, the line, the key,
and what was perhaps meant.

Every setting has a default but `domains`. A table that is left out has its defaults. Relative paths start from the file's folder.
Names end in their unit: `_s` is seconds, `_octets` is bytes. `none` as a default means that the setting is off until it is given;
I1 to I9 in a reason are the invariants of [architecture.md](architecture.md#5-invariants).

The common settings are options of the command, too: `twistd mailframe --help` lists them. An option beats the file. Without
`--config`, `--domain`, `--auth` and `--relay` the server runs in development mode: loopback only, mail for every address is
accepted, nothing leaves the machine.

Where a plugin is chosen, write its name, or a table with its settings:

```toml
domains = ["example.org"]
storage = "sqlite"

[[auth]]
plugin = "file"
path = "/etc/mailframe/accounts"
```

A certificate and its key, the accounts file and aliases in it are read again when they change. All else is read at the start."""

_PLUGINS = """\
A plugin of another package is named like these once it is installed, or as `"package.module:Factory"`. `mailframe plugins` lists
what is there. [plugin-authors.md](plugin-authors.md) tells how to write one. In short options the text behind the colon is the
first setting: `--storage sqlite:mail.db`."""


_TLS = {"starttls": "TLS on demand", "implicit": "TLS from the first octet", "none": "no TLS"}
_PASSWORDS = {"tls": "under TLS only", "loopback": "without TLS from this machine only", "always": "also without TLS"}


def check(config: Config) -> Iterator[str]:
    """What `mailframe check` says of a configuration that can be read. Raises ConfigError for plugins that are not there."""
    rehearse(config)
    yield f"mailframe as {config.hostname} for {', '.join(config.domains)}, data in {config.data}"
    for name, listener in config.listeners.items():
        passwords = f"; passwords {_PASSWORDS[listener.plaintext_login]}" if config.takes_passwords(listener) else ""
        table = config.smtp_for(listener.role)
        networks = f"; from {', '.join(table.networks)} only" if table is not None and table.networks else ""
        proxy = f"; behind a proxy at {', '.join(listener.proxy_from)}" if listener.proxy_from else ""
        yield f"  {name}: {listener.role} on {listener.endpoint}, {_TLS[listener.tls]}{passwords}{networks}{proxy}"
    auth = ", ".join(spec.plugin for spec in config.auth)
    yield f"  storage: {config.storage.plugin}; content: {config.content.plugin}; delivery: {config.delivery.plugin}; auth: {auth}"
    yield "The configuration is good."


if __name__ == "__main__":
    print(markdown(), end="")
