"""TOML into frozen dataclasses: a wrong key, type or value is a sentence that names file, line and key."""

from __future__ import annotations

import dataclasses
import math
import re
import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from mailframe.app.meant import setting_meant, value_meant

T = TypeVar("T")
Key = tuple["str | int", ...]


class ConfigError(ValueError):
    """One sentence for a person: what is wrong where, what was expected, what was perhaps meant.

    `key` is the setting that it is about, where the sentence is not yet one about a line of a file.
    """

    def __init__(self, sentence: str, key: Key = ()) -> None:
        super().__init__(sentence)
        self.key = key


@dataclass(frozen=True, slots=True)
class Document:
    """A TOML text with what is needed to say where in it something stands."""

    name: str
    text: str
    values: Mapping[str, Any]

    @classmethod
    def load(cls, path: Path) -> Document:
        """Raises ConfigError."""
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ConfigError(f"Cannot read the configuration {path}: {reason}.") from None
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, name: str) -> Document:
        """Raises ConfigError."""
        try:
            return cls(name, text, tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{name} is not TOML: {error}.") from None

    def line(self, key: Key) -> int | None:
        """The line on which `key` (or the table that holds it) stands, counted from 1."""
        while key:
            found = _find_line(self.text, key)
            if found is not None:
                return found
            key = key[:-1]
        return None

    def error(self, key: Key, problem: str) -> ConfigError:
        return ConfigError(ended(f"{self.place(key)}: {dotted(key)} {problem}"))

    def place(self, key: Key) -> str:
        """The file, and the line if there is one."""
        line = self.line(key)
        return f"{self.name}, line {line}" if line else self.name


def ended(sentence: str) -> str:
    """With a full stop, unless it has its end."""
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."


def dotted(key: Key) -> str:
    words = ""
    for part in key:
        words += f"[{part + 1}]" if isinstance(part, int) else ("." if words else "") + part
    return words or "the configuration"


_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
_ASSIGN = re.compile(r"\s*([A-Za-z0-9_.\"'@-]+)\s*=")


def _find_line(text: str, key: Key) -> int | None:
    counts: dict[Key, int] = {}
    table: Key = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _parts(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            if table == key:
                return number
        elif (assign := _ASSIGN.match(line)) and (*table, *_parts(assign[1])) == key:
            return number
    return None


def _is_number(value: Any) -> bool:
    """TOML has ``inf`` and ``nan``, too, which no limit is to be, and whole numbers without end."""
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def _parts(name: str) -> Key:
    return tuple(part.strip().strip("\"'") for part in re.findall(r'"[^"]*"|\'[^\']*\'|[^.]+', name))


@dataclass(frozen=True, slots=True)
class PluginSpec:
    """Which plugin, with what settings; `argument` is what stood behind the colon of a short option."""

    plugin: str
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    argument: str = ""

    @classmethod
    def short(cls, text: str) -> PluginSpec:
        """``sqlite:PATH``; a name with a dot is ``package.module:Factory``, whose argument follows a second colon."""
        name, _, rest = text.partition(":")
        if "." in name:
            factory, _, rest = rest.partition(":")
            name = f"{name}:{factory}"
        return cls(name, {}, rest)


def read(document: Document, into: type[T], fixed: Mapping[Key, Sequence[str]]) -> T:
    """Make the dataclass `into` from the document; `fixed` names, by table, fields that are not settings. Raises ConfigError."""
    return _Reader(document, fixed, into).table((), into, document.values)


@dataclass(frozen=True, slots=True)
class _Reader:
    document: Document
    fixed: Mapping[Key, Sequence[str]]
    root: type

    def table(self, key: Key, into: type[T], values: Mapping[str, Any]) -> T:
        hints = get_type_hints(into)
        not_set = self.fixed.get(key, ())
        fields = {f.name: f for f in dataclasses.fields(into) if f.init and f.name not in not_set}  # type: ignore[arg-type]
        made: dict[str, Any] = {}
        for name, value in values.items():
            if name not in fields:
                meant = setting_meant(".".join(map(str, key)), name, fields, self.root, self.fixed)
                raise self.document.error((*key, name), f"is not a setting{meant}")
            made[name] = self.value((*key, name), hints[name], value)
        for name, item in fields.items():
            if name not in made and item.default is MISSING and item.default_factory is MISSING:
                raise self.document.error((*key, name), "is missing")
        try:
            return into(**made)
        except ConfigError as error:
            raise ConfigError(f"{self.document.place((*key, *error.key) if error.key else ())}: {error}") from None
        except ValueError as error:
            about = re.match(r"\w*", str(error))                # sentences begin with the key that they are about, if there is one
            line = self.document.place((*key, about[0]) if about and about[0] in values else key)
            raise ConfigError(ended(f"{line}: {dotted(key)} cannot be used: {error}")) from None

    def value(self, key: Key, kind: Any, value: Any) -> Any:
        origin, arguments = get_origin(kind), get_args(kind)
        if origin in (Union, types.UnionType):
            return self.value(key, next(a for a in arguments if a is not type(None)), value)
        if origin is Literal:
            if value not in arguments:
                raise self.document.error(key, f"is {value!r}, {value_meant(str(key[-1]), value, arguments)}")
            return value
        if kind is PluginSpec:
            return self.plugin(key, value)
        if origin in (tuple, frozenset):
            if isinstance(value, (str, dict)) and arguments[0] in (str, PluginSpec):
                value = [value]
            self.expect(key, isinstance(value, list), "a list", value)
            return origin(self.value((*key, n), arguments[0], item) for n, item in enumerate(value))
        if dataclasses.is_dataclass(kind) or origin in (dict, Mapping):
            self.expect(key, isinstance(value, dict), "a table", value)
            if origin is None:
                return self.table(key, kind, value)
            return {name: self.value((*key, name), arguments[1], item) for name, item in value.items()}
        return self.scalar(key, kind, value)

    def scalar(self, key: Key, kind: Any, value: Any) -> Any:
        if kind is Path:
            self.expect(key, isinstance(value, str), "a path in quotes", value)
            return Path(value)
        if kind is bool:
            self.expect(key, isinstance(value, bool), "true or false", value)
        elif kind is float:
            self.expect(key, _is_number(value), "a number", value)
            return float(value)
        elif kind is int:
            self.expect(key, isinstance(value, int) and not isinstance(value, bool), "a whole number", value)
        else:
            self.expect(key, isinstance(value, str), "a text in quotes", value)
        return value

    def plugin(self, key: Key, value: Any) -> PluginSpec:
        if isinstance(value, str):
            return PluginSpec.short(value)
        named = isinstance(value, dict) and isinstance(value.get("plugin"), str)
        self.expect(key, named, 'a table with a key plugin = "name"', value)
        settings = {name: item for name, item in value.items() if name != "plugin"}
        return dataclasses.replace(PluginSpec.short(value["plugin"]), settings=settings)

    def expect(self, key: Key, right: bool, wanted: str, value: Any) -> None:
        if not right:
            raise self.document.error(key, f"is {value!r}, expected {wanted}")
