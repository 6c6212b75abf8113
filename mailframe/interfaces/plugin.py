"""How a plugin shows itself to the server that builds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zope.interface import Attribute, Interface


class IMailPlugin(Interface):
    """A factory found by name, by entry point, by `twisted.plugin`, or as ``package.module:Factory``.

    A plain class or function is enough where an object with these attributes is too much: its name is then the entry
    point's, its help the first line of its docstring, its settings its parameters. What these are annotated with is
    checked: str, int, float, bool, Path (relative to the configuration's folder), list, dict, Literal, each also with
    "| None". Parameters called reactor, data, hostname, domains, postmaster and store are given what `IBuildContext` says
    of them, one called context is given all of it.
    """

    kind = Attribute("storage, content, delivery, auth, directory or filter")
    name = Attribute("the word used in the configuration")
    help = Attribute("one line for people")

    def build(settings: dict[str, Any], context: IBuildContext) -> object:
        """Make the part (an `IMailStore`, an `IDeliveryAgent`, an `ICredentialsChecker`, a filter...) and open nothing.

        `settings` are the configuration's, already str, int, float, bool, list or dict. Raise ValueError, with a sentence
        that names the setting, for what cannot be used.
        """


class IBuildContext(Interface):
    """What a plugin may ask of the server that builds it."""

    reactor = Attribute("IReactorTime, IReactorTCP, IReactorThreads")
    data = Attribute("pathlib.Path of the server's data folder")
    hostname = Attribute("the server's own name")
    argument = Attribute('what stood behind "name:" in a short option (``--storage sqlite:PATH``), or ""')
    domains = Attribute("the domains whose mail is ours, canonical")
    postmaster = Attribute("the account that reads postmaster@ every domain, or None")
    store = Attribute("the `IMailStore`, for delivery agents and filters; None while the store itself is built")

    def path(text: str) -> Path:
        """`text` as a path, relative to the folder of the configuration file (or where the server was started)."""


class ILifecycle(Interface):
    """A part that opens something: a checker, a directory, a filter, a delivery agent. (Stores and spools always are.)"""

    async def start() -> None:
        """Once, after the process has forked and dropped its privileges. Raise with a clear sentence to stop the server's start."""

    async def close() -> None:
        """Once, at the end, also after a start that failed."""
