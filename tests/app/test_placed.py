"""What is found out only after reading the configuration is told with its place, by the start and by `mailframe check` alike."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.certificates import pem_pair
from support.servers import PATIENCE_S, twistd

CONFIG = """\
hostname = "mx.one.example"
domains = ["one.example"]
data = "post"

[listeners.smtp]
role = "mx"
endpoint = "127.0.0.1:0"

[tls]
certificate = "one.pem"
key = "one.key"

[[tls.also]]
certificate = "two.pem"
key = "two.key"
"""


def write_pairs(folder: Path, *names: str) -> None:
    for name in names:
        certificate, key = pem_pair(f"{name}.example")
        (folder / f"{name}.pem").write_bytes(certificate)
        (folder / f"{name}.key").write_bytes(key)


def said(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1, (done.stdout, done.stderr)
    return (done.stderr or done.stdout).removeprefix("mailframe: ")     # of its own usage twistd complains on stdout


def both(folder: Path) -> str:
    """What the start and the check say, which is the same sentence."""
    start = said(*twistd("--nodaemon", "--pidfile=", "mailframe", "--config", "mailframe.toml"), folder=folder)
    check = said(sys.executable, "-m", "mailframe.app.command", "check", "mailframe.toml", folder=folder)
    assert re.sub(r"\S*mailframe\.toml", "FILE", start) == re.sub(r"\S*mailframe\.toml", "FILE", check)
    return start


def spoilt(name: str, how: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda folder: how(folder / name)


@pytest.mark.parametrize(("spoil", "line", "words"), [
    (spoilt("one.pem", Path.unlink), 10, "The TLS certificate .*/one.pem cannot be read: No such file or directory."),
    (spoilt("one.key", lambda path: path.write_text("no key")), 11, "The TLS key .*/one.key is not a private key in PEM."),
    (spoilt("two.pem", lambda path: path.write_text("")), 14, "The TLS certificate .*/two.pem is not a PEM certificate."),
    (lambda folder: (folder / "two.key").write_bytes((folder / "one.key").read_bytes()), 15,
     "The TLS key .*/two.key does not belong to the certificate .*/two.pem."),
], ids=["missing", "no key", "empty", "another's key"])
def test_a_certificate_that_cannot_be_used_names_its_file_and_its_line(
    tmp_path: Path, spoil: Callable[[Path], object], line: int, words: str,
) -> None:
    write_pairs(tmp_path, "one", "two")
    (tmp_path / "mailframe.toml").write_text(CONFIG)
    spoil(tmp_path)
    assert re.fullmatch(rf"\S*mailframe.toml, line {line}: {words}\n", both(tmp_path))


@pytest.mark.parametrize(("more", "words"), [
    ('[relay.smarthost]\nhost = "mail.far.example"\nca_file = "ca.pem"', "line 11: The CA file .*/ca.pem cannot be read: .*"),
    ('[relay.routes."far.example"]\nhost = "mail.far.example"\nca_file = "ca.pem"', "line 11: The CA file .*/ca.pem cannot be .*"),
    ('[[filters]]\nplugin = "no.such.module:Filter"', "line 9: .*'no.such.module.*"),
    ('[storage]\nplugin = "maildir"\npath = "mail"\nlayout = "{acount}"', "line 9: The storage plugin 'maildir' .*"),
    ('[listeners.imap]\nrole = "imap"\nendpoint = "no:such:endpoint"', "line 11: The listener 'imap' has no usable endpoint .*"),
], ids=["smarthost", "route", "filter", "storage", "endpoint"])
def test_what_else_is_found_out_late_names_its_line(tmp_path: Path, more: str, words: str) -> None:
    (tmp_path / "mailframe.toml").write_text(CONFIG.partition("[tls]")[0] + more + "\n")
    start = said(*twistd("--nodaemon", "--pidfile=", "mailframe", "--config", "mailframe.toml"), folder=tmp_path)
    assert re.fullmatch(rf"\S*mailframe.toml, {words}\n", start), start


def test_an_option_that_is_wrong_is_named_in_place_of_the_file(tmp_path: Path) -> None:
    write_pairs(tmp_path, "one", "two")
    (tmp_path / "mailframe.toml").write_text(CONFIG)
    start = said(*twistd("--nodaemon", "--pidfile=", "mailframe", "--config", "mailframe.toml", "--certificate", "one.pem",
                         "--key", "three.key"), folder=tmp_path)
    assert re.fullmatch("--key: The TLS key .*/three.key cannot be read: No such file or directory.\n", start), start


@pytest.mark.parametrize(("options", "sentence"), [
    (("--imap", "127.0.0.1:99999"), "--imap: The listener 'imap': '127.0.0.1:99999' is no endpoint: ports end at 65535."),
    (("--storage", "nosuch"), "--storage: There is no storage plugin 'nosuch'"),
    (("--domain", "not a domain"), "--domain: domains: "),
    (("mailframe.toml",), "'mailframe.toml' belongs to no option; a configuration file is named by --config."),
])
def test_a_wrong_option_is_named(tmp_path: Path, options: tuple[str, ...], sentence: str) -> None:
    assert sentence in said(*twistd("--nodaemon", "--pidfile=", "mailframe", *options), folder=tmp_path)
