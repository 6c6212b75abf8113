"""Plugins of every kind: found by name and by path, their settings checked, and every fault named in one sentence."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal

import pytest
from twisted.internet.task import Clock
from zope.interface import implementer

from mailframe.app.builtin import BUILT_IN
from mailframe.app.factory import call
from mailframe.app.plugins import KINDS, BuildContext, Plugins
from mailframe.app.toml import ConfigError, PluginSpec
from mailframe.auth.localnames import LocalNames
from mailframe.interfaces.filter import IConnectionFilter
from mailframe.interfaces.plugin import IMailPlugin
from mailframe.stores.memory import MemoryStore

CONTEXT = BuildContext(Clock(), Path("/data"), "mail.example.org", ("example.org",), base=Path("/etc/mail"))


def build(kind: str, text: str, settings: Mapping[str, Any] | None = None, built_in: Any = BUILT_IN) -> Any:
    spec = dataclasses.replace(PluginSpec.short(text), settings=settings or {})
    return Plugins(built_in).build(kind, spec, CONTEXT)


def refused(kind: str, text: str, settings: Mapping[str, Any] | None = None, built_in: Any = BUILT_IN) -> str:
    with pytest.raises(ConfigError) as caught:
        build(kind, text, settings, built_in)
    return str(caught.value)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes a module that can be imported."""
    monkeypatch.syspath_prepend(tmp_path)  # type: ignore[no-untyped-call]
    made: list[str] = []

    def write(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(dedent(text))
        made.append(name)
    yield write
    for name in made:
        sys.modules.pop(name, None)


@pytest.fixture
def installed(tmp_path: Path, module: Any) -> Any:
    """Makes an installed distribution of these entry points."""
    def install(name: str, points: str) -> None:
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(dedent(points))
    return install


ACME = """
from mailframe.stores.memory import MemoryStore

class AcmeStore(MemoryStore):
    \"\"\"Mail at Acme's.\"\"\"

    def __init__(self, cluster: str, replicas: int = 3):
        super().__init__()
        self.cluster, self.replicas = cluster, replicas
"""


def test_a_plugin_is_found_by_its_entry_point(module: Any, installed: Any) -> None:
    module("acme_mail", ACME)
    installed("acme-mail", "[mailframe.storage]\nacme = acme_mail:AcmeStore\n")
    store = build("storage", "acme:north", {"replicas": 5})
    assert (store.cluster, store.replicas) == ("north", 5)
    found = Plugins(BUILT_IN).names("storage")["acme"]
    assert (found.source, found.help()) == ("acme-mail", "Mail at Acme's. [cluster, replicas]")


@pytest.mark.parametrize("text", ["acme_mail:AcmeStore:north", "acme_mail:AcmeStore"])
def test_a_plugin_is_found_by_its_module_without_being_installed(module: Any, text: str) -> None:
    module("acme_mail", ACME)
    assert build("storage", text, {} if text.endswith("north") else {"cluster": "north"}).cluster == "north"


def test_nothing_is_imported_to_list_names(module: Any, installed: Any) -> None:
    module("acme_mail", ACME)
    installed("acme-mail", "[mailframe.storage]\nacme = acme_mail:AcmeStore\n")
    assert "acme" in Plugins(BUILT_IN).names("storage")
    assert "acme_mail" not in sys.modules


def test_ours_come_first(module: Any, installed: Any) -> None:
    module("acme_mail", ACME)
    installed("acme-mail", "[mailframe.storage]\nmemory = acme_mail:AcmeStore\n")
    assert type(build("storage", "memory")) is MemoryStore


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    assert refused("storage", "sqlight").startswith("There is no storage plugin 'sqlight'; did you mean 'sqlite'?")
    assert refused("storage", "postgres").startswith("There is no storage plugin 'postgres'; there are: maildir, memory, sqlite")
    assert "package.module:Factory" in refused("auth", "ldap")


@pytest.mark.parametrize(("text", "words"), [
    ("import nowhere_to_be_found", "No module named 'nowhere_to_be_found' (it is neither installed nor on PYTHONPATH)"),
    ("def broken(:", "invalid syntax"),
    ("x = 1 / 0", "ZeroDivisionError: division by zero (broken_mail.py, line 1)"),
    ("Other = 1", "broken_mail has no 'Store'."),
    ("class Stored: pass", "broken_mail has no 'Store'; did you mean 'Stored'?"),
])
def test_a_broken_import_is_named(module: Any, installed: Any, text: str, words: str) -> None:
    module("broken_mail", text)
    installed("broken", "[mailframe.storage]\nbroken = broken_mail:Store\n")
    sentence = refused("storage", "broken")
    assert sentence.startswith("The storage plugin 'broken' cannot be imported: ") and words in sentence
    assert "The storage plugin 'broken_mail:Store' cannot be imported: " in refused("storage", "broken_mail:Store")
    assert words.rstrip(".") in Plugins(BUILT_IN).names("storage")["broken"].help()


def test_a_module_that_is_not_there_is_named() -> None:
    words = refused("storage", "not_installed.mail:Store")
    assert "No module named 'not_installed' (it is neither installed nor on PYTHONPATH)" in words


@pytest.mark.parametrize(("text", "settings", "words"), [
    ("acme_mail:AcmeStore", {}, "its setting 'cluster' is missing"),
    ("acme_mail:AcmeStore:north", {"replica": 1}, "'replica' is not one of its settings; did you mean 'replicas'?"),
    ("acme_mail:AcmeStore:north", {"replicas": "many"}, "its setting 'replicas' is 'many', expected a whole number"),
    ("acme_mail:AcmeStore:north", {"replicas": True}, "its setting 'replicas' is True, expected a whole number"),
    ("acme_mail:AcmeStore", {"cluster": ["a"]}, "its setting 'cluster' is ['a'], expected a text"),
    ("memory:everything", {}, "it takes no argument, but was given 'everything'"),
])
def test_a_wrong_setting_is_named(module: Any, text: str, settings: dict[str, Any], words: str) -> None:
    module("acme_mail", ACME)
    sentence = refused("storage", text, settings)
    assert sentence.startswith("The storage plugin ") and f"cannot be used: {words}" in sentence


def test_a_fault_in_a_plugins_code_is_named_with_its_place(module: Any) -> None:
    module("bad_mail", "def store():\n    return None.path\n")
    sentence = refused("storage", "bad_mail:store")
    assert sentence == ("The storage plugin 'bad_mail:store' cannot be used: AttributeError: 'NoneType' object has no attribute "
                        "'path' (bad_mail.py, line 2).")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_what_it_says_is_named(kind: str) -> None:
    class Thing:
        pass
    sentence = refused(kind, "thing", built_in={kind: {"thing": Thing}})
    assert sentence.startswith(f"The {kind} plugin 'thing' made a Thing, which does not say that it provides I")
    assert "@implementer(I" in sentence


def test_a_promise_that_is_not_kept_is_named() -> None:
    @implementer(IConnectionFilter)
    class Hollow:
        pass
    sentence = refused("filter", "hollow", built_in={"filter": {"hollow": Hollow}})
    assert sentence.startswith("The filter plugin 'hollow' made a Hollow, which does not provide IConnectionFilter: ")
    assert "connection" in sentence and "0x" not in sentence


@implementer(IMailPlugin)
class Whole:
    """A plugin as an object, for who wants all of it."""

    kind, name, help = "storage", "whole", "Whole in itself"

    def build(self, settings: dict[str, Any], context: Any) -> object:
        if settings:
            raise ValueError(f"{min(settings)} is too much")
        return MemoryStore()


def test_an_object_that_says_all_of_itself_is_a_plugin_too() -> None:
    plugins = {"storage": {"whole": Whole(), "class": Whole}, "delivery": {"whole": Whole()}}
    assert isinstance(build("storage", "whole", built_in=plugins), MemoryStore)
    assert isinstance(build("storage", "class", built_in=plugins), MemoryStore)
    assert Plugins(plugins).names("storage")["whole"].help() == "Whole in itself"
    assert refused("storage", "whole", {"x": 1}, plugins) == "The storage plugin 'whole' cannot be used: x is too much."
    assert refused("delivery", "whole", built_in=plugins) == "The plugin 'whole' is for storage, not for delivery."


def test_a_drop_in_file_is_found_by_twisted_plugin(tmp_path: Path) -> None:
    folder = tmp_path / "twisted" / "plugins"
    folder.mkdir(parents=True)
    (tmp_path / "acme_mail.py").write_text(ACME)
    (folder / "acme_dropin.py").write_text(
        "from mailframe.app.dropin import DropIn\n"
        "acme = DropIn('storage', 'acme', 'Dropped in', 'acme_mail', 'AcmeStore')\n")
    program = ("from mailframe.app.chosen import PLUGINS; from mailframe.app.plugins import BuildContext, PluginSpec; import sys\n"
               "found = PLUGINS.names('storage')['acme']; print(found.source, '|', found.help(), '|', 'acme_mail' in sys.modules)\n"
               "store = PLUGINS.build('storage', PluginSpec('acme', {}, 'north'), BuildContext(None, None, ''))\n"
               "print(type(store).__name__, store.cluster)")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path,
                          env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"})
    assert done.stdout.splitlines() == ["twisted.plugins | Dropped in | False", "AcmeStore north"]


def test_settings_are_given_as_they_are_annotated() -> None:
    def factory(
        path: Path, reactor: Any, ratio: float = 0.5, mode: Literal["fast", "safe"] = "safe", names: list[str] | None = None,
        limit: int | None = None, *, domains: Any, context: Any, **more: Any,
    ) -> Any:
        return path, reactor, ratio, mode, names, limit, domains, context.hostname, more
    made: Any = call(factory, {"ratio": 1, "names": ["a"], "limit": 3, "other": "x"},
                     dataclasses.replace(CONTEXT, argument="sub/mail"))
    assert made == (Path("/etc/mail/sub/mail"), CONTEXT.reactor, 1.0, "safe", ["a"], 3, ("example.org",), "mail.example.org",
                    {"other": "x"})
    assert isinstance(made[2], float)
    with pytest.raises(ValueError, match="'mode' is 'wild', expected 'fast' or 'safe'"):
        call(factory, {"mode": "wild", "path": "x"}, CONTEXT)


@pytest.mark.parametrize(("kind", "text", "value"), [
    (int, "12", 12), (float, "1.5", 1.5), (bool, "true", True), (str, "a:b", "a:b"), (list, "a,b", ["a", "b"]),
    (Path, "/x", Path("/x")),
])
def test_a_short_options_argument_is_the_first_setting(kind: Any, text: str, value: Any) -> None:
    def factory(context: Any, first: Any) -> Any:
        return first
    factory.__annotations__["first"] = kind
    assert call(factory, {}, dataclasses.replace(CONTEXT, argument=text)) == value


def test_a_short_options_argument_of_the_wrong_kind_is_named() -> None:
    def factory(count: int) -> Any:
        return count
    with pytest.raises(ValueError, match="its setting 'count' is 'x', expected a whole number"):
        call(factory, {}, dataclasses.replace(CONTEXT, argument="x"))


def test_built_in_plugins_take_short_arguments() -> None:
    store = build("storage", "sqlite:mail.db")
    assert store.engine.path == Path("/etc/mail/mail.db")
    assert build("auth", "file:people").path == Path("/etc/mail/people")
    assert build("auth", "file").path == Path("/data/accounts")
    checker = build("auth", "strcred:memory:ada:secret")
    assert isinstance(checker, LocalNames)
    assert "cannot be used" in refused("auth", "strcred:nothing")
