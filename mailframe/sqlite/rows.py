"""Rows without the doubt about their types: a schema says what a column holds, the driver cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

Row = tuple[Any, ...]


def fetch(con: apsw.Connection, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
    """All rows, so that no statement stays open (an open one pins the write-ahead log)."""
    rows: list[Row] = con.execute(sql, parameters if type(parameters) is tuple else tuple(parameters)).fetchall()
    return rows
