"""Messages into conversations: RFC 5256 section 3's two algorithms, pure, without recursion, in nearly linear time."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

MAX_DEPTH = 1_000           # of a thread while it is built: a hostile chain is cut into several


@dataclass(frozen=True, slots=True)
class Post:
    """What threading looks at. `references` begins with the oldest; ids are "" or missing where the header has none."""

    number: int                         # as it is to be told
    sent: int                           # seconds since the epoch
    subject: str                        # base subject, folded
    replies: bool                       # whether the subject was that of a reply or forward
    message_id: bytes = b""
    references: tuple[bytes, ...] = ()


class Forest:
    """Threads: nodes are small numbers; a node without a post is a dummy that holds its children together."""

    def __init__(self) -> None:
        self.posts: list[Post | None] = []
        self.children: list[list[int]] = []
        self.roots: list[int] = []
        self._parents: list[int] = []           # -1: none
        self._ids: dict[bytes, int] = {}

    # -- RFC 5256 section 3, REFERENCES, step 1

    def add(self, post: Post) -> None:
        """Give the post its place by what it and the earlier ones refer to. Call `finish` after the last."""
        node = self._named(post.message_id) if post.message_id else self._new(None)
        if self.posts[node] is not None:        # a Message-ID that came before: this one stands for itself
            node = self._new(None)
        self.posts[node] = post
        above = [self._named(reference) for reference in post.references]
        for parent, child in pairwise(above):
            if self._parents[child] < 0 and not self._is_below(parent, child):
                self._parents[child] = parent
        self._parents[node] = -1
        if above and not self._is_below(above[-1], node):
            self._parents[node] = above[-1]

    def _new(self, post: Post | None) -> int:
        self.posts.append(post)
        self.children.append([])
        self._parents.append(-1)
        return len(self.posts) - 1

    def _named(self, message_id: bytes) -> int:
        node = self._ids.get(message_id)
        if node is None:
            node = self._ids[message_id] = self._new(None)
        return node

    def _is_below(self, node: int, other: int) -> bool:
        """Whether `node` is `other` or below it, or too deep to say."""
        for _ in range(MAX_DEPTH):
            if node == other:
                return True
            node = self._parents[node]
            if node < 0:
                return False
        return True

    # -- steps 2 to 6

    def finish(self) -> Iterator[None]:
        """Drop needless dummies, join roots of one subject, put siblings in order of date; in small steps."""
        kept: list[list[int]] = [[] for _ in self.posts]       # what stands in each node's place
        order = self._downward()
        yield
        for node in reversed(order):
            yield
            below = [each for child in self.children[node] for each in kept[child]]
            is_kept = self.posts[node] is not None or (self._parents[node] < 0 and len(below) > 1)
            self.children[node] = below if is_kept else []
            kept[node] = [node] if is_kept else below
        roots = [each for node, parent in enumerate(self._parents) if parent < 0 for each in kept[node]]
        self.roots = yield from self._in_order(roots)
        joined = yield from self._by_subject()
        self.roots = yield from self._in_order(joined)

    def _downward(self) -> list[int]:
        """All nodes, each after its parent; fills `children` on the way."""
        for node, parent in enumerate(self._parents):
            if parent >= 0:
                self.children[parent].append(node)
        order = [node for node, parent in enumerate(self._parents) if parent < 0]
        for node in order:
            order.extend(self.children[node])
        return order

    def _in_order(self, roots: list[int]) -> Generator[None, None, list[int]]:
        """Roots by date, and all siblings below them."""
        order = list(roots)
        for node in order:
            order.extend(self.children[node])
        for node in reversed(order):
            yield
            self.children[node].sort(key=self._date)
        return sorted(roots, key=self._date)

    def _date(self, node: int) -> tuple[int, int]:
        post = self._speaker(node)
        return post.sent, post.number

    def _speaker(self, node: int) -> Post:
        """The post of a node; of a dummy, its first child's."""
        post = self.posts[node]
        while post is None:
            node = self.children[node][0]
            post = self.posts[node]
        return post

    def _by_subject(self) -> Generator[None, None, list[int]]:
        """Step 5: roots whose subjects are the same become one thread."""
        table: dict[str, int] = {}
        for node in self.roots:
            yield
            subject = self._speaker(node).subject
            known = table.get(subject)
            if known is None or self._is_better(node, known):
                table[subject] = node
        gone: set[int] = set()
        made: list[int] = []
        for node in self.roots:
            yield
            subject = self._speaker(node).subject
            known = table[subject]
            if not subject or known == node:
                continue
            gone.add(node)
            if self.posts[known] is None:
                self.children[known] += self.children[node] if self.posts[node] is None else [node]
            elif self._replies(node) and not self._replies(known):
                self.children[known].append(node)
            else:
                both = self._new(None)
                self.children[both] = [known, node]
                gone.add(known)
                made.append(both)
                table[subject] = both
        return [node for node in (*self.roots, *made) if node not in gone]

    def _is_better(self, node: int, known: int) -> bool:
        if self.posts[known] is None:
            return False
        return self.posts[node] is None or (self._replies(known) and not self._replies(node))

    def _replies(self, node: int) -> bool:
        return self._speaker(node).replies


def by_references(posts: Sequence[Post]) -> Generator[None, None, Forest]:
    """REFERENCES, in small steps."""
    forest = Forest()
    for post in posts:
        forest.add(post)
        yield
    yield from forest.finish()
    return forest


def by_subject(posts: Sequence[Post]) -> Generator[None, None, Forest]:
    """ORDEREDSUBJECT, in small steps: the first post of a subject is the parent of all others, threads by date of their first."""
    forest = Forest()
    first: dict[str, int] = {}
    for post in sorted(posts, key=lambda post: (post.sent, post.number)):
        yield
        node = forest._new(post)
        root = first.setdefault(post.subject, node)
        if root == node:
            forest.roots.append(node)
        else:
            forest.children[root].append(node)
    return forest


def render(forest: Forest) -> Generator[None, None, bytes]:
    """``(2)(3 6 (4 23)(44 7 96))``: a thread each, branches in parentheses (RFC 5256 section 4); in small steps."""
    out: list[bytes] = []
    todo: list[int | bytes] = []
    for root in forest.roots:
        yield
        todo += (b")", root)
        out.append(b"(")
        while todo:
            part = todo.pop()
            if isinstance(part, bytes):
                out.append(part)
                continue
            post, children = forest.posts[part], forest.children[part]
            if post is not None:
                out.append(b"%d" % post.number if out[-1] == b"(" else b" %d" % post.number)
            if len(children) == 1:
                todo.append(children[0])
            elif children:
                if post is not None:
                    out.append(b" ")
                for child in reversed(children):
                    todo += (b")", child, b"(")
    return b"".join(out)
