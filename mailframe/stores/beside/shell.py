"""Classes for what stands before a plugin's object: they provide all that it provides, each method handed on by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from zope.interface import classImplements, providedBy
from zope.interface.interface import InterfaceClass, Method


def shell(bases: tuple[type, ...], inner: object) -> type:
    """A class of `bases` that provides what `inner` provides besides, by calling it (their attribute `inner`).

    It goes by the name of `inner`'s class: whatever fails is logged under the plugin's name (I7).
    """
    kind: Any = type(inner)
    return _shell(bases, kind, providedBy(inner))


@cache
def _shell(bases: tuple[type, ...], inner: type, provided: Any) -> type:
    interfaces: tuple[InterfaceClass, ...] = tuple(provided)
    members: dict[str, Any] = {"__module__": inner.__module__, "__qualname__": inner.__qualname__, "__doc__": inner.__doc__}
    for interface in interfaces:
        for name, promised in interface.namesAndDescriptions(all=True):
            if not any(hasattr(base, name) for base in bases):
                members.setdefault(name, _handed_on(name) if isinstance(promised, Method) else _shown(name))
    made: Any = type(inner.__name__, bases, members)
    declare: Any = classImplements
    declare(made, *(each for each in interfaces if not each.implementedBy(made)))
    shown: type = made
    return shown


def promised(answer: object, interface: InterfaceClass, asked: object, method: str) -> Any:
    """`answer`, which `asked.method` gave; raises TypeError, which names them, when it does not provide `interface`."""
    if not interface.providedBy(answer):
        raise TypeError(f"{type(asked).__qualname__}.{method} answered {answer!r:.60}, which is no {interface.__name__}")
    return answer


def _handed_on(name: str) -> Callable[..., Any]:
    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        return getattr(self.inner, name)(*arguments, **named)
    method.__name__ = name
    return method


def _shown(name: str) -> property:
    return property(lambda self: getattr(self.inner, name))
