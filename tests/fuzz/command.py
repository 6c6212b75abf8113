"""Whatever a client says is answered within the grammar, never "internal error", and the next command is understood (I4, I7).

    cd tests; python -m fuzz command [FOLDER] [-max_total_time=600] [libFuzzer's options]
"""

from __future__ import annotations

from support.imap_world import World, run
from support.sharing import sharing

MESSAGE = b"From: a@example.org\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhello\r\n--x--\r\n"


SHARED = "Other Users/bob/Team"


def one_input(octets: bytes) -> None:
    """Raises when the server did what it must not. The first octet says whether somebody is logged in,
    where, and how octets come."""
    how, octets = octets[:1] or b"\0", octets[1:]
    run(lambda world: _talk(world, how[0], octets), World(sharing(annotated=True)))


async def _share(world: World) -> None:
    """Whoever is logged in may read, flag and fill a mailbox of bob's, with a message and an annotation."""
    bob = await world.login("bob")
    await bob.command("a CREATE Team")
    await bob.command(b"b APPEND Team {%d+}\r\n%b" % (len(MESSAGE), MESSAGE))
    await bob.command('c SETMETADATA Team (/shared/comment "ours")')
    await bob.command("d SETACL Team alice lrsi")
    bob.hang_up()


async def _talk(world: World, how: int, octets: bytes) -> None:
    if how & 1:
        client = await world.login()
        await client.command(b"a APPEND INBOX {%d+}\r\n%b" % (len(MESSAGE), MESSAGE))
        if how & 2:
            await client.command("b ENABLE QRESYNC" if how & 4 else "b ENABLE IMAP4rev2")
        await _share(world)
        await client.command("c SELECT INBOX" if how & 64 else f'c SELECT "{SHARED}"')
    else:
        client = world.connect()
    step = (how >> 3) + 1 if how & 128 else max(len(octets), 1)
    for at in range(0, len(octets), step):
        if client.closed:
            break
        client.send(octets[at:at + step])
    world.clock.pump([3] * 3)
    assert "Internal error" not in "\n".join(client.pending())
    witness = await world.login("bob")          # nobody else is harmed
    assert (await witness.command("z NOOP"))[-1] == "z OK NOOP completed"

