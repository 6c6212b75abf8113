"""When the queue tries again."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.queue.schedule import RetrySettings, expires, next_try, warn_at

DEFAULT = RetrySettings()


def test_delays_double_from_five_minutes_to_four_hours() -> None:
    delays = [next_try(DEFAULT, tries, 0.0, lambda: 0.5) for tries in range(1, 9)]
    assert delays == [300, 600, 1200, 2400, 4800, 9600, 14400, 14400]


@given(st.integers(1, 10_000), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_jitter_stays_within_its_part(tries: int, lot: float) -> None:
    middle = next_try(DEFAULT, tries, 0.0, lambda: 0.5)
    assert 0.9 * middle - 1e-6 <= next_try(DEFAULT, tries, 0.0, lambda: lot) <= 1.1 * middle + 1e-6


def test_mail_is_kept_for_five_days_and_reports_for_two() -> None:
    assert expires(DEFAULT, 100.0, False) == 100 + 5 * 86_400
    assert expires(DEFAULT, 100.0, True) == 100 + 2 * 86_400


def test_delay_is_told_only_to_who_asked_unless_the_operator_says_so() -> None:
    assert warn_at(DEFAULT, 0.0, frozenset()) is None
    assert warn_at(DEFAULT, 0.0, frozenset({"FAILURE"})) is None
    assert warn_at(DEFAULT, 0.0, frozenset({"DELAY", "FAILURE"})) == 4 * 3_600
    always = RetrySettings(warn_after_s=3_600)
    assert warn_at(always, 0.0, frozenset()) == 3_600
    assert warn_at(always, 0.0, frozenset({"NEVER"})) is None
    assert warn_at(always, 0.0, frozenset({"FAILURE"})) is None
