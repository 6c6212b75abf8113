"""CONTEXT=SEARCH and CONTEXT=SORT (RFC 5267 section 4): results that are kept up to date while the mailbox is selected."""

from __future__ import annotations

from .. import writer
from ..cursor import BadSyntax, Cursor
from ..numset import STAR, MessageSet
from ..registry import Bad, Command, Completion, Context, Effect, Extension, State
from ..search.contexts import SearchContext, SortContext, UpdateContext
from ..search.criteria import Criteria, Outcome
from ..search.returning import ReturnOption
from .sort import RELEVANCY, keys_of

MAX_TAGS = 1_000            # in one CANCELUPDATE


async def _update(context: Context, outcome: Outcome) -> None:
    """Begin to tell what changes, or say that it is not done (section 4.3.1); the search is answered either way."""
    selected, tag = context.selected, context.tag
    if tag in selected.followers:
        raise Bad("The tag is in use for another search that is kept up to date")      # section 4.3
    if sum(isinstance(each, UpdateContext) for each in selected.followers.values()) >= context.settings.max_contexts:
        return _refuse(context, "Too many contexts")
    if _moves(outcome.criteria):
        return _refuse(context, "Not for message numbers, * and $: ask by UID")
    if outcome.part:
        return _refuse(context, "Not for a part of the messages")
    if any(name == RELEVANCY for name, _ in outcome.keys):
        return _refuse(context, "Not in the order of relevancy: each message changes that of others")
    if outcome.keys:
        selected.follow(tag, SortContext(context, tag, outcome, keys_of))
    else:
        selected.follow(tag, SearchContext(context, tag, outcome))
    return None


def _refuse(context: Context, words: str) -> None:
    context.out.untagged(b"NO [NOUPDATE %b] %b" % (writer.quoted(context.tag), writer.text(words)))


def _moves(criteria: Criteria) -> bool:
    """Whether the keys name messages by what an expunge or a later search gives to others: what changes could not be told
    from the messages that changed."""
    return any(
        isinstance(given, MessageSet)
        and (not given.by_uid or given.numbers.saved or any(STAR in pair for pair in given.numbers.pairs))
        for given in criteria.given
    )


def parse(args: Cursor) -> list[bytes]:
    """``"CANCELUPDATE" 1*(SP quoted)``."""
    tags = []
    args.space()
    tags.append(args.quoted())
    while args.take(b" "):
        tags.append(args.quoted())
        if len(tags) > MAX_TAGS:
            raise BadSyntax("Too many tags")
    args.end()
    return tags


async def cancel(context: Context, tags: list[bytes]) -> Completion | None:
    """A tag of no context, perhaps refused with NOUPDATE, is as good as cancelled."""
    selected = context.selected
    for tag in tags:
        if isinstance(selected.followers.get(tag), UpdateContext):
            selected.unfollow(tag)
    return None


EXTENSION = Extension(
    capability=b"CONTEXT=SEARCH CONTEXT=SORT", rfc="5267", announced=State.LOGGED_IN,
    commands=(Command(b"CANCELUPDATE", State.SELECTED, parse, cancel, Effect.MAY_EXPUNGE),),
    search_returns=(ReturnOption(b"UPDATE", begin=_update, asks=False), ReturnOption(b"CONTEXT", asks=False)),
)
