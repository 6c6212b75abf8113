"""The extensions that every server has, in the order in which they are announced; a new file is one line here."""

from __future__ import annotations

from .commands import anytime, append, copy, expunge, fetch, listing, login, mailboxes, search, select, status, store
from .extensions import (
    appendlimit,
    binary,
    children,
    compress,
    condstore,
    enable,
    id,
    idle,
    imap4rev2,
    list_extended,
    list_status,
    literal_plus,
    move,
    multiappend,
    namespace,
    objectid,
    preview,
    qresync,
    quota,
    sasl_ir,
    savedate,
    sort,
    special_use,
    starttls,
    status_size,
    thread,
    uidplus,
    unauthenticate,
    unselect,
    utf8_accept,
    within,
)
from .registry import Extension, Registry

EXTENSIONS: tuple[Extension, ...] = (
    # RFC 3501, by state
    anytime.EXTENSION,
    imap4rev2.EXTENSION,
    login.EXTENSION,
    listing.EXTENSION,
    mailboxes.EXTENSION,
    status.EXTENSION,
    append.EXTENSION,
    select.EXTENSION,
    fetch.EXTENSION,
    search.EXTENSION,
    store.EXTENSION,
    copy.EXTENSION,
    expunge.EXTENSION,
    # and beyond
    starttls.EXTENSION,
    compress.EXTENSION,
    sasl_ir.EXTENSION,
    literal_plus.EXTENSION,
    literal_plus.BEFORE_LOGIN,
    id.EXTENSION,
    enable.EXTENSION,
    idle.EXTENSION,
    namespace.EXTENSION,
    children.EXTENSION,
    list_extended.EXTENSION,
    list_status.EXTENSION,
    special_use.EXTENSION,
    status_size.EXTENSION,
    multiappend.EXTENSION,
    appendlimit.EXTENSION,
    binary.EXTENSION,
    unselect.EXTENSION,
    unauthenticate.EXTENSION,
    uidplus.EXTENSION,
    move.EXTENSION,
    within.EXTENSION,
    sort.EXTENSION,
    thread.EXTENSION,
    condstore.EXTENSION,
    qresync.EXTENSION,
    utf8_accept.EXTENSION,
    objectid.EXTENSION,
    savedate.EXTENSION,
    preview.EXTENSION,
    quota.EXTENSION,
)


def default_registry() -> Registry:
    """All of ours; `Registry.with_extensions` adds a third party's."""
    return Registry(EXTENSIONS)
