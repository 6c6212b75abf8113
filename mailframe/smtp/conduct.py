"""What a client has done wrong in this connection, and when it is enough."""

from __future__ import annotations

from .settings import SmtpSettings


class Conduct:
    """Each method counts one fault more; those that return bool say whether the connection is to end."""

    __slots__ = ("_errors", "_idle", "_login_failures", "_refusals", "_refused_recipients", "_settings")

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self.forget()

    def forget(self) -> None:
        """Somebody else speaks now (XCLIENT)."""
        self._login_failures = 0
        self.forgive()

    def forgive(self) -> None:
        """A message was taken: who sends what we want may be wrong at times. A password that was guessed at stays counted."""
        self._errors = self._idle = self._refused_recipients = self._refusals = 0

    def bad_command(self) -> bool:
        self._errors += 1
        return self._errors >= self._settings.max_errors

    def idle_command(self) -> bool:
        """A command, or a message, of which nothing came. Beyond `max_idle_commands` each is an error (as in Postfix)."""
        self._idle += 1
        return self._idle > self._settings.max_idle_commands and self.bad_command()

    def worth_a_line(self) -> bool:
        """One refusal more: whether the log tells of it by itself."""
        self._refusals += 1
        return self._refusals <= self._settings.max_logged_refusals

    @property
    def untold(self) -> int:
        """Refusals of which the log has not told."""
        return max(self._refusals - self._settings.max_logged_refusals, 0)

    def refused_recipient(self) -> bool:
        self._refused_recipients += 1
        return self._refused_recipients >= self._settings.max_refused_recipients

    def login_failed(self) -> int:
        """How many have failed; AUTH ends the connection itself."""
        self._login_failures += 1
        return self._login_failures
