"""What README.md has its reader type works as it stands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from smtplib import SMTP

import pytest
from support.documents import ROOT, any_port, blocks
from support.servers import ANY_PORTS, PATIENCE_S, MailServer


def readme(words: str) -> str:
    """The one shell block that holds `words`."""
    (text,) = [block.text for block in blocks(ROOT / "README.md", "sh") if words in block.text]
    return text


def shell(script: str, folder: Path, text: str = "") -> str:
    """What it says, with the commands of the environment that runs the tests on the PATH."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(["sh", "-euc", script], cwd=folder, input=text, text=True, capture_output=True, timeout=PATIENCE_S,
                          check=False, env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, (script, done.stdout, done.stderr)
    return done.stdout


@pytest.mark.skipif(not (shutil.which("swaks") and shutil.which("curl")), reason="swaks or curl is not installed")
def test_the_readme_sends_and_reads(tmp_path: Path) -> None:
    server = MailServer(tmp_path, *ANY_PORTS)
    try:
        script = readme("swaks").replace("PASSWORD", server.password)
        for shown, name in (("1025", "smtp"), ("1143", "imap"), ("1110", "pop3")):
            script = script.replace(f":{shown}", f":{server.ports[name]}")
        assert shell(script, tmp_path).count("Subject: Hello") >= 2
    finally:
        assert server.stop() == 0, server.output


def test_the_readme_makes_a_server_of_ones_own(tmp_path: Path) -> None:
    *before, start = readme("mailframe config").strip().splitlines()
    assert "The configuration is good." in shell("\n".join(before), tmp_path, "secret phrase\n")
    config = tmp_path / "mailframe.toml"
    config.write_text(any_port(config.read_text()))
    server = MailServer(tmp_path, *start.partition(" mailframe ")[2].split())
    try:
        with SMTP("127.0.0.1", server.ports["submission"], timeout=PATIENCE_S) as client:
            client.login("alice@example.org", "secret phrase")
    finally:
        assert server.stop() == 0, server.output


def test_the_readme_embeds_what_the_example_embeds() -> None:
    (block,) = blocks(ROOT / "README.md", "python")
    compile(block.text, "README.md", "exec")
    for line in block.text.splitlines():
        if "import" in line:
            exec(line, {})


def test_ci_finds_the_readmes_two_blocks() -> None:
    text = (ROOT / "README.md").read_text()
    for heading in ("## Run it", "## Test it"):
        assert re.search(rf"^{heading}$.*?^```sh\n(.+?)^```$", text, re.MULTILINE | re.DOTALL)
