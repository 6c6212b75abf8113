"""A configuration that cannot be used says where and why, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from mailframe.app.config import FIXED, Config
from mailframe.app.toml import ConfigError, Document, PluginSpec, read


@dataclass(frozen=True)
class Port:
    role: Literal["smtp", "imap"]
    number: int = 25
    limit_s: float = 1.0


@dataclass(frozen=True)
class House:
    name: str = "house"
    folder: Path | None = None
    open: bool = False
    domains: tuple[str, ...] = ()
    ports: Mapping[str, Port] = field(default_factory=dict)
    storage: PluginSpec = PluginSpec("sqlite")
    filters: tuple[PluginSpec, ...] = ()

    def __post_init__(self) -> None:
        if self.name == "bad":
            raise ValueError("it has a bad name")


def make(text: str) -> House:
    return read(Document.parse(text, "house.toml"), House, {(): ("open",)})


def test_every_kind_of_value() -> None:
    house = make("""
name = "x"
folder = "/tmp"
domains = ["a", "b"]
storage = "json:here"
[ports.one]
role = "smtp"
limit_s = 3
[[filters]]
plugin = "package.module:Thing"
level = 4
""")
    assert house == House("x", Path("/tmp"), False, ("a", "b"), {"one": Port("smtp", 25, 3.0)}, PluginSpec("json", {}, "here"),
                          (PluginSpec("package.module:Thing", {"level": 4}),))


def test_one_word_stands_for_a_list_of_one() -> None:
    assert make('domains = "a"').domains == ("a",)


@pytest.mark.parametrize(("text", "line", "words"), [
    ('\nnmae = "x"', 2, "did you mean 'name'?"),
    ("name = 5", 1, "expected a text in quotes"),
    ("name = true", 1, "expected a text in quotes"),
    ("[ports.one]\nrole = 'smtp'\nnumber = true", 3, "ports.one.number is True, expected a whole number"),
    ("[ports.one]\nrole = 'pop'", 2, "expected one of 'smtp', 'imap'"),
    ("[ports.one]\nnumber = 3", 1, "ports.one.role is missing"),
    ("[ports.one]\nrole = 'imap'\nlimit_s = 'x'", 3, "expected a number"),
    ("[ports.one]\nrole = 'imap'\nlimit_s = nan", 3, "is nan, expected a number"),
    ("[ports.one]\nrole = 'imap'\nlimit_s = 1e400", 3, "is inf, expected a number"),
    ("ports = 3", 1, "expected a table"),
    ("domains = 3", 1, "expected a list"),
    ("domains = ['a', 3]", 1, "domains[2] is 3"),
    ("[[filters]]\nplugin='a'\n[[filters]]\nlevel = 3", 3, "plugin"),
    ("open = true", 1, "open is not a setting"),
    ('name = "bad"', None, "it has a bad name"),
])
def test_a_wrong_one_names_line_key_and_what_was_expected(text: str, line: int | None, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        make(text)
    assert words in str(error.value)
    assert str(error.value).startswith(f"house.toml, line {line}: " if line else "house.toml: ")


def test_what_is_no_toml_says_where() -> None:
    with pytest.raises(ConfigError, match=r"house.toml is not TOML: .*line 2"):
        make("a = 1\nb = = 2\n")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Cannot read the configuration .*nothing.toml: No such file"):
        Document.load(tmp_path / "nothing.toml")


@pytest.mark.parametrize(("text", "spec"), [
    ("sqlite", PluginSpec("sqlite")),
    ("json:/a:b", PluginSpec("json", {}, "/a:b")),
    ("acme.store:Store", PluginSpec("acme.store:Store")),
    ("acme.store:Store:/a/b", PluginSpec("acme.store:Store", {}, "/a/b")),
])
def test_short_plugin_names(text: str, spec: PluginSpec) -> None:
    assert PluginSpec.short(text) == spec


def test_a_question_is_no_sentence_with_two_ends() -> None:
    with pytest.raises(ConfigError, match=r"line 3: storrage is not a setting; did you mean 'storage'\?$"):
        read(Document.parse('# mine\ndomains = ["example.org"]\nstorrage = "sqlite"\n', "mailframe.toml"), Config, FIXED)


@pytest.mark.parametrize(("text", "sentence"), [
    ('domains = ["one.example"]\n\n[listeners.in]\nrole = "smtp"\nendpoint = "99999"\n',
     "m.toml, line 5: The listener 'in': '99999' is no endpoint: ports end at 65535."),
    ('hostname = "mx"\ndomains = ["a..example"]\n', "m.toml, line 2: domains: not a domain: 'a..example'."),
    ('domains = ["one.example"]\n[listeners.in]\nrole = "imap"\nendpoint = "143"\ntls = "none"\n',
     "m.toml, line 2: The listener 'in' has"),
    ('domains = ["one.example"]\n[listeners.in]\nrole = "lmtp"\nendpoint = "25"\n',
     "m.toml, line 4: The listener 'in' has port 25, where the world speaks SMTP"),
    ('domains = ["one.example"]\n[listeners.in]\nrole = "relay-in"\nendpoint = "2525"\n',
     "m.toml, line 2: The listener 'in' has role = \"relay-in\", which takes mail for anybody: name who may send it"),
    ('domains = ["one.example"]\n[lmtp]\nrequire_login = true\n[listeners.in]\nrole = "lmtp"\nendpoint = "24"\ntls = "none"\n',
     "m.toml, line 4: The listener 'in' has tls = \"none\" and plaintext_login = \"tls\": nobody could log in there."),
    ('domains = ["one.example"]\n[listeners.in]\nrole = "mx"\nendpoint = "25"\nproxy_from = ["192.0.2.300"]\n',
     "m.toml, line 5: listeners.in cannot be used: proxy_from has '192.0.2.300', which is no network"),
    ('domains = ["one.example"]\n[listeners.in]\nrole = "mx"\nendpoint = "25"\nproxy_from = ["192.0.2.3"]\nproxy_timeout_s = 0\n',
     "m.toml, line 6: listeners.in cannot be used: proxy_timeout_s must be greater than 0"),
    ('domains = ["one.example"]\n[relay_in]\nnetworks = ["here"]\n',
     "m.toml, line 3: relay_in cannot be used: networks has 'here', which is no network"),
    ('domains = ["one.example"]\n[pipeline]\nrelay_networks = ["here"]\n',
     "m.toml, line 3: pipeline cannot be used: relay_networks has 'here', which is no network"),
    ('domains = ["one.example"]\n[trace]\nlisteners = ["nosuch"]\n',
     "m.toml, line 3: trace.listeners has 'nosuch', which is no listener; there are: imap, imaps"),
    ('domains = ["one.example"]\n[trace]\nclients = ["alice@one.example"]\n',
     "m.toml, line 3: trace cannot be used: clients: 'alice@one.example' is neither an address nor a network"),
    ('domains = ["one.example"]\n[guards.hello]\nown_addresses = ["mail"]\n',
     "m.toml, line 3: guards.hello cannot be used: own_addresses has 'mail', which is no address"),
    ('domains = ["one.example"]\n[guards.rates]\nipv4_prefix = 33\n',
     "m.toml, line 3: guards.rates cannot be used: ipv4_prefix must be from 0 to 32."),
    ('domains = ["one.example"]\n[[guards.dnsbl.lists]]\nzone = "https://bl.example/"\n',
     "m.toml, line 3: guards.dnsbl.lists[1] cannot be used: zone is not a domain"),
    ('domains = ["one.example"]\n[[guards.dnsbl.lists]]\nzone = "bl.example"\nanswers = ["127.0.0.2-9"]\n',
     "m.toml, line 4: guards.dnsbl.lists[1] cannot be used: answers has '127.0.0.2-9'"),
    ('domains = ["one.example"]\n[pipeline.submission]\nsave_sent = ["alice"]\n',
     "m.toml, line 3: pipeline.submission cannot be used: save_sent: not an address: 'alice'; write"),
    ('domains = ["one.example"]\n[pipeline.submission.rates]\nunlimited = ["alice"]\n',
     "m.toml, line 3: pipeline.submission.rates cannot be used: unlimited: not an address: 'alice'; write"),
    ('domains = ["one.example"]\n[pipeline.submission]\ncomplete_domain = "@one.example"\n',
     "m.toml, line 3: pipeline.submission cannot be used: complete_domain is not a domain"),
    ('domains = ["one.example"]\n[queue]\nmax_running = 0\n',
     "m.toml, line 3: queue cannot be used: max_running must be greater than 0"),
    ('domains = ["one.example"]\n[queue]\nfactor = 0.5\n', "m.toml, line 3: queue cannot be used: factor must not be less than 1"),
    ('domains = ["one.example"]\n[queue]\njitter = 2\n', "m.toml, line 3: queue cannot be used: jitter must be from 0 to 1"),
    ('domains = ["one.example"]\n[queue]\nmax_returned_octets = -1\n',
     "m.toml, line 3: queue cannot be used: max_returned_octets must not be negative"),
    ('domains = ["one.example"]\n[listeners.in]\nrole = "lmtp"\nendpoint = "unix:lmtp:mode=rw"\n',
     "m.toml, line 4: The listener 'in': 'unix:lmtp:mode=rw' is no endpoint: its mode is 'rw'; write one as chmod takes it"),
    ('domains = ["one.example"]\n[listeners.in]\nrole = "lmtp"\nendpoint = "/run/lmtp"\n',
     "m.toml, line 4: The listener 'in': '/run/lmtp' is no endpoint; a Unix socket is unix:/run/lmtp"),
])
def test_values_that_do_not_go_together_name_their_line(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(Document.parse(text, "m.toml"), Config, FIXED)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(("text", "sentence"), [
    ('bare_newlines = "refuse"\n',
     "m.toml, line 1: bare_newlines is not a setting; it belongs into [smtp] or [submission] or [lmtp] or [relay_in]."),
    ('[smtp]\nrequire_login = true\n', "m.toml, line 2: smtp.require_login is not a setting; it belongs into [lmtp]."),
    ('[pipeline.rates]\nmessages_per_hour = 5\n',
     "m.toml, line 1: pipeline.rates is not a setting; it belongs into [pipeline.submission]."),
    ('[smtp]\nbare_newlines = "reject"\n', "m.toml, line 2: smtp.bare_newlines is 'reject', expected one of 'role', 'refuse', "
     "'normalise', 'local'; 'reject' is now called 'refuse'."),
    ('[listeners.in]\nrole = "relay_in"\nendpoint = "25"\n', "m.toml, line 2: listeners.in.role is 'relay_in', expected one of "
     "'mx', 'submission', 'lmtp', 'relay-in', 'imap', 'pop3', 'smtp'; did you mean 'relay-in'?"),
])
def test_what_was_perhaps_meant_is_said(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(Document.parse(text, "m.toml"), Config, FIXED)
    assert str(caught.value) == sentence
