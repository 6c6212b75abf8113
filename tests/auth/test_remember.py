"""A remembered login is bounded in time and number, and tied to the stored hash."""

from __future__ import annotations

from twisted.internet.task import Clock

from mailframe.auth.remember import RecentLogins, RememberSettings


def memory(clock: Clock, **settings: float) -> RecentLogins:
    return RecentLogins(b"k" * 32, clock.seconds, RememberSettings(**settings))  # type: ignore[arg-type]


def test_only_the_proved_password_with_the_same_stored_hash_is_known() -> None:
    recent = memory(Clock())
    recent.note("alice", "right", "hash1")
    assert recent.knows("alice", "right", "hash1")
    assert not recent.knows("alice", "wrong", "hash1")
    assert not recent.knows("bob", "right", "hash1")
    assert not recent.knows("alice", "right", "hash2")  # R2: the password was changed


def test_it_ends_and_using_it_does_not_prolong_it() -> None:
    clock = Clock()
    recent = memory(clock, seconds=60)
    recent.note("alice", "right", "hash")
    clock.advance(59)
    assert recent.knows("alice", "right", "hash")
    clock.advance(1)
    assert not recent.knows("alice", "right", "hash")  # R3
    assert len(recent) == 0


def test_it_never_grows_beyond_its_size() -> None:
    recent = memory(Clock(), accounts=3)
    for number in range(10):
        recent.note(f"user{number}", "p", "h")
    assert len(recent) == 3
    assert recent.knows("user9", "p", "h") and not recent.knows("user6", "p", "h")


def test_the_password_is_nowhere_in_it() -> None:
    recent = memory(Clock())
    recent.note("alice", "hunter2-secret", "hash")
    assert "hunter2" not in repr(vars(recent))  # R1, I9
