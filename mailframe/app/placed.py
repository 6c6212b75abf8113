"""What is found out only when the parts are made is told with its place in the configuration, as what is found on reading it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mailframe.app.config import Config
from mailframe.app.toml import ConfigError, Key, ended
from mailframe.tls.pem import Unusable


@contextmanager
def placing(config: Config) -> Iterator[None]:
    """A ConfigError that has a key, or a certificate file that cannot be used, is raised as one that says where it is named."""
    try:
        yield
    except Unusable as error:
        sentence = str(error)
        raise ConfigError(_at(config, _named_by(config)[error.path], ended(sentence[:1].upper() + sentence[1:]))) from None
    except ConfigError as error:
        raise ConfigError(_at(config, error.key, str(error))) from error.__cause__


def _at(config: Config, key: Key, sentence: str) -> str:
    place = config.place(key) if key and config.place is not None else ""
    return f"{place}: {sentence}" if place else sentence


def _named_by(config: Config) -> dict[object, Key]:
    """Which setting names each PEM file; of several the first."""
    found: dict[object, Key] = {}
    tables: list[tuple[Key, object, object]] = [(("tls",), config.tls.certificate, config.tls.key)]
    tables += [(("tls", "also", number), each.certificate, each.key) for number, each in enumerate(config.tls.also)]
    for table, certificate, key in tables:
        found.setdefault(certificate, (*table, "certificate"))
        found.setdefault(key, (*table, "key"))
    if config.relay.smarthost is not None:
        found.setdefault(config.relay.smarthost.ca_file, ("relay", "smarthost", "ca_file"))
    for domain, host in config.relay.routes.items():
        found.setdefault(host.ca_file, ("relay", "routes", domain, "ca_file"))
    return found
