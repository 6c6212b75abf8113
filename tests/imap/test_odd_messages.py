"""Messages that nobody should send: every item of each is answered within the grammar (the world's clients judge that)."""

from __future__ import annotations

import pytest
from support.imap_world import World, run

ITEMS = (
    "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE MODSEQ)", "(RFC822 RFC822.HEADER RFC822.TEXT)",
    "(BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1] BODY.PEEK[1.MIME])",
    "(BODY.PEEK[1.HEADER] BODY.PEEK[1.TEXT] BODY.PEEK[1.1] BODY.PEEK[1.1.MIME] BODY.PEEK[1.1.HEADER])",
    "(BODY.PEEK[2] BODY.PEEK[2.1] BODY.PEEK[2.HEADER] BODY.PEEK[2.TEXT] BODY.PEEK[2.MIME] BODY.PEEK[2.1.1.1.1.1.1])",
    "(BODY.PEEK[HEADER.FIELDS (Subject To)] BODY.PEEK[HEADER.FIELDS.NOT (Subject)] BODY.PEEK[2.HEADER.FIELDS (From)])",
    "(BODY.PEEK[]<0.1> BODY.PEEK[]<1.4294967295> BODY.PEEK[TEXT]<3.2> BODY.PEEK[HEADER]<4294967295.1>)", "ALL", "FAST", "FULL",
)
PART = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
MESSAGES = {
    "a single octet": b"x", "an empty line": b"\r\n", "two": b"\r\n\r\n", "a header alone": b"Subject: only\r\n",
    "an unfinished header": b"Subject: onl", "no header": b"\r\nbody\r\n", "NUL": b"Subject: a\0b\r\nX\0: \0\r\n\r\n\0\0body\0",
    "8-bit": b"Subject: \xff\xfe\r\nFrom: \xe9 <\xe9@\xe9>\r\n\r\n\x80\xff",
    "bare LF": b"Subject: a\nTo: b\n\nbody\n",
    "bare CR": b"Subject: a\rTo: b\r\r\rbody", "quotes": b'Subject: "\\"\r\nFrom: "\\"\r\n\r\n',
    "multipart without parts": PART, "multipart with nothing between": PART + b"--b\r\n--b--\r\n",
    "multipart without boundary": b"Content-Type: multipart/mixed\r\n\r\nx",
    "multipart unfinished": PART + b"--b\r\nSubject: in\r\n",
    "only the last boundary": PART + b"--b--\r\n", "digest of nothing": PART.replace(b"mixed", b"digest") + b"--b\r\n\r\n--b--\r\n",
    "nested": b"Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\nSubject: deep\r\n\r\nx\r\n",
    "nested empty": b"Content-Type: message/rfc822\r\n\r\n",
    "nested multipart": PART + b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + PART.replace(b"=b", b"=c")
    + b"--c\r\n\r\nx\r\n--c--\r\n--b--\r\n",
    "strange types": b'Content-Type: ;;=;"\r\nContent-Disposition: =\r\nContent-Language: ,,\r\nContent-ID: (\r\n\r\nx',
    "parameters": b"Content-Type: text/plain; charset*0*=us'; charset*1=; name=\"\0\xff\"; =x\r\n\r\nx",
    "groups": b"To: a: b@c, \"d\" <e@f>;, g:;, <>, @\r\nFrom: ,\r\nSender: (x\r\nDate: \0\r\nMessage-ID: \r\n\r\n",
}


@pytest.mark.parametrize("octets", MESSAGES.values(), ids=MESSAGES.keys())
def test_every_item(octets: bytes) -> None:
    async def talk(world: World) -> None:
        client = await world.login()
        assert (await client.command(b"a APPEND INBOX ~{%d+}\r\n%b" % (len(octets), octets)))[-1].startswith("a OK")
        await client.command("b SELECT INBOX (CONDSTORE)")
        for number, items in enumerate(ITEMS):
            answer = await client.command(f"c{number} FETCH 1 {items}")
            assert answer[-1] == f"c{number} OK FETCH completed", answer
        for number, key in enumerate(("TEXT x", "BODY x", 'HEADER X ""', "SENTSINCE 1-Jan-2000", "FROM x", "LARGER 0")):
            answer = await client.command(f"d{number} SEARCH {key}")
            assert answer[-1] == f"d{number} OK SEARCH completed", answer
        for command in ("SORT (DATE SUBJECT FROM DISPLAYTO CC SIZE) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL"):
            assert (await client.command(f"e {command}"))[-1].startswith("e OK")
        fetched = [response.value for response in client.responses if response.kind == b"FETCH"]
        whole = next(items[b"BODY[]"] for items in fetched if b"BODY[]" in items)
        assert whole == octets.replace(b"\0", b"\x80")             # no literal can hold a NUL; the size stays
        assert fetched[0][b"RFC822.SIZE"] == len(octets)
        pieces = next(items for items in fetched if b"RFC822.TEXT" in items)
        assert pieces[b"RFC822.HEADER"] + pieces[b"RFC822.TEXT"] == whole

    run(talk)


def test_a_long_literal_with_nul_is_within_the_grammar_too() -> None:
    async def talk(world: World) -> None:
        client = await world.login()
        octets = b"Subject: long\r\n\r\n" + b"\0" * 600_000
        await client.command(b"a APPEND INBOX ~{%d+}\r\n%b" % (len(octets), octets))
        await client.command("b SELECT INBOX")
        await client.command("c FETCH 1 BODY[]")
        assert client.responses[-2].value[b"BODY[]"] == octets.replace(b"\0", b"\x80")

    run(talk)
