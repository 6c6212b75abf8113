"""The copy in Sent: there when it is wanted, with Bcc, once; and never the reason why a message is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from support.bare_store import BareStore
from support.coroutines import result_of
from support.mailparts import KeepingAgent
from support.pipelineworld import MESSAGE, STRANGER, USER, PipelineWorld, to
from twisted.internet.defer import Deferred

from mailframe.interfaces.store import IMailStore
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope
from mailframe.model.mailbox import FRESH_ACCOUNT, Field, NewMailbox
from mailframe.model.refusal import OverQuota, Refusal, TryAgainLater
from mailframe.pipeline.settings import PipelineSettings
from mailframe.pipeline.submission.settings import SubmissionSettings
from mailframe.stores.memory import MemoryStore

BOB, EVE, FAR = to("bob@example.org"), to("eve@example.org"), to("joe@example.net")
ME = Address.parse("bob@example.org")
SECRET = b"Bcc: secret@example.net\r\n"


def world(*saved: str, **more: Any) -> PipelineWorld:
    return PipelineWorld(settings=PipelineSettings(submission=SubmissionSettings(save_sent=saved or ("*",))), **more)


def flags(place: PipelineWorld, folder: str) -> list[int]:
    async def read() -> list[int]:
        account = await place.store.open_account("bob", FRESH_ACCOUNT)
        [found] = [each.id for each in (await account.mailboxes()).mailboxes if each.name == folder]
        mailbox = await account.open_mailbox(found)
        return list((await mailbox.rows([(1, 1 << 31)], 10, Field.FLAGS)).flags)

    return result_of(read())


@pytest.fixture(params=["sqlite", "memory", "bare"])
def store(request: pytest.FixtureRequest) -> Iterator[IMailStore | None]:
    """In one engine with the queue; a plugin of another kind; the shortest one."""
    made: dict[str, Any] = {"sqlite": lambda: None, "memory": MemoryStore, "bare": BareStore}
    yield made[request.param]()


@pytest.mark.parametrize("recipients", [(FAR,), (EVE,), (EVE, FAR), (BOB, EVE, FAR)])
def test_the_sender_finds_what_was_sent(store: IMailStore | None, recipients: Sequence[Any]) -> None:
    """With Bcc and all that was mended, without our trace, read; others get theirs as ever."""
    place = world(store=store)
    place.mail("bob")                                     # the account is there
    before = place.engine.jobs
    place.send(*recipients, peer=USER, sender=ME, content=SECRET + MESSAGE)
    jobs = place.engine.jobs - before
    [copy] = place.mail("bob", "Sent")
    assert copy.startswith(SECRET + b"From: bob@example.org\r\nDate: ") and copy.endswith(MESSAGE)
    assert b"Received" not in copy and b"Return-Path" not in copy
    assert flags(place, "Sent") == [1]
    assert place.queued() == ["joe@example.net"] * (FAR in recipients)
    assert [len(place.mail("eve")), len(place.mail("bob"))] == [EVE in recipients, BOB in recipients]
    assert all(b"secret" not in each for each in place.mail("eve"))
    if store is None:
        assert jobs == 1                                  # one commit for all of it


def test_large_messages_are_copied_as_well(store: IMailStore | None) -> None:
    place, content = world(store=store), SECRET + MESSAGE + b"x" * 400_000 + b"\r\n"
    place.send(FAR, EVE, peer=USER, sender=ME, content=content)
    assert place.mail("bob", "Sent")[0].endswith(content[len(SECRET):]) and place.mail("eve")[0].endswith(content[len(SECRET):])


@pytest.mark.parametrize(("saved", "kept"), [(("bob@mx.example.org",), 0), (("eve@example.org",), 0), (("*",), 1)])
def test_only_accounts_that_are_named(saved: tuple[str, ...], kept: int) -> None:
    place = world(*saved)
    place.directory.table["carl@example.org"] = place.directory.table["bob@example.org"]
    place.send(EVE, peer=USER, sender=ME)
    assert len(place.mail("bob", "Sent")) == kept
    place.send(BOB, peer=STRANGER)
    assert len(place.mail("bob", "Sent")) == kept


def test_off_by_default() -> None:
    place = PipelineWorld()
    place.send(EVE, peer=USER, sender=ME)
    assert place.mail("bob", "Sent") == []


def _rename(place: PipelineWorld, moves: dict[str, str]) -> None:
    async def change() -> None:
        account = await place.store.open_account("bob", FRESH_ACCOUNT)
        ids = {each.name: each.id for each in (await account.mailboxes()).mailboxes}
        await account.rename([(ids[old], new) for old, new in moves.items()])

    result_of(change())


def test_the_mailbox_is_known_by_its_use_whatever_its_name() -> None:
    """RFC 6154 section 2."""
    place = world()
    _rename(place, {"Sent": "Gesendet"})
    place.send(EVE, peer=USER, sender=ME)
    assert len(place.mail("bob", "Gesendet")) == 1


@pytest.mark.parametrize("there", [(), ("Sent",)])
def test_it_is_made_where_there_is_none_and_one_called_sent_will_do(there: tuple[str, ...]) -> None:
    place = world()

    async def change() -> None:
        account = await place.store.open_account("bob", ())
        for name in there:
            await account.create(NewMailbox(name))

    result_of(change())
    place.send(EVE, peer=USER, sender=ME)
    assert len(place.mail("bob", "Sent")) == 1


def test_a_full_mailbox_does_not_stop_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy is refused and logged; the message goes."""
    place = world(local=KeepingAgent())
    append = place.store.append_unit

    def full(*arguments: Any) -> Any:
        _, after = append(*arguments)
        return lambda _: [OverQuota()], after

    monkeypatch.setattr(place.store, "append_unit", full)
    assert place.send(FAR, peer=USER, sender=ME) == {FAR: None}
    assert place.queued() == ["joe@example.net"] and place.mail("bob", "Sent") == []


@pytest.mark.parametrize("error", [TryAgainLater(), RuntimeError("broken")])
@pytest.mark.parametrize("step", ["open_account", "append"])
def test_a_broken_store_does_not_stop_the_message(step: str, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """I7."""
    place = world(store=MemoryStore(), local=KeepingAgent())
    account = result_of(place.store.open_account("bob", FRESH_ACCOUNT))

    async def broken(*_: Any) -> None:
        raise error

    if step == "append":
        [sent] = [each.id for each in result_of(account.mailboxes()).mailboxes if each.name == "Sent"]
        monkeypatch.setattr(type(result_of(account.open_mailbox(sent))), step, broken)
    else:
        monkeypatch.setattr(place.store, step, broken)
    assert place.send(FAR, peer=USER, sender=ME) == {FAR: None}
    assert place.queued() == ["joe@example.net"]


def test_a_store_that_does_not_answer_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    place = world(store=MemoryStore(), local=KeepingAgent())
    monkeypatch.setattr(place.store, "open_account", lambda *_: Deferred())

    async def conversation() -> Any:
        delivery = await place.pipeline.begin(Envelope("e1", ME, USER, place.clock.seconds()))
        await delivery.add_recipient(FAR)
        await delivery.write(MESSAGE)
        return await delivery.commit()

    running = Deferred.fromCoroutine(conversation())
    place.clock.advance(30.0)
    assert result_of(_of(running)) == {FAR: None}


async def _of(waiting: Any) -> Any:
    return await waiting


def test_a_message_that_is_refused_leaves_no_copy() -> None:
    """Or the next try would leave a second one."""
    place = world(local=(agent := KeepingAgent()))
    agent.refuse["eve@example.org"] = OverQuota()
    assert isinstance(place.send(EVE, peer=USER, sender=ME)[EVE], Refusal)
    assert place.mail("bob", "Sent") == []
    place.engine.broken = TryAgainLater()
    with pytest.raises(TryAgainLater):
        place.send(FAR, peer=USER, sender=ME)
    place.engine.broken = None
    assert place.mail("bob", "Sent") == []
    place.send(FAR, peer=USER, sender=ME)
    assert len(place.mail("bob", "Sent")) == 1


def test_a_message_that_waits_for_its_mailbox_leaves_one_copy() -> None:
    place = world(local=(agent := KeepingAgent()))
    agent.refuse["eve@example.org"] = TryAgainLater()
    assert place.send(EVE, peer=USER, sender=ME) == {EVE: None}
    assert place.queued() == ["eve@example.org"] and len(place.mail("bob", "Sent")) == 1
