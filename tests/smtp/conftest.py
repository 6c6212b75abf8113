"""A server in memory for each test, and what it logs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.smtpworld import SmtpWorld
from twisted.logger import globalLogPublisher


@pytest.fixture
def world() -> SmtpWorld:
    return SmtpWorld()


@pytest.fixture
def events() -> Iterator[list[dict[str, object]]]:
    found: list[dict[str, object]] = []

    def observe(event: dict[str, object]) -> None:
        if event.get("log_namespace") == "mailframe.smtp":
            found.append(event)
    globalLogPublisher.addObserver(observe)
    yield found
    globalLogPublisher.removeObserver(observe)
