"""Content in plain files: what lies on the disk, who may read it, and what a bad disk does to it."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from mailframe.model.refusal import NoSuchMessage, StorageFull, TryAgainLater
from mailframe.sqlite.errors import EngineError
from mailframe.stores.directory import DirectoryContent
from mailframe.stores.directory.readers import IDLE_S, Readers
from mailframe.testing.temporary import TemporaryPlaces

reactor: Any = the_reactor
OCTETS = b"octets" * 100_000


class DirectoryTests(TemporaryPlaces, TestCase):
    async def opened(self, path: Path | None = None) -> DirectoryContent:
        content = DirectoryContent(path or Path(self.mktemp()) / "content", reactor)
        await content.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(content.close()))
        return content

    async def kept(self, content: DirectoryContent, octets: bytes = OCTETS) -> str:
        staged = await content.stage()
        for offset in range(0, len(octets), 100_000):
            await staged.write(octets[offset:offset + 100_000])
        return await staged.seal()

    def files(self, content: DirectoryContent) -> list[Path]:
        """But the lock."""
        return sorted(path for path in content.path.rglob("*") if path.is_file() and path.name != "lock")

    async def test_folders_are_0700_and_files_0600(self) -> None:
        """I9"""
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        content = await self.opened()
        staged = await content.stage()
        await staged.write(OCTETS)
        await staged.write(OCTETS)
        await self.kept(content)
        for path in (content.path, *content.path.rglob("*")):
            self.assertEqual(0o700 if path.is_dir() else 0o600, stat.S_IMODE(path.stat().st_mode), path)

    async def test_equal_octets_rest_once(self) -> None:
        content = await self.opened()
        names = [await self.kept(content) for _ in range(3)]
        files = self.files(content)
        self.assertEqual((3, 1), (len(files), len({path.stat().st_ino for path in files})))
        await content.remove(names[:2])
        self.assertEqual([1], [path.stat().st_nlink for path in self.files(content)])

    async def test_where_there_are_no_links_each_has_a_file(self) -> None:
        for number in (errno.EMLINK, errno.EXDEV, errno.EPERM, errno.ENOENT, errno.EOPNOTSUPP):
            content = await self.opened()
            self.patch(os, "link", _fails(number))
            names = [await self.kept(content) for _ in range(2)]
            self.assertEqual([OCTETS] * 2, [await content.read(name, 0, 1 << 30) for name in names])
            self.assertEqual(2, len({path.stat().st_ino for path in self.files(content)}))

    async def test_a_spoilt_file_is_told_of_and_stands_for_nothing_new(self) -> None:
        """I1: what came whole is not kept as another name of what the disk has spoilt."""
        content = await self.opened()
        names = [await self.kept(content) for _ in range(2)]
        self.assertEqual([None, None], [await content.verify(name) for name in names])
        with self.files(content)[0].open("r+b") as file:
            file.seek(len(OCTETS) // 2)
            file.write(b"X")
        fresh = await self.kept(content)
        self.assertEqual(OCTETS, await content.read(fresh, 0, 1 << 30))
        self.assertEqual(["its octets are not what was written"] * 2, [await content.verify(name) for name in names])
        self.assertIsNone(await content.verify(fresh))
        os.truncate(content.path / fresh[0] / fresh[1] / fresh, 100)
        self.assertEqual("its octets are not what was written", await content.verify(fresh))
        await content.remove([fresh])
        for name in (fresh, "no id", "../../etc/passwd"):
            self.assertEqual("there is no such file", await content.verify(name))

    async def test_a_reader_in_the_middle_finishes_after_the_removal(self) -> None:
        content = await self.opened()
        name = await self.kept(content)
        first = await content.read(name, 0, 100_000)
        await content.remove([name])
        rest = b""
        while part := await content.read(name, 100_000 + len(rest), 100_000):
            rest += part
        self.assertEqual(OCTETS, first + rest)

    async def test_what_was_read_to_its_end_takes_no_space_after_the_removal(self) -> None:
        content = await self.opened()
        name = await self.kept(content)
        await content.read(name, 0, 1 << 30)
        await content.remove([name])
        with self.assertRaises(NoSuchMessage):
            await content.read(name, 0, 1)

    async def test_a_full_disk_is_refused_and_nothing_is_left(self) -> None:
        for name, number, refusal in (
            ("write", errno.ENOSPC, StorageFull), ("write", errno.EDQUOT, StorageFull), ("write", errno.EIO, TryAgainLater),
            ("fdatasync", errno.EIO, TryAgainLater), ("rename", errno.EROFS, TryAgainLater), ("fsync", errno.EIO, TryAgainLater),
        ):
            content = await self.opened()
            real = getattr(os, name)
            self.patch(os, name, _fails(number) if name != "write" else _fails_on_files(number, real))
            with self.assertRaises(refusal) as caught:
                await self.kept(content)
            self.assertIn(os.strerror(number), caught.exception.detail)
            setattr(os, name, real)
            await content.close()
            self.assertEqual([], self.files(content), name)

    async def test_after_a_failed_write_the_session_is_told_and_nothing_is_left(self) -> None:
        content = await self.opened()
        real = os.write
        self.patch(os, "write", _fails_on_files(errno.ENOSPC, real))
        staged = await content.stage()
        with self.assertRaises(StorageFull):
            for _ in range(3):
                await staged.write(bytes(300_000))
        with self.assertRaises(StorageFull):
            await staged.seal()
        staged.abort()
        os.write = real
        await content.close()
        self.assertEqual([], self.files(content))

    async def test_two_servers_do_not_share_a_folder(self) -> None:
        content = await self.opened()
        with self.assertRaisesRegex(EngineError, "another process is using the content folder"):
            await self.opened(content.path)
        await content.close()
        await self.opened(content.path)

    async def test_a_folder_that_cannot_be_made_is_a_sentence(self) -> None:
        path = Path(self.mktemp())
        path.write_text("a file")
        with self.assertRaisesRegex(EngineError, "cannot write the content folder .*: Not a directory"):
            await self.opened(path / "content")

    async def test_what_a_crash_left_is_removed_at_the_start_and_nothing_else(self) -> None:
        content = await self.opened()
        name = await self.kept(content)
        await content.close()
        (content.path / "staging" / "half").write_bytes(b"x")
        (content.path / "notes.txt").write_text("an administrator's")
        again = await self.opened(content.path)
        self.assertEqual(["notes.txt", name], sorted((path.name for path in self.files(again)), reverse=True))
        self.assertEqual([name], list(await again.ids("", 10)))

    async def test_a_file_that_vanished_is_a_message_that_is_gone(self) -> None:
        content = await self.opened()
        name = await self.kept(content)
        self.files(content)[0].unlink()
        with self.assertRaises(NoSuchMessage):
            await content.read(name, 0, 10)

    async def test_where_the_system_cannot_say_what_is_in_memory_threads_read(self) -> None:
        content = await self.opened()
        name = await self.kept(content)
        for number in (errno.EAGAIN, errno.EOPNOTSUPP):
            self.patch(os, "preadv", _fails(number))
            parts = await gatherResults([
                Deferred.fromCoroutine(content.read(name, offset, 1_000)) for offset in range(0, 9_000, 1_000)])
            self.assertEqual(OCTETS[:9_000], b"".join(parts))

    async def test_it_resumes_when_a_folder_was_taken_away(self) -> None:
        content = await self.opened()
        name = await self.kept(content)
        shutil.rmtree(content.path / name[0])
        with self.assertRaises(TryAgainLater):
            await self.kept(content)
        again = await self.kept(content)
        self.assertEqual(OCTETS, await content.read(again, 0, 1 << 30))

    async def test_nothing_works_before_the_start_or_after_the_end(self) -> None:
        content = DirectoryContent(Path(self.mktemp()), reactor)
        await content.close()
        await content.start()
        await content.start()
        await content.close()
        await content.close()
        with self.assertRaises(EngineError):
            await content.ids("", 1)

    def test_open_files_are_few_and_are_let_go(self) -> None:
        clock: Any = Clock()
        readers = Readers(clock.seconds)
        closed: list[int] = []
        self.patch(os, "close", closed.append)
        for number in range(130):
            readers.give_back(readers.add(str(number), number))
        self.assertEqual([0, 1], closed)
        busy = readers.take("5")
        assert busy is not None
        clock.advance(IDLE_S)
        readers.give_back(readers.add("6", 1_006))
        self.assertEqual([0, 1, 1_006], closed)
        readers.close_idle()
        self.assertEqual({*range(130), 1_006} - {5, 6}, set(closed))
        readers.give_back(busy)
        readers.close_all()
        self.assertLessEqual({5, 6}, set(closed))


def _fails(number: int) -> Any:
    def fails(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))
    return fails


def _fails_on_files(number: int, real: Any) -> Any:
    """The reactor's own wake-ups are one octet."""
    def fails(descriptor: int, octets: Any) -> int:
        if len(octets) > 1:
            raise OSError(number, os.strerror(number))
        written: int = real(descriptor, octets)
        return written
    return fails
