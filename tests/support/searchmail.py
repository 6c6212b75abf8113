"""Mail that searching, sorting and threading may stumble over, the same in each run."""

from __future__ import annotations

import random


def mail(body: bytes = b"body", **fields: str | bytes | list[str]) -> bytes:
    """One message; "_" in a field's name stands for "-"."""
    octets = b""
    for name, values in fields.items():
        for value in values if isinstance(values, list) else [values]:
            octets += name.replace("_", "-").encode() + b": " + (value.encode() if isinstance(value, str) else value) + b"\r\n"
    return octets + b"\r\n" + body + b"\r\n"


_PARTS = (
    b"before needle1\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"bmVlZGxlMiBow7xoCg==\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner needle3\r\n\r\ninner needle5\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n"
    b"<p>nee<b>dle6</b> needle7</p>\r\n--b\r\nContent-Type: application/octet-stream\r\nX-Part: needle8\r\n\r\nneedle9\r\n"
    b"--b--\r\nneedle0"
)
ODD: tuple[bytes, ...] = (
    mail(From="user-from@domain.org", To="user-to@domain.org", Cc="user-cc@domain.org", Bcc="user-bcc@domain.org",
         Subject="hello beautiful world", Date="Mon, 1 Jan 2024 23:30:00 -0800"),
    mail(From="RealFrom <user-from@domain.org>", Subject="Re: hello beautiful world", Date="Tue, 2 Jan 2024 00:30:00 +1400"),
    mail(From="<user-from (comment)@ (comment) domain.org>", Subject="[list] Re: hello beautiful\r\n\tworld",
         Date="Tue, 2 Jan 2024 00:30:00"),
    mail(From="user-from@domain.org (RealFrom)", Subject="=?utf-8?Q?J=C3=BCrgen_gr=C3=BC=C3=9Ft?=", Date="2 Jan 2024 00:30 EST"),
    mail(From="user-from1@domain.org, user-from2@domain.org", Subject="=?iso-8859-1?q?J=FCrgen?=\r\n =?iso-8859-1?q?_gr=FC=DFt?=",
         Date="Tue, 02 Jan 24 00:30:00 GMT"),
    mail(To="groupname: groupuser1@domain.org, groupuser2@domain.org;,\r\n  groupname2: groupuser3@domain.org;",
         Subject="Fwd: [list] hello beautiful world (fwd)", Date="Sat, 6 Jan 2024 10:00:00 +0000"),
    mail(From='"Quoted \\"Nick\\" Name" <q@domain.org>', Subject="", Date="rubbish"),
    mail(From="=?utf-8?B?SsO8cmdlbg==?= <j@domain.org>", Subject="Re:", Date="Fri, 29 Feb 2024 12:00:00 +0000"),
    mail(From="Zed <zed@a.org>", Subject="[fwd: hello beautiful world]", Date="Fri, 30 Feb 2024 12:00:00 +0000"),
    mail(From="abc@zzz.org", Subject="b (a)", Date="Thu, 01 Feb 1990 00:00:00 +0000"),
    mail(From="ABC@aaa.org", Subject="_", X_Extra=""),
    mail(From=["first@a.org", "second@b.org"], Subject=["one subject", "two subject"], Date="Mon, 5 Feb 2024 12:00:00 +0000"),
    mail(Subject="multi", MIME_Version="1.0", Content_Type='multipart/mixed; boundary="b"', body=_PARTS),
    mail(Subject="qp", Content_Type="text/plain; charset=iso-8859-1", Content_Transfer_Encoding="quoted-printable",
         body=b"soft=\r\nbreak caf=E9 =3D"),
    mail(Subject="eight", Content_Type="text/plain; charset=utf-8", body="r\u00e4ksm\u00f6rg\u00e5s".encode()),
    mail(Subject="long", X_Long="a" * 50 + "\r\n " + "b" * 50, Date=" \r\n Mon, 1 Jan 2024 10:00:00 +0000 (a comment)"),
    mail(Subject="Re[2]: counted", Date="Mon, 1 Jan 2024 10:00:00 +0000"),
    mail(Subject="re : spaced", Date="Mon, 1 Jan 2024 10:00:00 +0000"),
    mail(Subject="RE [x] : blobbed", Date="Mon, 1 Jan 2024 10:00:01 +0000"),
    mail(Subject="Fw: Fwd: FWD: re: all (fwd) (FWD)", Date="Mon, 1 Jan 2024 10:00:01 +0100"),
    mail(Subject="[only]", Date="Mon, 1 Jan 2024 10:00 +0000"),
    mail(Subject="Re: [fwd: Re: [x] nested]", Date="Mon, 1 Jan 2024 25:00:00 +0000"),
    b"X-Only: no body\r\n\r\n",
)


def conversations(seed: int, count: int = 25) -> list[bytes]:
    """Messages that refer to each other, to others, to none, in circles; ids and dates twice or missing."""
    chance = random.Random(seed)
    ids = [f"<{number}@x>" for number in range(count + 8)]
    found = []
    for number in range(count):
        fields: dict[str, str] = {"From": chance.choice(["Bob <bob@x>", "alice@x", "=?utf-8?q?=C3=84nne?= <z@x>", '"carl" <C@x>'])}
        if chance.random() < .9:
            fields["Message_ID"] = chance.choice(ids) if chance.random() < .05 else ids[number]
        if chance.random() < .6:
            fields["References"] = chance.choice([" ", "\r\n\t"]).join(chance.choices(ids, k=chance.randrange(1, 5)))
        elif chance.random() < .4:
            fields["In_Reply_To"] = "your mail " + " and ".join(chance.choices(ids, k=2))
        if chance.random() < .9:
            fields["Date"] = f"{chance.randrange(1, 9)} Jan 2024 {chance.randrange(24):02}:00:00 +0{chance.randrange(9)}00"
        if chance.random() < .9:
            fields["Subject"] = chance.choice(
                ["alpha", "Re: alpha", "beta", "Re: beta", "Fwd: beta", "", "gamma", "[l] gamma", "Re: "])
        fields["To"] = chance.choice(["Bob <bob@x>", "alice@x", "", "Zo <a@b>, Al <b@c>"])
        found.append(mail(b"text %d" % number * (number % 7), **fields))
    return found
