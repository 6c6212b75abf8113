"""Thunderbird on a display that nobody sees, with a fresh profile, told by scripts what a user would do."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from support.marionette import Marionette, ScriptError
from support.servers import PATIENCE_S, Child

ACTIONS = Path(__file__).with_name("thunderbird.js")
QUIET = {
    # One window; nothing is asked, nothing is fetched from elsewhere.
    "app.normandy.enabled": False,
    "app.update.auto": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "extensions.getAddons.cache.enabled": False,
    "extensions.update.enabled": False,
    "mail.inappnotifications.enabled": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.rights.version": 1,
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mailnews.start_page.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "offline.download.download_messages": 2,        # when going offline: not asked, nothing more is fetched
    "services.settings.server": "http://127.0.0.1:9/",
    "toolkit.telemetry.enabled": False,
    # Nothing happens by itself before the password is known.
    "mail.server.server1.check_new_mail": False,
    "mail.server.server1.login_at_startup": False,
    "marionette.port": 0,
}


class Thunderbird:
    """Ready for scripts when made; `act` calls a function of thunderbird.js by name."""

    def __init__(self, folder: Path, settings: str) -> None:
        """`settings`: lines of a user.js."""
        profile = folder / "profile"
        profile.mkdir()
        quiet = "".join(f'user_pref("{name}", {json.dumps(value)});\n' for name, value in QUIET.items())
        (profile / "user.js").write_text(quiet + settings)
        with ExitStack() as started:
            display = Child(("Xvfb", "-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"), folder)
            started.callback(display.stop)
            program = Child(
                ("thunderbird", "--marionette", "--remote-allow-system-access", "--no-remote", "--profile", str(profile)), folder,
                env={"DISPLAY": f":{display.wait_for('^[0-9]+$')[0]}", "HOME": str(folder), "TMPDIR": str(folder),
                     "XDG_RUNTIME_DIR": str(folder), "LC_ALL": "C.UTF-8", "MOZ_CRASHREPORTER_DISABLE": "1"})
            started.callback(program.stop)
            self.marionette = Marionette(int(program.wait_for(r"Listening on port (\d+)")[1]))
            started.callback(self.marionette.close)
            self.marionette.run(ACTIONS.read_text())
            self._program, self._started = program, started.pop_all()

    def act(self, name: str, *arguments: Any) -> Any:
        try:
            return self.marionette.run(f"return window.acting.{name}(...arguments)", *arguments)
        except ScriptError as error:
            raise AssertionError(f"{name}{arguments}: {error}") from None

    def stop(self) -> None:
        """As its user quits it; it must end by itself."""
        with self._started:
            self.marionette.quit()
            self._program.process.wait(PATIENCE_S)
