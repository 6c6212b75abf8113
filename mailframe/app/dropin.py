"""A plugin for a `twisted/plugins` folder on PYTHONPATH: what twisted.plugin wants to find there; its code stays where it is."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from twisted.plugin import IPlugin
from zope.interface import implementer

from mailframe.interfaces.plugin import IBuildContext, IMailPlugin


@implementer(IPlugin, IMailPlugin)
class DropIn:
    """In ``twisted/plugins/acme.py`` (a folder without ``__init__.py``)::

        from mailframe.app.dropin import DropIn

        archive = DropIn("delivery", "archive", "Every message as a file of its own", "acme.mail", "Archive")

    Twisted imports such files to learn what is there; `module` is imported when the plugin is used.
    """

    def __init__(self, kind: str, name: str, help: str, module: str, factory: str) -> None:
        self.kind, self.name, self.help = kind, name, help
        self._module, self._factory = module, factory

    def build(self, settings: dict[str, Any], context: IBuildContext) -> object:
        """See IMailPlugin; the factory is called as one that was found by an entry point."""
        from mailframe.app.factory import call

        return call(getattr(import_module(self._module), self._factory), settings, context)
