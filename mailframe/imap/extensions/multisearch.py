"""MULTISEARCH (RFC 7377): ESEARCH looks through several mailboxes, selected or not, and answers for each that has results."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IMailbox
from mailframe.model.mailbox import MAX_UID, Field, MailboxInfo, MailboxList, MailboxStatus
from mailframe.model.query import Query
from mailframe.model.refusal import LimitReached, Refusal
from mailframe.pacing.breath import Breath

from .. import writer
from ..commands.search import check_relevancy, read_charset, read_returns
from ..conditional import turn_on
from ..cursor import BadSyntax, Cursor
from ..names import Tree, in_order
from ..numset import MessageSet
from ..permission import foreign
from ..registry import Bad, Command, Completion, Context, Effect, Extension, State
from ..search import returning
from ..search.criteria import EVERYTHING, Criteria, matching, matching_in, read_criteria, scaled, searching_in
from ..search.returning import Options
from ..search.scopes import Scope, read_scopes
from ..selecting import listed
from ..view import View

_HERE = (Scope(b"SELECTED"),)


@dataclass(frozen=True, slots=True)
class MultiSearchRequest:
    """`rest`, from RETURN on, is read by `run`, which knows the session's registry and so all options and keys."""

    scopes: tuple[Scope, ...]
    rest: Cursor


def parse(args: Cursor) -> MultiSearchRequest:
    """``"ESEARCH" [SP "IN" SP "(" source-mbox [SP "(" scope-options ")"] ")"] [SP "RETURN" ...] SP search-program``."""
    args.space()
    if args.peek(3).upper() != b"IN ":
        return MultiSearchRequest(_HERE, args)
    args.position += 3
    args.expect(b"(")
    scopes = read_scopes(args)
    if args.peek(2) == b" (":
        raise BadSyntax("Unknown scope option")         # none has been registered
    args.expect(b")")
    args.space()
    return MultiSearchRequest(tuple(scopes), args)


async def run(context: Context, request: MultiSearchRequest) -> Completion | None:
    asked = read_returns(context, request.rest) or {b"ALL": None}
    charset = read_charset(context, request.rest)
    if b"UPDATE" in asked:
        raise Bad("UPDATE is for SEARCH and SORT")
    criteria = await read_criteria(context, charset, request.rest)
    check_relevancy(criteria, asked)
    if criteria.conditional:
        turn_on(context)
    selected = context.selected_or_none
    chosen = await _chosen(context, request.scopes)
    if any(selected is None or info.id != selected.info.id for info in chosen):
        _check_others(criteria, asked)
    for info in chosen:
        try:
            await _search(context, info, criteria, asked)
        except Refusal as refusal:
            if refusal.temporary:
                raise
            continue                                    # gone or closed to us meanwhile, as if it had not been named
        if context.out.full:
            await context.drained()
    return None


def _check_others(criteria: Criteria, asked: Options) -> None:
    """What is of the selected mailbox alone."""
    if b"SAVE" in asked:
        raise Bad("SAVE is for the selected mailbox")
    if any(isinstance(given, MessageSet) and given.numbers.saved for given in criteria.given):
        raise Bad("$ is of the selected mailbox")


async def _chosen(context: Context, scopes: Sequence[Scope]) -> list[MailboxInfo]:
    """The mailboxes meant, each once, INBOX first; names that do not exist mean none (section 2.2)."""
    selected = context.selected if any(scope.word == b"SELECTED" for scope in scopes) else None
    if selected is not None and len(scopes) == 1:
        return [selected.info]
    known: MailboxList = await settled(context.account.mailboxes())
    tree, others = Tree(known), foreign(context.account)
    breath = Breath(context.clock.seconds, context.breathe)
    found: list[MailboxInfo] = []
    for name in in_order(tree.mailboxes):
        info = tree.mailboxes[name]
        here = selected is not None and info.id == selected.info.id
        if here or any(scope.holds(name, tree.subscribed, others) for scope in scopes):
            found.append(info)
        await breath.take()
    if len(found) > context.settings.max_searched_mailboxes:
        raise LimitReached("Too many mailboxes to be searched at once")
    return found


async def _search(context: Context, info: MailboxInfo, criteria: Criteria, asked: Options) -> None:
    """The selected mailbox is searched as the session knows it. Raises NoSuchMailbox."""
    selected = context.selected_or_none
    relevancies: dict[int, int] = {}
    if selected is not None and selected.info.id == info.id:
        if selected.dirty:
            await context.sync(False)
        status: MailboxStatus = await settled(selected.mailbox.status())
        view: View | None = context.view
        found = await matching(context, criteria.query, context.view.spans(EVERYTHING), relevancies)
        if b"SAVE" in asked:
            context.view.saved = returning.worth_saving(found, asked, context.registry.search_returns)
    else:
        info = await context.find(info.name)            # it asks whether we may
        mailbox = await context.open(info)
        status = await settled(mailbox.status())
        found, view = await _elsewhere(context, mailbox, status, criteria, relevancies)
    if found and returning.says(asked, context.registry.search_returns):
        where = b" MAILBOX %b UIDVALIDITY %d" % (writer.mailbox(info.name, context.utf8), status.uidvalidity)
        line = returning.response(
            found, asked, context.registry.search_returns, context.tag, True, where, [relevancies.get(uid, 1) for uid in found])
        if criteria.conditional and view is not None:
            line += b" MODSEQ %d" % view.highest_modseq(found)
        context.out.untagged(line)


async def _elsewhere(
    context: Context, mailbox: IMailbox, status: MailboxStatus, criteria: Criteria, relevancies: dict[int, int],
) -> tuple[array[int], View | None]:
    """In a mailbox that is not selected; only sets of messages need a view of it."""
    keywords: tuple[str, ...] = await settled(mailbox.keywords(()))
    query: Query = criteria.query
    if not any(True for _ in criteria.given):
        searching = searching_in(context, mailbox, keywords, query)
        found = array("I", await searching.among([(1, MAX_UID)]))
        relevancies.update(scaled(searching.relevancies, found))
        return found, None
    fields = Field.FLAGS | Field.MODSEQ if status.highest_modseq else Field.FLAGS
    view = View(await listed(mailbox, fields, context.breathe))
    view.uid_only = context.uid_only
    return await matching_in(context, mailbox, keywords, view, query, view.spans(EVERYTHING), relevancies), view


EXTENSION = Extension(
    capability=b"MULTISEARCH", rfc="7377", announced=State.LOGGED_IN,
    commands=(Command(b"ESEARCH", State.LOGGED_IN, parse, run, Effect.MAY_EXPUNGE | Effect.MAY_READ_SEQ),),
)
