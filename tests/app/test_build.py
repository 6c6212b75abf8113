"""What a configuration says reaches the parts that it is about."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock

from mailframe.app.build import build
from mailframe.app.config import FIXED, Config, load
from mailframe.app.parts import Parts
from mailframe.app.toml import ConfigError, Document, PluginSpec, read
from mailframe.model.envelope import Peer
from mailframe.pipeline.local import LocalAgent


def parts(tmp_path: Path, **given: Any) -> Parts:
    config = Config(hostname="mail.example.org", domains=("example.org",), data=tmp_path, base=tmp_path, **given)
    return build(config, MemoryReactorClock())  # type: ignore[no-untyped-call]


def configured(text: str) -> Config:
    return read(Document.parse('domains = ["example.org"]\n' + text, "test.toml"), Config, FIXED)


def test_every_greeting_has_the_servers_own_name(tmp_path: Path) -> None:
    factories = parts(tmp_path).factories
    assert {factories[name].settings.hostname for name in ("smtp", "submission", "imap")} == {"mail.example.org"}


@pytest.mark.parametrize("announced", [0, 90_000_000])
def test_no_listener_announces_more_than_the_pipeline_takes(tmp_path: Path, announced: int) -> None:
    config = configured(f"[pipeline]\nmax_octets = 1_000_000\n[smtp]\nmax_message_octets = {announced}\n")
    built = parts(tmp_path, pipeline=config.pipeline, smtp=config.smtp)
    assert built.factories["smtp"].settings.max_message_octets == 1_000_000


def test_postmaster_has_a_reader_whatever_the_directory(tmp_path: Path) -> None:
    """RFC 5321 section 4.5.1"""
    built = parts(tmp_path, postmaster="alice@example.org", directory=PluginSpec("everyone"))
    assert built.pipeline._parts.settings.route.postmaster == "alice@example.org"


@pytest.mark.parametrize(("spec", "beside"), [
    (PluginSpec("sqlite"), False), (PluginSpec("sqlite", {"shards": 3}), False), (PluginSpec("memory"), False),
    (PluginSpec("support.bare_store:BareStore"), True)])
def test_an_index_is_kept_beside_a_store_that_needs_it_and_no_other(tmp_path: Path, spec: PluginSpec, beside: bool) -> None:
    built = parts(tmp_path, storage=spec)
    (agent,) = [part for part in built.others if isinstance(part, LocalAgent)]
    assert (agent.store is not built.store) is beside


def test_guards_are_asked_before_the_plugins_and_stand_for_the_listeners_roles(tmp_path: Path) -> None:
    config = configured(
        'filters = ["support.guardworld:Tagger"]\n[guards.greylist]\nroles = ["mx"]\n[guards.rates]\nroles = ["submission"]\n'
        '[guards.tarpit]\nroles = ["lmtp"]\n[[guards.dnsbl.lists]]\nzone = "bl.example"\nweight = -1\n')
    built = parts(tmp_path, guards=config.guards, filters=config.filters)
    names = [guard.name for guard in built.guards]
    assert names == ["bans", "rates", "dnsbl", "reverse", "early", "hello", "sender", "recipients", "greylist"]
    stage = [what.rpartition(".")[0] for what, _ in built.pipeline._parts.filters._sender]
    assert stage[0] == "mailframe.filters.rates.Rates" and stage[-1] == "support.guardworld.Tagger"
    (greylist,) = [part for part in built.others if getattr(part, "name", "") == "greylist"]
    assert greylist in built._others()      # started and closed with the server


def test_what_is_exempt_from_all_guards_is_exempt_from_each_besides_its_own(tmp_path: Path) -> None:
    config = configured('[guards]\nexempt = ["198.51.100.0/24"]\n[guards.early]\nexempt = ["203.0.113.1"]\n')
    guards = {guard.name: guard for guard in parts(tmp_path, guards=config.guards).guards}
    concerned = {ip: {name for name, guard in guards.items() if guard.concerns(Peer(ip, role="mx"))}
                 for ip in ("198.51.100.7", "203.0.113.1", "192.0.2.1", "127.0.0.1")}
    assert concerned == {
        "198.51.100.7": set(), "203.0.113.1": set(guards) - {"early"}, "192.0.2.1": set(guards), "127.0.0.1": set()}


@pytest.mark.parametrize(("text", "sentence"), [
    ('[guards.early]\nexempt = ["10.0.0.0/33"]', "line 3: guards.early cannot be used: exempt: '10.0.0.0/33' does not"),
    ('[guards]\nexempt_listeners = ["smpt"]', "line 3: guards.exempt_listeners has 'smpt', which is no listener"),
    ('[guards.early]\nexempt_listeners = ["x"]', "line 3: guards.early.exempt_listeners has 'x', which is no listener"),
    ('[guards.greylist]\nexempt_names = ["a b"]', "line 3: guards.greylist cannot be used: exempt_names: "),
    ('[[guards.dnsbl.lists]]\nzone = "bl.example"\nanswers = ["127.0.0.[3"]', "'127.0.0.[3', which is no address by octets"),
    ('[[guards.dnsbl.lists]]\nzone = "bl.example"\nanswers = ["127.0.0.[9..4;12]"]',
     "line 4: guards.dnsbl.lists[1] cannot be used: answers has '127.0.0.[9..4;12]', where 9..4 runs backwards; write 4..9."),
    ('[[guards.dnsbl.lists]]\nzone = "bl.example"\nexplain = "https://bl.example/{ipp}"',
     "line 4: guards.dnsbl.lists[1] cannot be used: explain has '{ipp}'; there is only {ip}, which becomes the client's address."),
    ('[[guards.dnsbl.lists]]\nzone = "bl.example"\nexplain = "https://bl.example/{ip"', "explain has '{ip'; there is only {ip}"),
    ('[guards.bans]\nalways = ["x"]', "line 3: guards.bans cannot be used: always: 'x' does not"),
    ('[guards]\nexempt = ["home"]', "guards cannot be used: exempt: 'home' does not"),
    ('[guards.rates]\nroles = ["mta"]', "guards.rates cannot be used: roles holds 'mta'; there are mx, submission"),
    ("[guards.rates]\nconections = 3", "guards.rates.conections is not a setting; did you mean 'connections'"),
    ("[[guards.dnsbl.lists]]\nweight = 1", "zone is missing"),
    ('[[guards.dnsbl.lists]]\nzone = "bl.example"\nanswers = ["10.0.0.1"]', "'10.0.0.1', which is not within 127.0.0.0/8"),
    ("[guards]\ngraylist = {}", "did you mean 'greylist'"),
])
def test_a_guard_that_is_configured_wrongly_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        configured(text)


@pytest.mark.parametrize("text", ["[smtp]\nrequire_login = true", "[submission]\nrequire_login = false",
                                  '[pipeline.route]\npostmaster = "alice@example.org"'])
def test_what_follows_from_other_settings_is_no_setting(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a setting"):
        configured(text)


def test_a_ca_file_that_cannot_be_read_is_told_before_the_first_mail(tmp_path: Path) -> None:
    (tmp_path / "mailframe.toml").write_text(
        'domains = ["example.org"]\n[relay.routes."far.example"]\nhost = "mail.far.example"\nca_file = "ca.pem"\n')
    config = load(tmp_path / "mailframe.toml")
    with pytest.raises(ValueError, match=f"line 4: The CA file {tmp_path / 'ca.pem'} cannot be read"):
        build(config, MemoryReactorClock())  # type: ignore[no-untyped-call]


def test_a_ca_file_where_nothing_is_verified_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="verifies nothing"):
        configured('[relay.smarthost]\nhost = "mail.far.example"\ntls = "none"\nca_file = "ca.pem"')
