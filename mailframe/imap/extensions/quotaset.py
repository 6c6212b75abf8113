"""QUOTASET (RFC 9208 section 3.2): administrators change what accounts may hold; another account's root has its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.logger import Logger

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IQuota
from mailframe.model.mailbox import Quota
from mailframe.model.refusal import Forbidden, LimitReached, NoPermission

from ..cursor import BadSyntax, Cursor
from ..registry import Command, Context, Extension, State
from .quota import ROOT, UNIT, NoSuchRoot, is_admin, quota_line, quotas_of_others, root_name

_log = Logger()
MAX_RESOURCES = 20
MAX_LIMIT = 1 << 53         # more octets than anybody has, and a number that stores everywhere keep


@dataclass(frozen=True, slots=True)
class SetQuotaRequest:
    """`limits` as they are called in the command."""

    root: bytes
    limits: tuple[tuple[bytes, int], ...]


def parse(args: Cursor) -> SetQuotaRequest:
    """``SP quota-root-name SP "(" [setquota-resource *(SP setquota-resource)] ")"``"""
    args.space()
    root = args.astring()
    args.space()

    def resource() -> tuple[bytes, int]:
        name = args.keyword()
        args.space()
        return name, args.number64()

    limits = args.list_of(resource, empty=True)
    args.end()
    if len(limits) > MAX_RESOURCES:
        raise BadSyntax("Too many resources")
    return SetQuotaRequest(root, tuple(limits))


async def set_quota(context: Context, request: SetQuotaRequest) -> None:
    """Limits that are not named are lifted (section 3.2.3)."""
    if not IQuota.providedBy(context.account):
        raise BadSyntax("Quotas are not kept here")
    if not is_admin(context):
        raise NoPermission("Only administrators set limits")
    limits = dict(request.limits)
    if limits.keys() - {b"STORAGE", b"MESSAGE"}:
        raise Forbidden("That resource is not limited here")
    storage, messages = limits.get(b"STORAGE"), limits.get(b"MESSAGE")
    octets = None if storage is None else storage * UNIT
    if max(octets or 0, messages or 0) > MAX_LIMIT:
        raise LimitReached("More than can be counted")
    quota = await _changed(context, request.root, octets, messages)
    _log.info("quota of {root!r} set to {octets} octets and {messages} messages by {user}", octets=octets, messages=messages,
              root=root_name(request.root) or context.account_name, user=context.account_name)
    context.out.untagged(quota_line(request.root, quota))


async def _changed(context: Context, root: bytes, octets: int | None, messages: int | None) -> Quota:
    if root == ROOT:
        assert IQuota.providedBy(context.account)
        account: Any = context.account
        await settled(account.set_quota(octets, messages))
        quota: Quota = await settled(account.quota())
        return quota
    others = quotas_of_others(context)
    changed = None if others is None else await settled(others.set_account_quota(root_name(root), octets, messages))
    if changed is None:
        raise NoSuchRoot
    return changed


EXTENSION = Extension(
    capability=b"QUOTASET", rfc="9208", needs=(IQuota,), announced=State.LOGGED_IN, when=lambda context: is_admin(context),
    commands=(Command(b"SETQUOTA", State.LOGGED_IN, parse, set_quota),),
)
