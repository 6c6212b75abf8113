"""What was ever sent to make a server see an end of data, or a command, where there is none (I5)."""

from __future__ import annotations

HEAD = b"EHLO c.example\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<bob@mx.example>\r\nDATA\r\n"
SMUGGLERS = [
    b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n.\n", b"\r\n\n.\r\n", b"\r\r\n.\n", b"\n\n.\r\n", b"\r\n\0.\r\n",
    b"\r\n..\r\n", b"\r\n.\r\r\n", b"\r\n. \r\n", b"\n\r.\r\n", b"\n.\r", b"\r.\n", b"\r\n.\0\r\n",
    b"\0\n.\r\n", b"\r\n.\r\0\n", b"\n\0.\n", b"\r\n\r.\r\n", b"\r\n.\n\r\n", b"\x8a.\x8a", b"\xe2\x80\xa8.\r\n",
]
EVIL = b"MAIL FROM:<root@mx.example>\r\nRCPT TO:<victim@mx.example>\r\nDATA\r\nevil"
