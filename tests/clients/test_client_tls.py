"""The settings of docs/clients.md as they stand: TLS from the first octet, the server's certificate verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from support.client_settings import settings
from support.client_world import USER, Maildir, World, deliver, needs, run, world
from support.servers import PATIENCE_S
from support.terminal import Terminal


@pytest.fixture
def around(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        deliver(made.server, "under TLS")
        (tmp_path / "home" / ".cache").mkdir(parents=True)
        (tmp_path / "home" / ".mail-password").write_text(made.server.password + "\n")
        yield made


@pytest.fixture
def write(around: World, tmp_path: Path) -> Callable[[str, str, Mapping[str, str]], Path]:
    """A program's settings into its file in its home folder."""
    ports = around.server.ports
    common = {"mail.example.org": "localhost", "alice@example.org": USER}

    def writing(language: str, name: str, changes: Mapping[str, str]) -> Path:
        numbers = {"993": str(ports["imaps"])} | ({"465": str(ports["submissions"])} if language == "muttrc" else {})
        path = tmp_path / "home" / name
        path.write_text(settings(language, {**changes, **common, **numbers}))
        return path

    return writing


Write = Callable[[str, str, Mapping[str, str]], Path]


@needs("mbsync")
def test_mbsync(around: World, tmp_path: Path, write: Write) -> None:
    here = Maildir(tmp_path / "home" / "Mail")
    here.folder.mkdir()
    write("mbsyncrc", ".mbsyncrc", {"SSLType IMAPS": f"SSLType IMAPS\nCertificateFile {around.certificate_file}"})
    run("mbsync", "example", env={"HOME": str(tmp_path / "home")})
    assert set(here.files()) == {"under TLS"}


@needs("mbsync")
def test_mbsync_refuses_a_certificate_that_nobody_vouches_for(around: World, tmp_path: Path, write: Write) -> None:
    (tmp_path / "home" / "Mail").mkdir()
    write("mbsyncrc", ".mbsyncrc", {})
    assert "certificate" in run("mbsync", "example", env={"HOME": str(tmp_path / "home")}, ok=(1,))


@needs("offlineimap")
def test_offlineimap(around: World, tmp_path: Path, write: Write) -> None:
    here = Maildir(tmp_path / "home" / "Mail")
    write("offlineimaprc", ".offlineimaprc", {
        "/etc/ssl/certs/ca-certificates.crt": str(around.certificate_file), "secret": around.server.password,
        "~/Mail": str(here.folder),
    })
    run("offlineimap", "-o", "-u", "basic", env={"HOME": str(tmp_path / "home")}, patience_s=3 * PATIENCE_S)
    assert set(here.files()) == {"under TLS"}


@pytest.mark.parametrize("program", [pytest.param(each, marks=needs(each)) for each in ("mutt", "neomutt")])
def test_mutt_reads_and_sends(around: World, tmp_path: Path, write: Write, program: str) -> None:
    rc = write("muttrc", "muttrc", {
        "alice%40example.org": "dev%40localhost", "secret": around.server.password,
        "set timeout = 15": f"set certificate_file = {around.certificate_file}\n"
                            "set quit = yes\nset editor = true\nset abort_unmodified = no",
    })
    keys = f"<copy-message>=Archive<enter><mail>{USER}<enter>by {program}<enter><send-message><quit>"
    with Terminal((program, "-n", "-F", str(rc), "-e", f'push "{keys}"', "-e", "set confirmappend=no"), tmp_path,
                  {"HOME": str(tmp_path / "home")}) as terminal:
        terminal.ended()
    assert set(around.mail()) == {"under TLS", f"by {program}"} and set(around.mail("Archive")) == {"under TLS"}
    assert set(around.mail("Sent")) == {f"by {program}"}
