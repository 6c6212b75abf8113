"""Every mechanism: client and server agree, garbage is refused, and no secret shows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.sasl.exchange import PasswordProof, SaslError, decode_base64, encode_base64, encode_initial
from mailframe.sasl.registry import MECHANISMS

names = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)


def play(mechanism: bytes, user: str, password: str, *, initial: bool) -> PasswordProof:
    server, client = MECHANISMS[mechanism].server(), MECHANISMS[mechanism].client(user, password)
    answer = server.respond(client.initial() if initial else None)
    for _ in range(4):
        if isinstance(answer, PasswordProof):
            return answer
        answer = server.respond(client.respond(answer))
    raise AssertionError("no end")


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(sorted(MECHANISMS)), names, names, st.booleans())
def test_our_client_and_our_server_agree(mechanism: bytes, user: str, password: str, initial: bool) -> None:
    assert play(mechanism, user, password, initial=initial) == PasswordProof("", user, password)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(MECHANISMS)), st.lists(st.binary(max_size=60) | st.none(), max_size=4))
def test_any_octets_end_in_an_answer_or_a_sasl_error(mechanism: bytes, responses: list[bytes | None]) -> None:
    server = MECHANISMS[mechanism].server()
    for response in responses:
        try:
            if isinstance(server.respond(response), PasswordProof):
                return
        except SaslError:
            return


@pytest.mark.parametrize("message", [
    b"", b"user", b"user\0pw", b"\0user\0", b"\0\0pw", b"\0user\0pw\0", b"\0us\ner\0pw", b"\0user\0p\x7fw",
    b"\0\xff\0pw", b"\0user\0" + b"x" * 1025, b"\0user\0\xc2\x85", b"\0u\0p\0q",
])
def test_plain_refuses(message: bytes) -> None:
    with pytest.raises(SaslError):
        MECHANISMS[b"PLAIN"].server().respond(message)


def test_plain_carries_an_authorisation_identity_and_utf8() -> None:
    proof = MECHANISMS[b"PLAIN"].server().respond("boss\0jürgen\0pä ss".encode())
    assert proof == PasswordProof("boss", "jürgen", "pä ss")


def test_login_takes_the_user_name_as_initial_response() -> None:
    server = MECHANISMS[b"LOGIN"].server()
    assert server.respond(b"bob") == b"Password:"
    assert server.respond(b"pw") == PasswordProof("", "bob", "pw")


def test_no_password_in_repr_or_error() -> None:  # I9
    assert "secret" not in repr(PasswordProof("", "bob", "secret"))
    with pytest.raises(SaslError) as caught:
        MECHANISMS[b"PLAIN"].server().respond(b"\0bob\0secret\x01")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("line", [b"====", b"a", b"YQ", b"YQ==\n", b"Y Q=", b"YR==", b"\xff\xff\xff\xff", b"*", b"YQ==YQ=="])
def test_base64_is_strict(line: bytes) -> None:
    with pytest.raises(SaslError):
        decode_base64(line)


def test_base64_empty_initial_response() -> None:
    assert decode_base64(b"=") == b"" == decode_base64(b"")
    assert encode_initial(b"") == b"=" and encode_base64(b"") == b""
    assert decode_base64(encode_base64(b"\0a\0b")) == b"\0a\0b"
