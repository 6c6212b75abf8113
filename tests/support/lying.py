"""Messages whose MIME lies: strategies that make them, for tests that then ask the server about every part."""

from __future__ import annotations

from hypothesis import strategies as st

BOUNDARIES = (b"a", b"b", b"ab", b"a b", b"=_x", b"--", b"a--", b"'(),./:?+", b"x" * 70, b"x" * 501, b"", b"\xe9", b"a\0b")
TYPES = (
    b"text/plain", b"TEXT/html; charset=utf-8", b"text/plain; charset*0*=iso-8859''; charset*1=-1", b"text", b"text/", b"/", b"",
    b"application/octet-stream", b'image/png; name="\xff\0.png"', b"image/png; name=\"=?utf-8?B?w6kucG5n?=\"", b"message/rfc822",
    b"message/global", b"message/partial; id=x", b"message/delivery-status", b"multipart/mixed", b"multipart/alternative",
    b"multipart/digest", b"multipart/report; report-type=x", b"multipart/; boundary=a", b"text/plain; format=flowed" * 3,
    b"text/plain\r\n (a (comment; that) never ends", b'multipart/mixed; boundary="never closed', b"text/plain;" + b" x=y;" * 300,
    b"text/plain\0", b"te\rxt/pl\nain",
)
ENCODINGS = (b"7bit", b"8bit", b"binary", b"base64", b"quoted-printable", b"x-uuencode", b"BASE64 (yes)", b"", b"base64, 7bit")
FIELDS = (
    b"From: a@example.org", b"From: \"\\\" <a@b>, <@c:d@e>, group: x@y;", b"To: " + b"a@b, " * 500, b"Subject: =?utf-8?Q?=C3=28?=",
    b"Subject: =?utf-8?B?w6k", b"Subject: a\r\n\tb\r\n \r\n c", b"Date: Thu, 99 Foo 2026 25:61:61 +9999", b":", b" x",
    b"Message-ID: <a",
    b"no colon", b"X:" + b"y" * 2_000, b"Content-Disposition: attachment; filename*=utf-8''%e2%82", b"Content-ID: <(\\>",
    b"Content-Language: en,,de", b"Content-Description: \xff\0", b"Content-MD5: ", b"Content-Location:\r\n http://x", b"Bcc: \0\r",
    b"References: " + b"<a@b>" * 200, b"Sender: (((((((((((((((((", b"Reply-To: " + b"(" * 300,
)
LINE_ENDS = (b"\r\n", b"\n", b"\r\r\n", b"\r")
TEXTS = (
    b"", b"text\r\n", b"text", b"\r\n", b"--a", b"--a--", b"\r\n--b\r\n", b"--ab\r\n", b".\r\n", b"=3D=\r\n=zz=", b"w6k=\r\n",
    b"====",
    b"\0\0", b"\xff\xfe", b"a\rb\nc\r\n", b"x" * 1_200, b"begin 644 x\r\n#0V%T\r\nend\r\n", b"line\r\n" * 40,
    b"<html><p>&amp;<script>",
)


@st.composite
def headers(draw: st.DrawFn, boundary: bytes | None = None) -> bytes:
    """A header block, with or without the empty line that ends it."""
    end = draw(st.sampled_from(LINE_ENDS[:2]))
    lines = draw(st.lists(st.sampled_from(FIELDS), max_size=4))
    if boundary is not None:
        kind = draw(st.sampled_from((b"mixed", b"alternative", b"digest", b"signed")))
        quote = draw(st.sampled_from((b'"', b"")))
        lines.append(b"Content-Type: multipart/" + kind + b"; boundary=" + quote + boundary + quote)
    elif draw(st.booleans()):
        lines.append(b"Content-Type: " + draw(st.sampled_from(TYPES)))
    if draw(st.booleans()):
        lines.append(b"Content-Transfer-Encoding: " + draw(st.sampled_from(ENCODINGS)))
    return b"".join(line + end for line in draw(st.permutations(lines))) + draw(st.sampled_from((end, end, end, b"")))


@st.composite
def _multiparts(draw: st.DrawFn, parts: st.SearchStrategy[bytes]) -> bytes:
    """Its delimiters are those of its boundary, or of another, or are missing."""
    boundary = draw(st.sampled_from(BOUNDARIES))
    end = draw(st.sampled_from(LINE_ENDS))
    pieces = [draw(headers(boundary)), draw(st.sampled_from(TEXTS))]
    for part in draw(st.lists(parts, max_size=3)):
        said = boundary if draw(st.integers(0, 7)) else draw(st.sampled_from(BOUNDARIES))
        pieces += [end, b"--", said, draw(st.sampled_from((b"", b"", b" \t", b"junk"))), end, part]
    if draw(st.booleans()):
        pieces += [end, b"--", boundary, b"--", end, draw(st.sampled_from(TEXTS))]
    return b"".join(pieces)


def _wrapped(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    message = st.tuples(
        st.sampled_from((b"message/rfc822", b"Message/RFC822; x=y", b"message/global")), st.sampled_from(ENCODINGS[:4]), inner)
    enclosed = message.map(lambda it: b"Content-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % it)
    return _multiparts(inner) | enclosed


PARTS = st.tuples(headers(), st.sampled_from(TEXTS)).map(b"".join)
STRUCTURED = st.recursive(PARTS, _wrapped, max_leaves=12)


@st.composite
def _mangled(draw: st.DrawFn) -> bytes:
    """A structured message in which some octets were changed, cut out or doubled."""
    octets = draw(STRUCTURED)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(octets)))
        size = draw(st.integers(0, 12))
        octets = octets[:at] + draw(st.sampled_from((b"", b"\0", b"\r", b"\n", b"--", b"\xff", octets[:40]))) + octets[at + size:]
    return octets


#: Any of them is a message. Never empty: APPEND takes none that is.
LYING = (STRUCTURED | _mangled() | st.binary(min_size=1, max_size=300)).filter(bool)
