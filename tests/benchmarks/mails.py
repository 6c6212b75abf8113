"""Messages of about 10 KiB that differ in subject, sender, structure, encoding and attachments; the same ones each time."""

from __future__ import annotations

import base64
import quopri
import random

OCTETS = 10_240
COMMON, RARE, ABSENT = b"meeting", b"needleful", b"xylophonist"     # words of many, of one in a hundred, of no messages
_WORDS = 4_000
_SYLLABLES = ("ka", "lo", "mir", "ten", "su", "ra", "bel", "dor", "in", "vo", "qua", "pet", "shi", "lan", "gu")
_NAMES = ("Ada Byron", "Grüße Müller", "O'Neil, Pat", "李小龍", "Chidi Anagonye", "Zoë", "root", "Newsletter \"Weekly\"")


class Mails:
    """`make(n)` is the n-th."""

    def __init__(self) -> None:
        chance = random.Random(4)
        self._words = ["".join(chance.choices(_SYLLABLES, k=chance.randint(1, 4))) for _ in range(_WORDS)]

    def make(self, number: int) -> bytes:
        """Some 10,240 octets, CRLF throughout."""
        chance = random.Random(number)
        head = self._head(number, chance)
        shape = (self._plain, self._quoted, self._alternative, self._mixed, self._forwarded)[number % 5]
        return head + shape(number, chance, OCTETS - len(head))

    def _text(self, number: int, chance: random.Random, octets: int) -> bytes:
        words = chance.choices(self._words, k=max(20, octets // 7))
        words[3] = COMMON.decode() if number % 3 == 0 else words[3]
        words[7] = RARE.decode() if number % 100 == 0 else words[7]
        lines, line = [], ""
        for word in words:
            line = f"{line} {word}" if line else word
            if len(line) > 66:
                lines.append(line)
                line = ""
        return "\r\n".join(lines).encode()[:max(octets, 100)].removesuffix(b"\r") + b"\r\n"

    def _head(self, number: int, chance: random.Random) -> bytes:
        name = _NAMES[number % len(_NAMES)]
        quoted = name.replace('"', '\\"')
        shown = f'"{quoted}"' if name.isascii() else f"=?utf-8?b?{base64.b64encode(name.encode()).decode()}?="
        subject = " ".join(chance.choices(self._words, k=chance.randint(2, 9)))
        if number % 7 == 0:
            subject = f"=?utf-8?q?Gr=C3=BC=C3=9Fe_{number}?= {subject}"
        answered = f"In-Reply-To: <{number - 3}@list.example.org>\r\nReferences: <{number - 6}@list.example.org>\r\n\t" \
                   f"<{number - 3}@list.example.org>\r\n" if number % 4 == 3 else ""
        copies = "".join(f",\r\n person{other}@example.net" for other in range(number % 6))
        return (
            f"Received: from mx{number % 9}.example.net (mx.example.net [192.0.2.{number % 250}])\r\n\tby bench.example with "
            f"ESMTPS; Mon, {1 + number % 28:02d} Jan 2024 10:00:00 +0000\r\n"
            f"From: {shown} <person{number % 97}@example.org>\r\nTo: Reader <reader@bench.example>{copies}\r\n"
            f"Subject: {subject} {number}\r\nDate: Mon, {1 + number % 28} Jan {2020 + number % 5} {number % 24:02d}:00:00 +0100\r\n"
            f"Message-ID: <{number}@list.example.org>\r\n{answered}MIME-Version: 1.0\r\n").encode()

    def _plain(self, number: int, chance: random.Random, octets: int) -> bytes:
        return b"Content-Type: text/plain; charset=us-ascii\r\n\r\n" + self._text(number, chance, octets - 48)

    def _quoted(self, number: int, chance: random.Random, octets: int) -> bytes:
        words = self._text(number, chance, int(octets * 0.93)).replace(b"a", "ä".encode(), 60)
        text = quopri.encodestring(words.replace(b"\r\n", b"\n"))
        return (b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
                + text.replace(b"\n", b"\r\n"))

    def _alternative(self, number: int, chance: random.Random, octets: int) -> bytes:
        text = self._text(number, chance, octets // 2 - 250)
        html = b"<html><body><p>" + text.replace(b"\r\n", b"<br>\r\n") + b"</p></body></html>\r\n"
        return self._multipart(b"alternative", b"alt%d" % number, (
            b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text, b"Content-Type: text/html; charset=utf-8\r\n\r\n" + html))

    def _mixed(self, number: int, chance: random.Random, octets: int) -> bytes:
        body = self._alternative(number, chance, octets // 2)
        data = base64.encodebytes(chance.randbytes(int(octets * 0.33))).replace(b"\n", b"\r\n")
        return self._multipart(b"mixed", b"mix%d" % number, (
            body, b"Content-Type: application/pdf; name=\"report %d.pdf\"\r\n"
                  b"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n"
                  b" filename*0=\"report \"; filename*1=\"%d.pdf\"\r\n\r\n" % (number, number) + data))

    def _forwarded(self, number: int, chance: random.Random, octets: int) -> bytes:
        inner = self._head(number + 1_000_000, chance) + self._plain(number, chance, octets - 1_300)
        return self._multipart(b"mixed", b"fwd%d" % number, (
            b"Content-Type: text/plain\r\n\r\nFor your information.\r\n",
            b"Content-Type: message/rfc822\r\nContent-Disposition: inline\r\n\r\n" + inner))

    def _multipart(self, subtype: bytes, boundary: bytes, parts: tuple[bytes, ...]) -> bytes:
        head = b"Content-Type: multipart/%b; boundary=\"=-%b\"\r\n\r\n" % (subtype, boundary)
        return head + b"".join(b"--=-%b\r\n%b\r\n" % (boundary, part) for part in parts) + b"--=-%b--\r\n" % boundary
