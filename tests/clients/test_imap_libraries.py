"""The libraries that programs read mail with, each against a whole server: imapclient, imap-tools, aioimaplib, imapflow."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.servers import ANY_PORTS, PATIENCE_S, MailServer

USER = "dev@localhost"
HOST = "127.0.0.1"
LETTER = b"From: Ann <ann@example.org>\r\nTo: dev@localhost\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?= %d\r\n" \
         b"Date: Mon, 01 Jan 2024 10:00:0%d +0000\r\nMessage-ID: <%d@example.org>\r\n\r\nhello %d\r\n"


def letter(number: int) -> bytes:
    return LETTER % ((number,) * 4)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    server = MailServer(tmp_path_factory.mktemp("server"), *ANY_PORTS)
    yield server
    assert server.stop() == 0, server.output
    assert "Traceback" not in server.output


def test_imapclient(server: MailServer) -> None:
    imapclient = pytest.importorskip("imapclient")
    with imapclient.IMAPClient(HOST, port=server.ports["imap"], ssl=False, timeout=PATIENCE_S) as client:
        client.login(USER, server.password)
        assert client.has_capability("MOVE") and client.namespace().personal == (("", "/"),)
        assert b"mailframe" in client.id_({"name": "test"})[0]
        assert client.find_special_folder(b"\\Sent") == "Sent"
        client.create_folder("Entwürfe & mehr/drei")
        client.subscribe_folder("Entwürfe & mehr/drei")
        assert "Entwürfe & mehr/drei" in [name for _, _, name in client.list_folders()]
        assert "Entwürfe & mehr" in [name for _, _, name in client.list_folders("", "%")]
        folder = "Entwürfe & mehr"
        for number in range(1, 5):
            assert b"APPENDUID" in client.append(folder, letter(number), (b"\\Seen",) if number == 2 else ())
        assert client.multiappend(folder, [letter(5), {"msg": letter(6), "flags": [b"$Work"]}])
        told = client.select_folder(folder)
        assert (told[b"EXISTS"], told[b"UIDNEXT"], told[b"READ-WRITE"]) == (6, 7, True)
        assert client.search("UNSEEN") == [1, 3, 4, 5, 6]
        assert client.search(["SUBJECT", "grüße 3"], "UTF-8") == [3]
        assert client.search(["KEYWORD", "$Work"]) == [6]
        assert client.sort(["REVERSE", "DATE"]) == [6, 5, 4, 3, 2, 1]
        assert len(client.thread("REFERENCES")) >= 1
        fetched = client.fetch([1, 6], ["FLAGS", "ENVELOPE", "BODYSTRUCTURE", "INTERNALDATE", "RFC822.SIZE", "BODY.PEEK[]"])
        assert fetched[1][b"BODY[]"] == letter(1) and fetched[1][b"RFC822.SIZE"] == len(letter(1))
        assert b"$Work" in fetched[6][b"FLAGS"] and fetched[6][b"ENVELOPE"].from_[0].mailbox == b"ann"
        assert fetched[1][b"BODYSTRUCTURE"][0] == b"text"
        assert imapclient.DELETED in client.add_flags([1, 2], [imapclient.DELETED])[1]
        client.copy([3], "Archive")
        client.move([4], "Archive")
        client.uid_expunge([1])
        assert client.folder_status(folder, ["MESSAGES", "UNSEEN"])[b"MESSAGES"] == 4
        client.idle()
        with imapclient.IMAPClient(HOST, port=server.ports["imap"], ssl=False, timeout=PATIENCE_S) as other:
            other.login(USER, server.password)
            other.append(folder, letter(7))
            assert (5, b"EXISTS") in client.idle_check(timeout=PATIENCE_S)
        client.idle_done()
        client.close_folder()
        assert client.select_folder("Archive", readonly=True)[b"EXISTS"] == 2
        client.unselect_folder()
        client.rename_folder(folder, "Später")
        assert client.folder_exists("Später/drei")
        client.delete_folder("Später/drei")
        client.delete_folder("Später")
        assert "Entwürfe & mehr/drei" in [name for _, _, name in client.list_sub_folders()]


def test_imapclient_resynchronises(server: MailServer) -> None:
    imapclient = pytest.importorskip("imapclient")
    with imapclient.IMAPClient(HOST, port=server.ports["imap"], ssl=False, timeout=PATIENCE_S) as client:
        client.login(USER, server.password)
        client.create_folder("changes")
        client.append("changes", letter(1))
        client.append("changes", letter(2))
        assert client.enable("CONDSTORE") == [b"CONDSTORE"]
        seen = client.select_folder("changes")[b"HIGHESTMODSEQ"]
        client.add_flags([2], [imapclient.FLAGGED])
        changed = client.fetch([1, 2], ["FLAGS"], [f"CHANGEDSINCE {seen}"])
        assert list(changed) == [2] and changed[2][b"MODSEQ"][0] > seen


def test_imapclient_comes_back_after_others_changed_things(server: MailServer) -> None:
    imapclient = pytest.importorskip("imapclient")

    def connected() -> Any:
        client = imapclient.IMAPClient(HOST, port=server.ports["imap"], ssl=False, timeout=PATIENCE_S)
        client.login(USER, server.password)
        return client

    with connected() as client, connected() as other:
        client.create_folder("back")
        for number in range(1, 5):
            client.append("back", letter(number))
        assert b"QRESYNC" in client.enable("QRESYNC")
        before = client.select_folder("back")
        client.unselect_folder()
        other.select_folder("back")
        other.delete_messages([2])
        other.expunge([2])
        other.set_flags([3], [imapclient.ANSWERED])
        other.move([4], "Archive")
        other.append("back", letter(5))
        known = f"(QRESYNC ({before[b'UIDVALIDITY']} {before[b'HIGHESTMODSEQ']} 1:4))"
        client._imap._simple_command("SELECT", "back", known)       # it has no words of its own for this
        told = client._imap.untagged_responses
        assert told["VANISHED"] == [b"(EARLIER) 2,4"] and told["EXISTS"][-1] == b"3"
        assert any(b"UID 3" in line and b"\\Answered" in line for line in told["FETCH"])
        client._imap.state = "SELECTED"
        client._imap.untagged_responses = {}
        client.idle()
        other.add_flags([1], [imapclient.FLAGGED])
        assert any(each[1] == b"FETCH" and b"\\Flagged" in str(each[2]).encode() for each in client.idle_check(timeout=PATIENCE_S))
        other.delete_messages([3])
        other.expunge([3])
        pushed: list[Any] = []
        while (b"VANISHED", 3) not in pushed:
            came = client.idle_check(timeout=PATIENCE_S)
            assert came, pushed
            pushed += came
        client.idle_done()
        sent = client.append(client.find_special_folder(b"\\Sent"), letter(6), (imapclient.SEEN,))
        assert b"APPENDUID" in sent


def test_imap_tools(server: MailServer) -> None:
    imap_tools = pytest.importorskip("imap_tools")
    with imap_tools.MailBoxUnencrypted(HOST, server.ports["imap"], timeout=PATIENCE_S).login(USER, server.password) as box:
        box.folder.create("tools")
        for number in range(1, 4):
            box.append(letter(number), "tools", flag_set=[imap_tools.MailMessageFlags.FLAGGED] if number == 3 else None)
        assert box.folder.status("tools")["MESSAGES"] == 3
        box.folder.set("tools")
        assert [each.subject for each in box.fetch(mark_seen=False)] == ["grüße 1", "grüße 2", "grüße 3"]
        assert [each.uid for each in box.fetch(imap_tools.AND(flagged=True), bulk=True)] == ["3"]
        assert [each.uid for each in box.fetch(imap_tools.AND(subject="grüße 2"), charset="UTF-8", headers_only=True)] == ["2"]
        assert box.uids(imap_tools.OR(text="hello 1", from_="nobody")) == ["1"]
        box.flag(["1", "2"], imap_tools.MailMessageFlags.SEEN, True)
        assert box.uids("SEEN") == ["1", "2", "3"]
        box.move(["1"], "Archive")
        box.copy(["2"], "Archive")
        box.delete(["2"])
        assert box.uids() == ["3"]
        assert {"tools", "Sent"} <= {each.name for each in box.folder.list()}
        box.folder.rename("tools", "renamed")
        box.folder.set("INBOX")
        box.folder.delete("renamed")


def test_aioimaplib(server: MailServer) -> None:
    aioimaplib = pytest.importorskip("aioimaplib")

    async def session() -> None:
        client = aioimaplib.IMAP4(HOST, server.ports["imap"], timeout=PATIENCE_S)
        await client.wait_hello_from_server()
        assert (await client.login(USER, server.password)).result == "OK"
        assert (await client.enable("CONDSTORE")).result == "OK"
        assert (await client.create("aio")).result == "OK"
        assert (await client.append(letter(1), "aio")).result == "OK"
        assert (await client.select("aio")).result == "OK"
        found = await client.uid_search("ALL")
        assert found.lines[0] == b"1"
        fetched = await client.uid("fetch", "1", "(UID RFC822.SIZE BODY.PEEK[])")
        assert letter(1) in [bytes(line) for line in fetched.lines]
        idling = await client.idle_start(timeout=PATIENCE_S)
        other = aioimaplib.IMAP4(HOST, server.ports["imap"], timeout=PATIENCE_S)
        await other.wait_hello_from_server()
        await other.login(USER, server.password)
        await other.append(letter(2), "aio")
        assert b"2 EXISTS" in await client.wait_server_push(PATIENCE_S)
        client.idle_done()
        await asyncio.wait_for(idling, PATIENCE_S)
        assert rb"\Sent" in b"".join((await client.list('""', "*")).lines)
        told = b" ".join((await client.select("aio")).lines)
        seen = told.partition(b"HIGHESTMODSEQ ")[2].partition(b"]")[0].decode()
        await other.select("aio")
        await other.uid("store", "2", "+FLAGS (\\Flagged)")
        changed = await client.uid("fetch", "1:*", f"(FLAGS) (CHANGEDSINCE {seen})")
        assert changed.lines[:-1] and all(b"UID 2 FLAGS (\\Flagged" in line for line in changed.lines[:-1])
        assert (await client.uid("store", "1", "+FLAGS (\\Seen)")).result == "OK"
        assert (await other.uid_search("SEEN")).lines[0] == b"1"
        assert (await client.uid("move", "1:*", "Archive")).result == "OK"
        assert (await client.uid_search("ALL")).lines[0] == b""
        await client.logout()
        await other.logout()

    asyncio.run(asyncio.wait_for(session(), 3 * PATIENCE_S))


IMAPFLOW = """
const { ImapFlow } = require('imapflow');
const assert = require('assert');
const letter = n => Buffer.from(
  `From: a@example.org\\r\\nSubject: flow ${n}\\r\\nMessage-ID: <${n}@x>\\r\\n\\r\\nhello ${n}\\r\\n`);
(async () => {
  const login = { host: '127.0.0.1', port: +process.env.PORT, secure: false, doSTARTTLS: process.env.TLS === '1',
                  tls: { rejectUnauthorized: false }, logger: false,
                  auth: { user: process.env.LOGIN, pass: process.env.PASSWORD } };
  const client = new ImapFlow({ ...login, qresync: true });
  await client.connect();
  await client.mailboxCreate(['flow', 'ä&b']);
  const path = 'flow/ä&b';
  for (let n = 1; n <= 4; n++) {
    const made = await client.append(path, letter(n), n == 2 ? ['\\\\Seen'] : [], new Date(0));
    assert.equal(made.uid, n);
  }
  const listed = await client.list({ statusQuery: { messages: true, unseen: true, uidNext: true, highestModseq: true } });
  assert.equal(listed.find(each => each.path === path).status.messages, 4);
  assert.equal(listed.find(each => each.specialUse === '\\\\Sent').path, 'Sent');
  const lock = await client.getMailboxLock(path);
  const told = [];
  client.on('expunge', each => told.push(['expunge', each.uid || each.seq]));
  client.on('flags', each => told.push(['flags', each.uid]));
  client.on('exists', each => told.push(['exists', each.count]));
  assert.equal(client.mailbox.exists, 4);
  assert(client.mailbox.highestModseq > 0n);
  const all = [];
  for await (const each of client.fetch('1:*', { uid: true, flags: true, envelope: true, bodyStructure: true, internalDate: true,
                                                  size: true, source: true, headers: ['subject'], threadId: true })) all.push(each);
  assert.deepEqual(all.map(each => each.envelope.subject), ['flow 1', 'flow 2', 'flow 3', 'flow 4']);
  assert(all[0].source.equals(letter(1)));
  assert.deepEqual(await client.search({ seen: false, subject: 'flow' }, { uid: true }), [1, 3, 4]);
  const other = new ImapFlow(login);
  await other.connect();
  const theirs = await other.getMailboxLock(path);
  await other.messageFlagsAdd('3', ['\\\\Flagged'], { uid: true });
  await other.messageDelete('1', { uid: true });
  await other.append(path, letter(5));
  await client.noop();
  assert(told.some(each => each[0] === 'expunge' && each[1] === 1), JSON.stringify(told));
  assert(told.some(each => each[0] === 'flags' && each[1] === 3), JSON.stringify(told));
  assert(told.some(each => each[0] === 'exists' && each[1] === 4), JSON.stringify(told));
  const moved = await client.messageMove('2:3', 'Archive', { uid: true });
  assert.equal(moved.uidMap.size, 2);
  const body = await client.download('4', null, { uid: true });
  let octets = 0; for await (const chunk of body.content) octets += chunk.length;
  assert.equal(octets, letter(4).length);
  theirs.release(); lock.release();
  await other.logout();
  await client.mailboxDelete(path);
  await client.logout();
  console.log('flown');
})().catch(error => { console.error(error); process.exit(1); });
"""


def node_finds(package: str) -> bool:
    node = shutil.which("node")
    return node is not None and not subprocess.run(
        [node, "-e", f"require.resolve('{package}')"], capture_output=True, check=False, timeout=PATIENCE_S).returncode


@pytest.mark.skipif(not node_finds("imapflow"), reason="imapflow is not installed for node")
@pytest.mark.parametrize("tls", ["0", "1"])
def test_imapflow(server: MailServer, tmp_path: Path, tls: str) -> None:

    done = subprocess.run(
        ["node", "-e", IMAPFLOW], capture_output=True, text=True, timeout=3 * PATIENCE_S, check=False,
        env={**os.environ, "PORT": str(server.ports["imap"]), "LOGIN": USER, "PASSWORD": server.password, "TLS": tls})
    assert done.returncode == 0 and "flown" in done.stdout, done.stdout + done.stderr
