"""twistd's short options: what they mean together, and what is said of those that do not fit."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from support.servers import ANY_PORTS, PATIENCE_S, twistd

from mailframe.app.build import rehearse
from mailframe.app.config import Config
from mailframe.app.options import Options, configuration
from mailframe.app.toml import ConfigError, PluginSpec


def meant(*arguments: str) -> Config:
    options = Options()
    options.parseOptions(arguments)  # type: ignore[no-untyped-call]
    return configuration(options)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_any_it_is_development_mode() -> None:
    config = meant()
    assert config.development and config.listeners["smtp"].endpoint == "tcp:1025:interface=127.0.0.1"


@pytest.mark.parametrize("arguments", [
    ("--storage", "memory"), ("--delivery", "mailbox"), ("--filter", "x"), ("--data", "elsewhere"), ("--hostname", "a.example"),
    ("--smtp", "2525"), ("--imap", "off"),
], ids=" ".join)
def test_what_changes_a_part_stays_development_mode(arguments: tuple[str, ...]) -> None:
    assert meant(*arguments).development


@pytest.mark.parametrize("arguments", [("--domain", "example.org"), ("--auth", "file", "--domain", "example.org"),
                                       ("--relay", "smtp.example.org", "--domain", "example.org")], ids=" ".join)
def test_what_makes_a_server_ones_own_ends_development_mode(arguments: tuple[str, ...]) -> None:
    config = meant(*arguments)
    assert not config.development and config.listeners["smtp"].endpoint == "tcp:25"


@pytest.mark.parametrize("arguments", [("--auth", "file"), ("--relay", "smtp.example.org")], ids=" ".join)
def test_a_real_server_needs_a_domain(arguments: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="No domain is configured"):
        meant(*arguments)


def test_every_option_ends_in_the_configuration(tmp_path: Path) -> None:
    config = meant(
        "--domain", "Example.org", "--domain", "bücher.example", "--hostname", "mail.example.org", "--data", "there",
        "--storage", "sqlite:mail.db", "--delivery", "mailbox", "--auth", "file:people", "--auth", "strcred:unix",
        "--directory", "everyone", "--filter", "small_plugins.here:Shouting:a:b", "--filter", "other",
        "--relay", "smtp.example.org:2525", "--certificate", "cert.pem", "--key", "key.pem",
        "--smtp", "2525", "--submission", "127.0.0.1:2587", "--submissions", "off", "--imap", "[::1]:2143",
        "--imaps", "tcp:2993", "--pop3", "off", "--pop3s", "off")
    assert config.domains == ("example.org", "xn--bcher-kva.example")
    assert (config.hostname, config.data) == ("mail.example.org", tmp_path / "there")
    assert config.storage == PluginSpec("sqlite", {}, "mail.db")
    assert config.auth == (PluginSpec("file", {}, "people"), PluginSpec("strcred", {}, "unix"))
    assert config.directory == PluginSpec("everyone")
    assert config.filters == (PluginSpec("small_plugins.here:Shouting", {}, "a:b"), PluginSpec("other"))
    host = config.relay.smarthost
    assert host is not None and (host.host, host.port) == ("smtp.example.org", 2525)
    assert config.tls.pairs() == ((tmp_path / "cert.pem", tmp_path / "key.pem"),)
    assert {name: item.endpoint for name, item in config.listeners.items()} == {
        "smtp": "tcp:2525", "submission": "tcp:2587:interface=127.0.0.1", "imap": "tcp6:2143:interface=\\:\\:1",
        "imaps": "tcp:2993"}
    assert config.listeners["imaps"].tls == "implicit"


def test_lmtp_is_there_only_when_asked_for() -> None:
    assert "lmtp" not in meant("--domain", "one.example").listeners
    for arguments in (("--domain", "one.example"), ()):
        listener = meant(*arguments, "--lmtp", "unix:/run/lmtp:mode=660").listeners["lmtp"]
        assert (listener.role, listener.endpoint) == ("lmtp", "unix:/run/lmtp:mode=660")


def test_an_option_changes_the_endpoint_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(
        'domains = ["one.example"]\n[listeners.smtp]\nrole = "mx"\nendpoint = "25"\nproxy_from = ["192.0.2.1"]\n')
    listener = meant("--config", "m.toml", "--smtp", "2525").listeners["smtp"]
    assert (listener.endpoint, listener.proxy_from) == ("tcp:2525", ("192.0.2.1",))


def test_options_are_laid_over_a_configuration_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "m.toml").write_text(
        'domains = ["example.org"]\nstorage = "memory"\ndata = "here"\n'
        '[listeners.in]\nrole = "smtp"\nendpoint = "2525"\n[listeners.imap]\nrole = "imap"\nendpoint = "2143"\n')
    config = meant("--config", "sub/m.toml", "--storage", "sqlite", "--imap", "3143")
    assert (config.storage.plugin, config.domains, config.data) == ("sqlite", ("example.org",), tmp_path / "sub" / "here")
    assert {name: item.endpoint for name, item in config.listeners.items()} == {"in": "tcp:2525", "imap": "tcp:3143"}
    assert meant("--config", "sub/m.toml", "--data", "there").data == tmp_path / "there"


@pytest.mark.parametrize(("arguments", "words"), [
    (("--certificate", "c.pem"), "--certificate and --key belong together"),
    (("--relay", "host:port"), "--relay"),
    (("--relay", ""), "--relay is empty"),
    (("--data", ""), "--data is empty"),
    (("--smtp", "smtp"), "'smtp' is no endpoint"),
    (("--smtp", "99999"), "ports end at 65535"),
    (("--config", "nothing.toml"), "Cannot read the configuration"),
], ids=lambda item: " ".join(item) if isinstance(item, tuple) else "")
def test_what_does_not_fit_is_one_sentence(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        meant(*arguments)


@pytest.mark.parametrize(("arguments", "words"), [
    (("--storage", "jason:x"), "There is no storage plugin 'jason'"),
    (("--storage", "nowhere.mail:Store"), "No module named 'nowhere'"),
    (("--domain", "example.org", "--auth", "strcred:memory:ada:secret"), "--directory everyone"),
    (("--domain", "example.org", "--auth", "strcred:nothing"), "The auth plugin 'strcred' cannot be used"),
    (("--filter", "mailframe.stores.memory:MemoryStore"), "does not say that it provides IConnectionFilter"),
], ids=lambda item: " ".join(item) if isinstance(item, tuple) else "")
def test_a_plugin_that_cannot_be_is_one_sentence(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        rehearse(meant(*arguments))
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("argument", ["--storage=jason:x", "--nonsense"])
def test_what_twistd_cannot_start_ends_with_exit_code_1(tmp_path: Path, argument: str) -> None:
    done = subprocess.run(twistd("-n", "--pidfile=", "mailframe", *ANY_PORTS, argument), cwd=tmp_path, text=True,
                          capture_output=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert re.search("jason|nonsense", done.stderr + done.stdout)


def test_help_explains_every_option_within_a_terminals_width(tmp_path: Path) -> None:
    words = subprocess.run(twistd("mailframe", "--help"), capture_output=True, text=True, cwd=tmp_path, check=True,
                           env={"COLUMNS": "80", "PATH": "/usr/bin:/bin"}).stdout
    assert all(len(line) <= 80 for line in words.splitlines()), words
    for name in ("config", "domain", "auth", "directory", "filter", "storage", "delivery", "relay", "smtp", "imaps", "data"):
        assert re.search(rf"--{name}=? +[A-Z]", words), f"--{name}"
    assert "development mode" in words and "NAME:ARGUMENT" in words
