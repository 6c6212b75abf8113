"""A message that is too big for memory and belongs to no store yet."""

from __future__ import annotations

import pytest
from support.coroutines import result_of

from mailframe.model.refusal import NoSuchMessage
from mailframe.pipeline.holder import Holder


def test_what_is_sealed_can_be_read_until_it_is_dropped() -> None:
    holder = Holder()

    async def story() -> None:
        staged = await holder.stage()
        await staged.write(b"hello ")
        await staged.write(b"world")
        name = await staged.seal()
        assert await holder.read(name, 0, 100) == b"hello world"
        assert await holder.read(name, 6, 3) == b"wor"
        holder.drop(name)
        with pytest.raises(NoSuchMessage):
            await holder.read(name, 0, 1)
        holder.drop(name)

    result_of(story())


def test_what_is_aborted_leaves_nothing() -> None:
    holder = Holder()
    result_of(holder.stage()).abort()
    assert not holder._files
