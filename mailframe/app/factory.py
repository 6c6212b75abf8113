"""Calling a plain class or function with settings: by the names of its parameters, checked by their annotations."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from mailframe.app.meant import did_you_mean
from mailframe.interfaces.plugin import IBuildContext

Factory = Callable[..., object]
Parameters = Mapping[str, inspect.Parameter]

#: What a parameter of this name is given unless a setting of this name is there; `context` is all of it.
CONTEXT = ("reactor", "data", "hostname", "domains", "postmaster", "store", "context")
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def call(factory: Factory, settings: Mapping[str, Any], context: IBuildContext) -> object:
    """What `factory` makes. A short option's argument (``json:PATH``) is its first setting.

    Raises ValueError with a sentence about the setting that is unknown, missing or of the wrong kind.
    """
    parameters = parameters_of(factory)
    given = dict(settings)
    if context.argument:
        first = next(iter(settings_of(parameters, without=given)), None)
        if first is None:
            raise ValueError(f"it takes no argument, but was given {context.argument!r}")
        given[first] = _from_text(first, parameters[first].annotation, str(context.argument))
    if not any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        for name in given:
            if name not in parameters:
                raise ValueError(f"{name!r} is not one of its settings{did_you_mean(name, list(settings_of(parameters)))}")
    for name in settings_of(parameters, without=given):
        if parameters[name].default is inspect.Parameter.empty:
            raise ValueError(f"its setting {name!r} is missing")
    checked = {name: _fitting(name, parameters[name].annotation, value, context) if name in parameters else value
               for name, value in given.items()}
    lent = {name: context if name == "context" else getattr(context, name) for name in CONTEXT if name in parameters}
    return factory(**(lent | checked))


def parameters_of(factory: Factory) -> Parameters:
    """By name; with annotations as types where they can be found."""
    try:
        return inspect.signature(factory, eval_str=True).parameters
    except NameError:           # a type that is imported for the type checker only
        return inspect.signature(factory).parameters


def settings_of(parameters: Parameters, without: Iterable[str] = ()) -> Sequence[str]:
    """The names that the configuration may set, in order."""
    return [name for name, each in parameters.items() if each.kind in _NAMED and name not in CONTEXT and name not in without]


def _from_text(name: str, kind: Any, text: str) -> Any:
    """A short option's argument as the setting's type."""
    kind = _plain(kind)
    try:
        if kind in (int, float):
            return kind(text)
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
    except (ValueError, KeyError):
        raise ValueError(f"its setting {name!r} is {text!r}, expected {_WORDS[kind]}") from None
    return text.split(",") if kind in _LISTS else text


_LISTS = (list, tuple, Sequence)
_WORDS: Mapping[Any, str] = {
    str: "a text", Path: "a path", int: "a whole number", float: "a number", bool: "true or false",
    list: "a list", tuple: "a list", Sequence: "a list", dict: "a table", Mapping: "a table",
}
_TYPES: Mapping[Any, Any] = {Path: (str, Path), float: (int, float), list: list, tuple: list, Sequence: list, Mapping: dict}


def _fitting(name: str, annotation: Any, value: Any, context: IBuildContext) -> Any:
    """`value`, if it is of the annotated kind; a path starts from the configuration's folder."""
    kind = _plain(annotation)
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ValueError(f"its setting {name!r} is {value!r}, expected {' or '.join(map(repr, get_args(kind)))}")
        return value
    if kind not in _WORDS:
        return value
    if not isinstance(value, _TYPES.get(kind, kind)) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"its setting {name!r} is {value!r}, expected {_WORDS[kind]}")
    if kind is Path:
        return context.path(str(value))
    return float(value) if kind is float else value


def _plain(annotation: Any) -> Any:
    """Without "| None", and a list without what is in it."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        kinds = [each for each in get_args(annotation) if each is not types.NoneType]
        return _plain(kinds[0]) if len(kinds) == 1 else Any
    return annotation if origin in (None, Literal) else origin
