"""What a configuration says reaches the parts that it is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock

from mailframe.app.build import build
from mailframe.app.config import FIXED, Config, load
from mailframe.app.parts import Parts
from mailframe.app.toml import ConfigError, Document, PluginSpec, read
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


@pytest.mark.parametrize("text", ["[smtp]\nrequire_login = true", "[submission]\nrequire_login = false",
                                  '[pipeline.route]\npostmaster = "alice@example.org"'])
def test_what_follows_from_other_settings_is_no_setting(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a setting"):
        configured(text)


def test_a_ca_file_that_cannot_be_read_is_told_before_the_first_mail(tmp_path: Path) -> None:
    (tmp_path / "mailframe.toml").write_text(
        'domains = ["example.org"]\n[relay.routes."far.example"]\nhost = "mail.far.example"\nca_file = "ca.pem"\n')
    config = load(tmp_path / "mailframe.toml")
    with pytest.raises(ValueError, match=f"the CA file {tmp_path / 'ca.pem'} cannot be read"):
        build(config, MemoryReactorClock())  # type: ignore[no-untyped-call]


def test_a_ca_file_where_nothing_is_verified_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="verifies nothing"):
        configured('[relay.smarthost]\nhost = "mail.far.example"\ntls = "none"\nca_file = "ca.pem"')
