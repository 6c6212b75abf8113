"""Finding plugins: by entry point, by twisted.plugin, or as "package.module:Factory"; built lazily."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from twisted.plugin import getPlugins
from zope.interface import implementer

from mailframe.app.toml import ConfigError, PluginSpec, did_you_mean
from mailframe.interfaces.plugin import IBuildContext, IMailPlugin
from mailframe.model.mailbox import FRESH_ACCOUNT, NewMailbox

KINDS = ("storage", "delivery", "auth", "directory", "filter")

#: Parameters of a plain factory that are given by the server and are no settings.
CONTEXT = ("reactor", "data", "hostname", "domains", "postmaster", "store", "context")


@implementer(IBuildContext)
@dataclass(frozen=True, slots=True)
class BuildContext:
    """What a plugin may ask of us while it is built."""

    reactor: Any
    data: Path
    hostname: str
    domains: tuple[str, ...] = ()
    postmaster: str | None = None
    argument: str = ""
    store: Any = None          # the mail store, for delivery agents and filters; None while the store itself is built
    base: Path = Path()
    engine: Any = None         # for the built-in parts that share the server's one database file
    content: Any = None
    fresh: tuple[NewMailbox, ...] = FRESH_ACCOUNT

    def path(self, text: str) -> Path:
        return self.base / text


Factory = Callable[[Mapping[str, Any], BuildContext], object]


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin that could be built; nothing of it is imported before `load`."""

    kind: str
    name: str
    source: str                       # for people: "built in", a distribution's name, "twisted.plugins"
    load: Callable[[], Any]

    def help(self) -> str:
        """One line for people; a plugin that cannot be imported says so."""
        try:
            plugin = self.load()
        except Exception as error:
            return f"(cannot be imported: {error})"
        if IMailPlugin.providedBy(plugin):
            return str(plugin.help)
        return (inspect.getdoc(plugin) or "").partition("\n")[0]


class Plugins:
    """All plugins there are, ours first; an entry point of the same name beats twisted.plugin."""

    def __init__(self, built_in: Mapping[str, Mapping[str, Any]]) -> None:
        self._built_in = built_in

    def names(self, kind: str) -> dict[str, Found]:
        found: dict[str, Found] = {}
        for name, part in self._built_in.get(kind, {}).items():
            found[name] = Found(kind, name, "built in", lambda part=part: part)  # type: ignore[misc]
        for point in entry_points(group=f"mailframe.{kind}"):
            found.setdefault(point.name, Found(kind, point.name, _distribution(point), point.load))
        for plugin in getPlugins(IMailPlugin):
            if plugin.kind == kind:
                found.setdefault(plugin.name, Found(kind, plugin.name, "twisted.plugins", lambda plugin=plugin: plugin))  # type: ignore[misc]
        return found

    def build(self, kind: str, spec: PluginSpec, context: BuildContext) -> Any:
        """Raises ConfigError in a sentence that names the plugin."""
        plugin = self._load(kind, spec.plugin)
        context = replace(context, argument=spec.argument)
        try:
            if IMailPlugin.providedBy(plugin):
                return plugin.build(dict(spec.settings), context)
            return call(plugin, spec.settings, context)
        except ConfigError:
            raise
        except Exception as error:
            raise ConfigError(f"The {kind} plugin {spec.plugin!r} cannot be used: {error or type(error).__name__}.") from error

    def _load(self, kind: str, name: str) -> Any:
        if ":" in name:
            return _by_path(kind, name)
        known = self.names(kind)
        if name not in known:
            raise ConfigError(f"There is no {kind} plugin {name!r}{did_you_mean(name, known)}. "
                              "(A plugin that is not installed can be named as package.module:Factory.)")
        try:
            return known[name].load()
        except Exception as error:
            raise ConfigError(f"The {kind} plugin {name!r} of {known[name].source} cannot be imported: {error}.") from error


def call(factory: Callable[..., Any], settings: Mapping[str, Any], context: BuildContext) -> Any:
    """Call a plain class or function with the settings; what it has parameters for of `context` fields
    (reactor, data, hostname, argument...) it is given, and a short option's argument is its first parameter."""
    parameters = inspect.signature(factory).parameters
    given = dict(settings)
    if context.argument:
        first = next((name for name in parameters if name not in given), None)
        if first is None:
            raise ConfigError(f"it takes no argument, but {context.argument!r} was given")
        given[first] = context.argument
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for name in given:
        if name not in parameters and not takes_all:
            raise ConfigError(f"{name!r} is not one of its settings{did_you_mean(name, dict(parameters))}")
    for name in CONTEXT:
        if name in parameters and name not in given:
            given[name] = context if name == "context" else getattr(context, name)
    missing = [n for n, p in parameters.items() if p.default is p.empty and n not in given
               and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if missing:
        raise ConfigError(f"its setting {missing[0]!r} is missing")
    return factory(**given)


def _by_path(kind: str, name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    try:
        target: Any = import_module(module_name)
        for part in attribute.split("."):
            target = getattr(target, part)
    except Exception as error:
        raise ConfigError(f"The {kind} plugin {name!r} cannot be imported: {error}.") from error
    return target


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an entry point"
