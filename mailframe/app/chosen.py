"""The plugins that a configuration chooses, ready made or built."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mailframe.app.builtin import ACCOUNTS, BUILT_IN
from mailframe.app.config import Config
from mailframe.app.plugins import BuildContext, Plugins, kept_promise
from mailframe.app.toml import ConfigError, Key, PluginSpec
from mailframe.auth.development import DevelopmentAuth
from mailframe.interfaces.content import IContentStore
from mailframe.interfaces.directory import IDirectory

PLUGINS = Plugins(BUILT_IN)


def one(kind: str, config: Config, spec: PluginSpec, context: BuildContext) -> Any:
    """The one of this kind: ready made, or built."""
    if kind in config.parts:
        return kept_promise(kind, f"parts[{kind!r}]", config.parts[kind])
    return _built(kind, (kind,), spec, context)


def content_store(config: Config, context: BuildContext) -> IContentStore | None:
    """Where large content rests; None: in the database itself."""
    made = one("content", config, config.content, context)
    return made if IContentStore.providedBy(made) else None


def several(kind: str, name: str, config: Config, specs: Sequence[PluginSpec], context: BuildContext) -> list[Any]:
    """Those of this kind: ready made, or built."""
    if name in config.parts:
        return [kept_promise(kind, f"parts[{name!r}]", each) for each in config.parts[name]]
    return [_built(kind, (name, number), spec, context) for number, spec in enumerate(specs)]


def _built(kind: str, key: Key, spec: PluginSpec, context: BuildContext) -> Any:
    """Raises ConfigError, with the `key` that names the plugin."""
    try:
        return PLUGINS.build(kind, spec, context)
    except ConfigError as error:
        error.key = error.key or key
        raise


def identity(config: Config, context: BuildContext) -> tuple[DevelopmentAuth | None, list[Any], Any]:
    """(development's own, checkers, directory)."""
    development = DevelopmentAuth(config.data, random.SystemRandom()) if config.development else None
    own = () if development is not None or "portal" in config.parts else config.auth
    checkers = [*([development] if development else []), *several("auth", "auth", config, own, context)]
    if "directory" in config.parts or config.directory is not None:
        return development, checkers, one("directory", config, config.directory or PluginSpec(""), context)
    for checker in checkers:
        if IDirectory.providedBy(checker):
            return development, checkers, checker
    raise ConfigError("None of the auth plugins knows who exists: name a directory plugin as well "
                      '(--directory everyone, or directory = "everyone", takes every name at our domains for an account).')


def titles(
    config: Config, store: object, content: object, local: object, checkers: Sequence[object], directory: object,
    filters: Sequence[object],
) -> dict[int, str]:
    """What the configuration calls each plugin's part; ready-made ones and development's own go by their class."""
    named: list[tuple[str, object, PluginSpec | None]] = [
        (kind, part, spec) for kind, part, spec in (
            ("directory", directory, config.directory), ("storage", store, config.storage), ("content", content, config.content),
            ("delivery", local, config.delivery))
        if kind not in config.parts]
    own = not config.development and "portal" not in config.parts
    kinds = (("auth", "auth", checkers, config.auth if own else ()), ("filter", "filters", filters, config.filters))
    for kind, name, parts, specs in kinds:
        if name not in config.parts:
            named += [(kind, part, spec) for part, spec in zip(parts, specs)]
    return {id(part): f"The {kind} plugin {spec.plugin!r}" for kind, part, spec in named if spec is not None}


def accounts_path(config: Config) -> Path:
    """The accounts file of the first auth plugin that is one. Raises ConfigError."""
    for spec in config.auth:
        if spec.plugin == "file":
            path = spec.argument or spec.settings.get("path", "")
            return config.base / path if path else config.data / ACCOUNTS
    raise ConfigError("This configuration keeps no accounts file; its auth plugins know their users themselves.")
