"""SIGTERM in the middle of chunks, of LMTP's data, and with mail that is held: what is under way ends, all else waits well (I1)."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from support.crash.rest import Rest
from support.disks import message
from support.intakeclient import LARGE, ROLES, SMALL, Client
from support.intakeserver import start
from support.servers import PATIENCE_S

HALF, HOLD_S = LARGE // 2, 3_600


def test_transactions_in_hand_end_and_all_others_are_told(tmp_path: Path) -> None:
    """In each role: in the middle of DATA, between two chunks, in the middle of one, before the first octet; and who is idle."""
    server, begun_at = start(tmp_path), time.time()
    with ExitStack() as stack:
        def client(role: str) -> Client:
            return stack.enter_context(Client.of(role, server.ports))

        under_way: list[Callable[[], None]] = []
        idle = []
        for role in ROLES:
            idle.append(client(role))
            under_way += [in_data(client(role)), between_chunks(client(role)), within_a_chunk(client(role)), begun(client(role))]
        server.process.send_signal(signal.SIGTERM)
        for each in idle:
            told_to_go(each)
        for go_on in under_way:
            go_on()
    server.process.wait(PATIENCE_S)
    assert server.stop() == 0
    assert "Traceback" not in server.output, server.output
    assert server.output.count(" accepted id=") == len(under_way)
    kept = Rest(tmp_path / "data", tmp_path / "rest").queued()
    assert set(kept) == {f"{name}-submission" for name in ("data", "between", "within", "begun")}
    for each in kept.values():
        assert each.hold == each.next_try and abs(each.next_try - HOLD_S - begun_at) < PATIENCE_S
    server = start(tmp_path)
    assert server.stop() == 0 and "Traceback" not in server.output, server.output
    assert Rest(tmp_path / "data", tmp_path / "rest").queued() == kept


def told_to_go(client: Client) -> None:
    assert client.line().startswith(b"421 4.3.2 ") and client.rest() == b""


def held(client: Client, name: str) -> str:
    """What only our own users may ask for."""
    return f" HOLDFOR={HOLD_S} ENVID={name}-{client.role}" if client.role == "submission" else ""


def ended(client: Client) -> None:
    for _ in range(ROLES[client.role][1]):
        code, text = client.reply()
        assert code == 250, (client.role, text)
    told_to_go(client)


def in_data(client: Client) -> Callable[[], None]:
    whole = message(f"data {client.role}", LARGE)
    client.begin(parameters=held(client, "data"))
    client.expect(354, b"DATA")
    client.send(whole[:HALF])

    def go_on() -> None:
        client.send(whole[HALF:] + b".\r\n")
        ended(client)
    return go_on


def between_chunks(client: Client) -> Callable[[], None]:
    whole = message(f"chunks {client.role}", LARGE)
    client.begin(parameters=held(client, "between"))
    client.send(b"BDAT %d\r\n" % HALF + whole[:HALF])
    assert client.reply()[0] == 250

    def go_on() -> None:
        client.send(b"BDAT %d LAST\r\n" % len(whole[HALF:]) + whole[HALF:])
        ended(client)
    return go_on


def within_a_chunk(client: Client) -> Callable[[], None]:
    whole = message(f"chunk {client.role}", LARGE)
    client.begin(parameters=held(client, "within"))
    client.send(b"BDAT %d LAST\r\n" % len(whole) + whole[:HALF])

    def go_on() -> None:
        client.send(whole[HALF:])
        ended(client)
    return go_on


def begun(client: Client) -> Callable[[], None]:
    client.begin(parameters=held(client, "begun"))

    def go_on() -> None:
        client.expect(354, b"DATA")
        client.send(message(f"begun {client.role}", SMALL) + b".\r\n")
        ended(client)
    return go_on
