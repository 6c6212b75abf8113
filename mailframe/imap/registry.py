"""What the server can do, as values: extensions, their commands, and what a command may ask of its session."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from zope.interface import Interface

from mailframe.interfaces.content import IContent
from mailframe.interfaces.store import IAccount, IMailbox
from mailframe.interfaces.urlauth import IMailboxKeys
from mailframe.model.mailbox import MailboxInfo, MailboxList, MailboxStatus
from mailframe.sasl.exchange import Mechanism

from .cursor import Cursor
from .search.returning import ReturnOption
from .settings import ImapSettings
from .view import View
from .writer import Writer

R = TypeVar("R")

REV2 = b"IMAP4rev2"         # in `Context.enabled`
UIDONLY = b"UIDONLY"        # there, too


class State(enum.Flag):
    """Where a session is (RFC 3501 section 3); a command names all states in which it is allowed."""

    NOT_AUTHENTICATED = enum.auto()
    AUTHENTICATED = enum.auto()
    SELECTED = enum.auto()
    LOGGED_IN = AUTHENTICATED | SELECTED
    ANY = NOT_AUTHENTICATED | AUTHENTICATED | SELECTED


_STATES = (State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED)


class Effect(enum.Flag):
    """What the session must know of a command to tell the client the truth around it."""

    NONE = 0
    READS_SEQ = enum.auto()         # its arguments or answers are sequence numbers: not for who has enabled UIDONLY
    MAY_EXPUNGE = enum.auto()       # EXPUNGE may be told with its answer (never for FETCH, STORE, SEARCH: RFC 3501 section 7.4.1)
    POLLS = enum.auto()             # the client asks for news: ask the store even when no hint came (NOOP, CHECK)
    CHANGES = enum.auto()           # it changes the selected mailbox: ask the store afterwards
    MAY_READ_SEQ = enum.auto()      # a UID command among whose arguments sequence numbers may be (search keys)
    TELLS_ALL = enum.auto()         # what a client of NOTIFY else wants to hear nothing of is told with its answer


@dataclass(frozen=True, slots=True)
class Completion:
    """The tagged OK of a command: its response code (without brackets) and text. None instead means "X completed"."""

    text: bytes = b""
    code: bytes = b""


class Bad(Exception):
    """Answered BAD though the syntax was right, for example in the wrong state."""

    code: bytes = b""           # the answer's response code, without brackets

    def __init__(self, words: str, code: bytes = b"") -> None:
        super().__init__(words)
        self.code = code or self.code


@dataclass(frozen=True, slots=True)
class Command(Generic[R]):
    """One command. `parse` gets the cursor behind the name (the space before the first argument not yet taken) and takes all;
    `run` does it: it writes untagged data to `context.out`, raises Refusal (NO) or Bad, and returns the tagged OK.

    `name` is in upper case; two words for UID commands (``UID FETCH``), whose cursor has `by_uid` set.
    `streams(cursor)`: given a cursor behind the name, whether the literal announced at the end of what has come so far is to
    be streamed: `run` then starts before it came and reads it from `context.literal`, and so each literal that follows in the
    same command. It may raise BadSyntax.
    """

    name: bytes
    state: State
    parse: Callable[[Cursor], R]
    run: Callable[[Context, R], Awaitable[Completion | None]]
    effect: Effect = Effect.MAY_EXPUNGE
    streams: Callable[[Cursor], bool] | None = None
    states: tuple[State, ...] = field(init=False)   # those of `state`: to ask an enum of flags takes half a microsecond
    polls: bool = field(init=False)                 # of `effect`
    asks_store: bool = field(init=False)            # of `effect`: whether the store is asked afterwards, hint or not
    may_expunge: bool = field(init=False)           # of `effect`
    completed: bytes = field(init=False)            # what follows the tag where `run` says nothing else

    def __post_init__(self) -> None:
        for name, value in (
            ("states", tuple(state for state in _STATES if state in self.state)),
            ("polls", Effect.POLLS in self.effect), ("asks_store", bool(self.effect & (Effect.POLLS | Effect.CHANGES))),
            ("may_expunge", Effect.MAY_EXPUNGE in self.effect),
            ("completed", b"OK " + self.name + b" completed\r\n"),
        ):
            object.__setattr__(self, name, value)


class Named(Protocol):
    """An entry of one of the open tables; what it is besides its name is between it and the command that looks it up."""

    @property
    def name(self) -> bytes:
        """The word in the command, in upper case."""


@dataclass(frozen=True, slots=True)
class Extension:
    """One RFC, one value, one file; the base protocol is made of the same. Whoever writes one hands it to `Registry`.

    It is announced when what it `needs` is there: interfaces that the opened account or its mailboxes provide; in a state
    of `announced`; and when `when` (given the context) agrees. `capabilities` may depend on the context.
    """

    capability: bytes | None
    rfc: str
    needs: tuple[type[Interface], ...] = ()
    commands: tuple[Command[Any], ...] = ()
    items: tuple[Named, ...] = ()           # FETCH data items
    search_keys: tuple[Named, ...] = ()
    status_items: tuple[Named, ...] = ()
    events: tuple[Named, ...] = ()          # of NOTIFY (RFC 5465 section 5)
    search_returns: tuple[ReturnOption, ...] = ()
    list_returns: tuple[Named, ...] = ()    # words of LIST's RETURN
    metadata_entries: tuple[Named, ...] = ()    # annotations that mean something (RFC 5464)
    url_data: tuple[Named, ...] = ()        # what URLFETCH may be asked for of a URL (`urlfetching.UrlDatum`)
    on_select: Callable[[Context, Selected], Iterable[bytes]] | None = None     # more untagged lines of SELECT, when offered
    append_data: tuple[Named, ...] = ()     # what a message may be made of in APPEND (`appending.AppendData`)
    enables: tuple[bytes, ...] = ()         # words for ENABLE (RFC 5161)
    on_enable: Callable[[Context], Awaitable[None]] | None = None       # awaited when a client has enabled some of them
    announced: State = State.ANY
    when: Callable[[Context], bool] | None = None
    capabilities: Callable[[Context], Iterable[bytes]] | None = None


#: (words, when they are announced, more words) of one extension, or of several that always are.
Announced = tuple[list[bytes], Callable[["Context"], bool] | None, Callable[["Context"], Iterable[bytes]] | None]
_KINDS = 256            # of stores and states, whose announcements are kept


class Registry:
    """All extensions of a server. A later one may replace a command or item of an earlier one."""

    def __init__(self, extensions: Iterable[Extension]) -> None:
        self.extensions: tuple[Extension, ...] = tuple(extensions)
        self.commands: dict[bytes, Command[Any]] = {}
        self.items: dict[bytes, Named] = {}
        self.search_keys: dict[bytes, Named] = {}
        self.status_items: dict[bytes, Named] = {}
        self.events: dict[bytes, Named] = {}
        self.search_returns: dict[bytes, ReturnOption] = {}
        self.list_returns: dict[bytes, Named] = {}
        self.metadata_entries: dict[bytes, Named] = {}
        self.append_data: dict[bytes, Named] = {}
        self.url_data: dict[bytes, Named] = {}
        self._on_select = tuple(extension for extension in self.extensions if extension.on_select is not None)
        self.by_number: frozenset[bytes]            # commands about sequence numbers
        self.perhaps_by_number: frozenset[bytes]    # those whose arguments may name some
        self._needs: dict[int, tuple[type[Interface], ...]] = {}         # of tables' entries, by id()
        for extension in self.extensions:
            self.commands.update((command.name, command) for command in extension.commands)
            self.items.update((item.name, item) for item in extension.items)
            self.search_keys.update((key.name, key) for key in extension.search_keys)
            self.status_items.update((item.name, item) for item in extension.status_items)
            self.events.update((event.name, event) for event in extension.events)
            self.search_returns.update((option.name, option) for option in extension.search_returns)
            self.list_returns.update((option.name, option) for option in extension.list_returns)
            self.metadata_entries.update((entry.name, entry) for entry in extension.metadata_entries)
            self.append_data.update((data.name, data) for data in extension.append_data)
            self.url_data.update((data.name, data) for data in extension.url_data)
            if extension.needs:
                entries = (*extension.items, *extension.search_keys, *extension.status_items, *extension.events,
                           *extension.list_returns, *extension.metadata_entries)
                self._needs.update((id(entry), extension.needs) for entry in entries)
        self.by_number = self._with(Effect.READS_SEQ)
        self.perhaps_by_number = self._with(Effect.MAY_READ_SEQ)
        self._announcing = {state: tuple(
            extension for extension in self.extensions
            if state in extension.announced and (extension.capability is not None or extension.capabilities is not None)
        ) for state in _STATES}
        self._announced: dict[tuple[State, Hashable], list[Announced]] = {}

    def _with(self, effect: Effect) -> frozenset[bytes]:
        return frozenset(name for name, command in self.commands.items() if effect in command.effect)

    def with_extensions(self, *more: Extension) -> Registry:
        """A registry with these as well."""
        return Registry((*self.extensions, *more))

    def usable(self, table: Mapping[bytes, Named], context: Context) -> dict[bytes, Named]:
        """What of a table like `items`, `search_keys`, `status_items` the session's store can answer; the rest is unknown."""
        lacking = {key for key, needs in self._needs.items() if not all(map(context.provides, needs))}
        return {name: entry for name, entry in table.items() if id(entry) not in lacking}

    def capabilities(self, context: Context) -> list[bytes]:
        """What is announced to this session now (RFC 3501 section 6.1.1)."""
        words: list[bytes] = []
        key = context.state, context.provided
        parts = self._announced.get(key)
        if parts is None:
            if len(self._announced) >= _KINDS:
                self._announced.clear()
            parts = self._announced[key] = self._announced_by(context)
        for fixed, when, capabilities in parts:
            if when is None or when(context):
                words += fixed
                if capabilities is not None:
                    words += capabilities(context)
        return list(dict.fromkeys(words))

    def _announced_by(self, context: Context) -> list[Announced]:
        """What sessions in this state announce over such a store: what depends on no more than that in one piece."""
        parts: list[Announced] = []
        for extension in self._announcing[context.state]:
            if not all(map(context.provides, extension.needs)):
                continue
            words = extension.capability.split() if extension.capability is not None else []
            if extension.when is None and extension.capabilities is None and parts and parts[-1][1:] == (None, None):
                parts[-1][0].extend(words)
            else:
                parts.append((words, extension.when, extension.capabilities))
        return parts

    def select_lines(self, context: Context, selected: Selected) -> Iterable[bytes]:
        """What extensions add to the answer of SELECT and EXAMINE."""
        for extension in self._on_select:
            if extension.on_select is not None and self.offers(extension, context):
                yield from extension.on_select(context, selected)

    def offers(self, extension: Extension, context: Context) -> bool:
        """Whether `extension` works in this session as it is now."""
        return context.state in extension.announced and self._works(extension, context)

    def _works(self, extension: Extension, context: Context) -> bool:
        """`offers`, in a state in which it is announced."""
        return all(map(context.provides, extension.needs)) and (extension.when is None or extension.when(context))


class Follower(Protocol):
    """Somebody who follows the selected mailbox beside its view (`Selected.follow`); what it writes stands in its place."""

    async def leaving(self, uids: Sequence[int]) -> None:
        """These (ascending) are about to be told as expunged; their numbers are still good."""

    async def changed(self, uids: Sequence[int]) -> None:
        """These (ascending; perhaps none) are new or have changed, and the client has been told so. Called whenever the
        client is told how the mailbox stands; when it raises, the same ones come again."""


@dataclass(slots=True)
class Selected:
    """The mailbox that a session has selected."""

    info: MailboxInfo
    mailbox: IMailbox
    view: View
    read_only: bool                         # EXAMINE: nothing may be changed
    keywords: tuple[str, ...]               # the mailbox's table, as last seen; refresh with `Context.refresh_keywords`
    cursor: object                          # where the view stands in the store's log
    dirty: bool = False                     # a hint came since the store was last asked
    uidnext: int = 1                        # when it was selected
    heard_below: int = 1                    # messages under this UID were told when the client listened: by SELECT, NOOP, IDLE
    seen_modseq: int = 0                    # the greatest of a message's that the view has taken in
    told_modseq: int = 0                    # all up to it, expunges too, was told
    own: set[int] = field(default_factory=set)      # UIDs of what the client has just put here, and need not have described
    rights: str | None = None               # as last seen; None: the user's own mailbox, and everything
    extra: dict[str, Any] = field(default_factory=dict)     # an extension's own, until the mailbox is left
    followers: dict[bytes, Follower] = field(default_factory=dict)    # by a name of their own

    def follow(self, name: bytes, follower: Follower) -> None:
        """Tell `follower` what happens from now on, until the mailbox is left or `unfollow`."""
        self.followers[name] = follower
        if self.view.touched is None:
            self.view.touched = set()

    def unfollow(self, name: bytes) -> None:
        """Raises KeyError."""
        del self.followers[name]
        if not self.followers:
            self.view.touched = None

    def put(self, info: MailboxInfo, uids: Iterable[int]) -> None:
        """The client has put these into that mailbox, perhaps this one."""
        if info.id == self.info.id:
            self.own.update(uids)

    def listened(self) -> None:
        """The client has asked for news, and was told all."""
        if self.view.uids:
            self.heard_below = self.view.uids[-1] + 1


@dataclass(frozen=True, slots=True)
class Wish:
    """What of the selected mailbox is told (RFC 5465 section 6.1); the default is how every session begins."""

    messages: bool = True               # which come and go; with False a client has a snapshot
    flags: bool = True                  # and which change
    unasked: bool = False               # also while no command runs
    expunges_unasked: bool = False      # then even EXPUNGE: the client gave up sequence numbers


@dataclass(frozen=True, slots=True)
class Done:
    """What a command of the client has done to the account's list of mailboxes; ids, where not said otherwise."""

    created: MailboxInfo | None = None
    deleted: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)    # to these names
    subscribed: frozenset[str] = frozenset()                    # names
    unsubscribed: frozenset[str] = frozenset()                  # names


class Watcher(Protocol):
    """What a client wants to be told besides the answers to its commands: NOTIFY's other half."""

    @property
    def wish(self) -> Wish: ...

    def hinted(self, mailbox_id: str) -> bool:
        """As `IAccount.subscribe` has it; returns whether there may be something to tell now."""

    def wants(self, event: bytes, name: str) -> bool:
        """Whether the client wants to hear of this event, by its name in upper case, in that mailbox; "" for the server."""

    def left(self, mailbox_id: str) -> None:
        """It is no longer the selected mailbox."""

    def did(self, done: Done) -> None:
        """The client's own command has done this: it is no news to it (RFC 5465 section 5)."""

    async def listing(self, context: Context, known: MailboxList) -> None:
        """A command is about to show names out of `known`: whatever else is new in it is told first."""

    def counted(self, mailbox_id: str, status: MailboxStatus) -> None:
        """A command shows some of these counts."""

    async def describe(self, context: Context, spans: list[tuple[int, int]]) -> None:
        """These messages (index spans of the view) are new to the client, who has just been told how many there are."""

    async def tell(self, context: Context, *, now: bool = False) -> None:
        """Write what happened elsewhere than in the selected mailbox; without `now` only when its time has come."""

    def give_up(self, context: Context) -> None:
        """Say so, and be as after NOTIFY NONE (RFC 5465 section 5.8)."""

    def stop(self) -> None:
        """Nobody listens any more."""


class Literal(Protocol):
    """A message on its way in, or a part of one (`Command.streams`)."""

    size: int
    binary: bool                            # ``~{n}``: it may hold a NUL (RFC 3516)

    def accept(self) -> None:
        """Let it come: sends the continuation if the client waits for one. Not called, a waiting client is refused by the
        tagged answer, and a literal that comes anyway is passed over."""

    async def read(self) -> bytes:
        """The next octets, b"" when all have been read. Raises ConnectionError when the client is gone."""

    async def rest(self) -> Cursor:
        """What followed in the command, once the literal has been read: up to its end, or to the next literal, for which
        `context.literal` is then new."""


class Context(Protocol):
    """What a command may ask of its session."""

    settings: ImapSettings
    registry: Registry
    mechanisms: Mapping[bytes, Mechanism]   # of SASL, in order of preference
    out: Writer
    enabled: set[bytes]                     # by ENABLE, and by commands that imply it (CONDSTORE)
    literal: Literal | None
    by_uid: bool                            # whether the running command is a UID command
    tag: bytes                              # of the running command
    limited: bytes                          # the response code (RFC 9738) of a command that did not do all it was asked, or b""
    extra: dict[str, Any]                   # an extension's own, for the session's life
    watcher: Watcher | None                 # while NOTIFY is in force

    @property
    def state(self) -> State: ...

    @property
    def secure(self) -> bool:
        """Whether TLS is on."""

    @property
    def utf8(self) -> bool:
        """Whether names and strings are UTF-8 (ENABLE UTF8=ACCEPT or IMAP4rev2)."""

    @property
    def rev2(self) -> bool:
        """Whether the client speaks IMAP4rev2 (RFC 9051)."""

    @property
    def uid_only(self) -> bool:
        """Whether neither side speaks of message numbers any more (RFC 9586)."""

    @property
    def clock(self) -> Any:
        """IReactorTime."""

    @property
    def account(self) -> IAccount:
        """Raises Bad before login."""

    @property
    def account_name(self) -> str:
        """Raises Bad before login."""

    @property
    def content(self) -> IContent | None:
        """Where large messages are staged, if the store can do that."""

    @property
    def keys(self) -> IMailboxKeys | None:
        """By which URLs are signed, if the server has such (RFC 4467)."""

    @property
    def selected_or_none(self) -> Selected | None: ...

    @property
    def selected(self) -> Selected:
        """Raises Bad when no mailbox is selected."""

    @property
    def view(self) -> View:
        """`selected.view`."""

    @property
    def caches(self) -> dict[Any, Any]:
        """Shared by all sessions of the factory; keys begin with the user's room."""

    @property
    def tls_available(self) -> bool:
        """Whether STARTTLS could be done now: a context is there, and TLS is not on yet."""

    @property
    def may_log_in(self) -> bool:
        """Whether a password may be shown on this connection as it is now."""

    async def log_in(self, user: str, password: str) -> None:
        """Raises LoginFailed (after a delay), TryAgainLater... and closes the connection after too many."""

    def log_out(self) -> None:
        """Back to before the login; the selected mailbox is left, and nothing is enabled any more."""

    def capability_line(self) -> bytes:
        """``CAPABILITY IMAP4rev1 ...``, as it is now."""

    def start_tls(self) -> None:
        """Once the running command's answer has been sent."""

    @property
    def compressed(self) -> bool:
        """Whether COMPRESS is on."""

    def compress(self) -> None:
        """Once the running command's answer has been sent."""

    def bye(self, words: str, code: bytes = b"") -> None:
        """Write ``* BYE [code] words`` now, and close the connection once the running command's answer has been sent."""

    async def select(self, info: MailboxInfo, read_only: bool) -> MailboxStatus:
        """Leave the selected mailbox, then open this one. Raises NoSuchMailbox when it is gone."""

    def enable(self, *words: bytes) -> list[bytes]:
        """Make these enabled; returns those that were not before."""

    def also_tell(self, teller: Callable[[], Awaitable[None]], end: Callable[[], None]) -> None:
        """Until the login ends, await `teller` before each command's answer, and in IDLE: it writes untagged data about what
        others changed outside the selected mailbox. Then call `end`."""

    def heard(self) -> None:
        """For listeners: there is something to be told; a session that waits wakes once the other's commit is over."""

    async def tell_others(self) -> None:
        """Await what `also_tell` was given. The session does it with each answer, IDLE as it is woken."""

    def unselect(self) -> None:
        """Leave the selected mailbox, if any; nothing is expunged."""

    def provides(self, interface: type[Interface]) -> bool:
        """Whether the opened account or its mailboxes provide it; False before login."""

    @property
    def provided(self) -> Hashable:
        """Stands for all that is: equal ones mean that `provides` answers alike."""

    async def refresh_keywords(self, add: Sequence[str] = ()) -> tuple[str, ...]:
        """The selected mailbox's keyword table, with `add` made where they are missing. Raises LimitReached."""

    async def line(self) -> bytes:
        """The client's next line, which is not a command: the answer to a continuation request just written to `out`."""

    async def news(self, within_s: float | None = None) -> bytes | None:
        """Wait for a line of the client, or for a hint that something changed, `within_s` at the latest (None)."""

    def wake(self) -> None:
        """There may be news: a session that waits looks for them."""

    def listen(self) -> None:
        """Hear the account's hints from now on, also while no mailbox is selected."""

    async def drained(self) -> None:
        """Send what `out` holds and return when the client has taken most of it: await it between long pieces.
        Raises ConnectionError when the client is gone."""

    async def breathe(self) -> None:
        """Let the reactor run once: await it every 5 ms or so of own work (I2)."""

    def progress(self, done: int, total: int) -> None:
        """How many messages the running command is done with (total 0: of how many is not known). The client is told every
        `progress_s` from the first call on, so it is for commands that take long, between whole responses."""

    async def find(self, name: str, rights: str = "r") -> MailboxInfo:
        """The mailbox of that name, on which the user has these rights at least (RFC 4314). Raises NoSuchMailbox,
        NoPermission."""

    async def open(self, info: MailboxInfo) -> IMailbox:
        """Raises NoSuchMailbox when it is gone by now."""

    async def poll(self) -> None:
        """Bring the view up to date; what is new to it is told later. Raises NoSuchMailbox when the mailbox was deleted."""
        ...

    async def sync(self, expunge: bool, *, poll: bool = True, flags: bool = True) -> None:
        """Ask the selected mailbox for changes and write what `view.tell` says. The session does it after each command
        by the command's Effect; a command calls it where its own order of answers matters. Without `flags` what has changed
        is left to the command's answer, and to the session for what it does not tell.
        Raises NoSuchMailbox when the mailbox is no more, which the client has then been told."""
