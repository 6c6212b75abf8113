"""Finding plugins: by entry point, by twisted.plugin, or as "package.module:Factory"; none is imported before it is used."""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib import import_module, metadata
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from twisted.cred.checkers import ICredentialsChecker
from twisted.plugin import getPlugins
from zope.interface import implementer
from zope.interface.exceptions import Invalid
from zope.interface.interface import InterfaceClass
from zope.interface.verify import verifyObject

from mailframe.app.factory import call, parameters_of, settings_of
from mailframe.app.meant import did_you_mean
from mailframe.app.toml import ConfigError, PluginSpec, ended
from mailframe.interfaces.content import IContentInIndex, IContentStore
from mailframe.interfaces.delivery import IDeliveryAgent
from mailframe.interfaces.directory import IDirectory
from mailframe.interfaces.filter import (
    IConnectionFilter,
    IErrorFilter,
    IGreetingFilter,
    IHelloFilter,
    IMessageFilter,
    IPartingFilter,
    IRecipientFilter,
    ISenderFilter,
)
from mailframe.interfaces.plugin import IBuildContext, IMailPlugin
from mailframe.interfaces.store import IMailStore
from mailframe.model.mailbox import FRESH_ACCOUNT, NewMailbox

#: The kinds of plugin, and what each must provide (one of them, at least).
PROMISES: Mapping[str, tuple[InterfaceClass, ...]] = {
    "storage": (IMailStore,),
    "content": (IContentInIndex, IContentStore),
    "delivery": (IDeliveryAgent,),
    "auth": (ICredentialsChecker,),
    "directory": (IDirectory,),
    "filter": (
        IConnectionFilter, IGreetingFilter, IHelloFilter, ISenderFilter, IRecipientFilter, IMessageFilter, IErrorFilter,
        IPartingFilter),
}
KINDS = tuple(PROMISES)


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


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin that could be built; nothing of it is imported before `load`."""

    kind: str
    name: str
    source: str                       # for people: "built in", a distribution's name, "twisted.plugins"
    find: Callable[[], Any]

    def load(self) -> Any:
        """A factory, or an IMailPlugin. Raises ConfigError."""
        try:
            plugin: Any = self.find()
        except Exception as error:
            source = "" if self.source == self.name else f" of {self.source}"
            sentence = f"The {self.kind} plugin {self.name!r}{source} cannot be imported: {ended(_reason(error))}"
            raise ConfigError(sentence) from error
        if inspect.isclass(plugin) and IMailPlugin.implementedBy(plugin):
            plugin = cast(Any, plugin)()
        if IMailPlugin.providedBy(plugin) and plugin.kind != self.kind:
            raise ConfigError(f"The plugin {self.name!r} is for {plugin.kind}, not for {self.kind}.")
        if not IMailPlugin.providedBy(plugin) and not callable(plugin):
            raise ConfigError(f"The {self.kind} plugin {self.name!r} is neither a class or function nor an IMailPlugin.")
        return plugin

    def help(self) -> str:
        """One line for people; a plugin that cannot be imported says so."""
        try:
            plugin = self.load()
        except ConfigError as error:
            return f"({error})"
        if IMailPlugin.providedBy(plugin):
            return str(plugin.help)
        line = (inspect.getdoc(plugin) or "").partition("\n")[0]
        names = settings_of(parameters_of(plugin))
        return f"{line} [{', '.join(names)}]" if names else line


class Plugins:
    """All plugins there are. Of one name, ours comes first, then entry points, then those of twisted.plugin."""

    def __init__(self, built_in: Mapping[str, Mapping[str, Any]]) -> None:
        self._built_in = built_in

    def names(self, kind: str) -> dict[str, Found]:
        """By name."""
        found: dict[str, Found] = {}
        for each in self._all(kind):
            found.setdefault(each.name, each)
        return found

    def build(self, kind: str, spec: PluginSpec, context: BuildContext) -> Any:
        """Make the part. Raises ConfigError in a sentence that names the plugin."""
        found, argument = self._look_up(kind, spec)
        plugin = found.load()
        context = replace(context, argument=argument)
        settings = dict(spec.settings)
        try:
            made = plugin.build(settings, context) if IMailPlugin.providedBy(plugin) else call(plugin, settings, context)
        except Exception as error:
            raise ConfigError(f"The {kind} plugin {found.name!r} cannot be used: {ended(_reason(error))}") from error
        return kept_promise(kind, f"The {kind} plugin {found.name!r}", made)

    def _all(self, kind: str) -> Iterator[Found]:
        for name, part in self._built_in.get(kind, {}).items():
            yield Found(kind, name, "built in", _given(part))
        for point in entry_points(group=f"mailframe.{kind}"):
            yield Found(kind, point.name, _distribution(point), point.load)
        for plugin in getPlugins(IMailPlugin):
            if plugin.kind == kind:
                yield Found(kind, plugin.name, "twisted.plugins", _given(plugin))

    def _look_up(self, kind: str, spec: PluginSpec) -> tuple[Found, str]:
        """(the plugin, what is left of the argument)."""
        if ":" in spec.plugin:
            return Found(kind, spec.plugin, spec.plugin, lambda: _imported(spec.plugin)), spec.argument
        for found in self._all(kind):
            if found.name == spec.plugin:
                return found, spec.argument
        attribute, _, rest = spec.argument.partition(":")
        if attribute.isidentifier() and spec.plugin.isidentifier() and find_spec(spec.plugin) is not None:
            path = f"{spec.plugin}:{attribute}"     # a module without a package in front
            return Found(kind, path, path, lambda: _imported(path)), rest
        raise ConfigError(f"There is no {kind} plugin {spec.plugin!r}{did_you_mean(spec.plugin, self.names(kind))}. "
                          "A plugin that is not installed can be named as package.module:Factory.")


def kept_promise(kind: str, who: str, made: Any) -> Any:
    """`made`, if it is what a plugin of this kind must be. Raises ConfigError."""
    promises = [each for each in PROMISES[kind] if each.providedBy(made)]
    if not promises:
        wanted = " or ".join(each.__name__ for each in PROMISES[kind])
        raise ConfigError(f"{who} made a {type(made).__name__}, which does not say that it provides {wanted} "
                          f"(@implementer({PROMISES[kind][-1].__name__}) before the class does).")
    for each in promises:
        try:
            verifyObject(each, made)
        except Invalid as error:
            raise ConfigError(f"{who} made a {type(made).__name__}, which does not provide {each.__name__}: "
                              f"{_broken(error)}.") from None
    return made


def _given(plugin: Any) -> Callable[[], Any]:
    return lambda: plugin


def _imported(name: str) -> Any:
    module, _, attribute = name.partition(":")
    target: Any = import_module(module)
    for part in attribute.split("."):
        target = getattr(target, part)
    return target


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an entry point"


_LOADERS = (__file__, metadata.__file__)        # where a name that a module does not have is looked for


def _reason(error: Exception) -> str:
    """A sentence as it is; of a mistake in the plugin's code also what and where it is."""
    words = str(error).strip().rstrip(".") or type(error).__name__
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{words} (it is neither installed nor on PYTHONPATH)"
    if isinstance(error, (ValueError, OSError, SyntaxError)):
        return words
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType) and error.name and frames[-1].filename in _LOADERS:
        near = get_close_matches(error.name, [word for word in vars(error.obj) if not word.startswith("_")], 1)
        return f"{error.obj.__name__} has no {error.name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {words}{place}"


def _broken(error: Invalid) -> str:
    """What zope says, without the object's address and the modules' names."""
    words = str(error).partition(": ")[2].strip() or str(error)
    return re.sub(r"\b(?:\w+\.)+(I[A-Z]\w+)", r"\1", " ".join(words.split())).rstrip(".")
