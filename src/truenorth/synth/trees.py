"""Conversation trees with several people's rankings of every set of replies, merged into one order and into rows.

Source: Köpf et al., "OpenAssistant Conversations" (2023): at each message several people rank the replies; orders are
merged by Tideman's ranked pairs. Their code also locks pairs of margin zero and breaks ties by iteration; here equal
margins follow the mean Borda score (`stats.ranked_pairs`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, NamedTuple

from scipy.stats import kendalltau

from truenorth.base import UserError
from truenorth.records import Message, Row, Source
from truenorth.stats.ranked_pairs import ranked_pairs

ROLES = {"prompter": "user", "user": "user", "assistant": "assistant"}


@dataclass(frozen=True)
class Node:
    """One message and the replies to it. `ballots`: people's orders of the replies' ids, best first."""

    id: str
    role: str  # user or assistant
    text: str
    replies: tuple[Node, ...] = ()
    ballots: tuple[tuple[str, ...], ...] = ()
    dropped: bool = False  # deleted or failed its review: neither it nor what hangs below becomes a row


class Merged(NamedTuple):
    """`tree`: each node's replies in the merged order. `agreement`: mean Kendall tau of pairs of ballots, by node.
    `unranked`: nodes with two replies or more and too few ballots, whose replies stay in the order given."""

    tree: Node
    agreement: dict[str, float]
    unranked: list[str]


def from_oasst(tree: Mapping[str, Any]) -> Node:
    """A tree as the OpenAssistant export writes it: `prompt`, with `replies` in each message. Ranks of exported trees
    are merged already and become one ballot; `deleted` or `review_result` false drops a message.

    Raises:
        UserError: a message without id, text or known role.
    """

    def node(message: Mapping[str, Any]) -> Node:
        missing = [name for name in ("message_id", "text", "role") if name not in message]
        if missing or message["role"] not in ROLES:
            what = f"a message without {', '.join(missing)}" if missing else f"role {message['role']!r}"
            raise UserError(what, where=str(message.get("message_id", "tree")), expected=" or ".join(ROLES))
        replies = tuple(node(reply) for reply in message.get("replies", ()))
        ranked = sorted(
            (r["rank"], r["message_id"]) for r in message.get("replies", ()) if r.get("rank") is not None
        )
        ballots = [tuple(name for _, name in ranked)] if len(ranked) > 1 else []
        ballots += [tuple(ballot) for ballot in message.get("rankings", ())]
        dropped = bool(message.get("deleted")) or message.get("review_result") is False
        return Node(
            message["message_id"], ROLES[message["role"]], message["text"], replies, tuple(ballots), dropped
        )

    return node(tree.get("prompt", tree))


def merge(tree: Node, *, least: int = 3) -> Merged:
    """Every set of replies in the order that most people's clearest majorities give.

    Args:
        least: ballots below which a set of replies counts as unranked.

    Raises:
        UserError: a ballot that names a message which is no reply to its node, or one twice.
    """
    agreement: dict[str, float] = {}
    unranked: list[str] = []

    def merged(node: Node) -> Node:
        replies = tuple(merged(reply) for reply in node.replies)
        known = {reply.id for reply in replies}
        for ballot in node.ballots:
            if not set(ballot) <= known or len(set(ballot)) < len(ballot):
                what = f"ballot {list(ballot)} is not an order of replies"
                raise UserError(what, where=node.id, expected=", ".join(sorted(known)))
        if len(replies) < 2:
            return replace(node, replies=replies)
        if len(node.ballots) < least:
            unranked.append(node.id)
            return replace(node, replies=replies)
        taus = [t for a, b in combinations(node.ballots, 2) if (t := tau(a, b)) is not None]
        if taus:
            agreement[node.id] = sum(taus) / len(taus)
        place = {name: i for i, name in enumerate(ranked_pairs(node.ballots).ranking)}
        return replace(node, replies=tuple(sorted(replies, key=lambda r: place.get(r.id, len(place)))))

    return Merged(merged(tree), agreement, unranked)


def tau(a: Sequence[str], b: Sequence[str]) -> float | None:
    """Kendall's tau of two orders over the names they share; None for fewer than two."""
    shared = [name for name in a if name in set(b)]
    if len(shared) < 2:
        return None
    return float(kendalltau(range(len(shared)), [b.index(name) for name in shared]).statistic)


def threads(tree: Node) -> Iterator[tuple[tuple[Message, ...], Node]]:
    """Every message that stays, with the turns before it."""
    waiting: list[tuple[tuple[Message, ...], Node]] = [((), tree)]
    while waiting:
        before, node = waiting.pop(0)
        if not node.dropped:
            yield before, node
            said: Message = {"role": node.role, "content": node.text}  # type: ignore[typeddict-item]
            waiting += [((*before, said), reply) for reply in node.replies]


def preference_rows(merged: Merged) -> list[Row]:
    """A pair for every two assistant replies of which a majority of people put one above the other, in agreement with
    the merged order: prompt, chosen, rejected, and the `margin` of people."""
    rows = []
    for before, node in threads(merged.tree):
        prompt = [*before, {"role": node.role, "content": node.text}]
        replies = {r.id: r for r in node.replies if r.role == "assistant" and not r.dropped}
        if node.id in merged.unranked or len(replies) < 2:
            continue
        for lock in ranked_pairs(node.ballots).locks:
            if lock.kept and lock.winner in replies and lock.loser in replies:
                pair = [replies[str(name)].text for name in (lock.winner, lock.loser)]
                if pair[0] != pair[1]:
                    sides = [[{"role": "assistant", "content": text}] for text in pair]
                    data = {"prompt": prompt, "chosen": sides[0], "rejected": sides[1], "margin": lock.margin}
                    parents = (node.id, str(lock.winner), str(lock.loser))
                    note = f"{len(node.ballots)} rankings"
                    rows.append(Row(data, Source("ranking", family="people", parents=parents, note=note)))
    return rows


def best_thread(merged: Merged) -> Row | None:
    """The conversation that follows the first reply that stays, down to the last assistant turn: `messages`."""
    said: list[Message] = []
    parents: list[str] = []
    node: Node | None = merged.tree
    while node is not None and not node.dropped:
        said.append({"role": node.role, "content": node.text})  # type: ignore[typeddict-item]
        parents.append(node.id)
        node = next((reply for reply in node.replies if not reply.dropped), None)
    while said and said[-1]["role"] != "assistant":
        said.pop()
        parents.pop()
    return (
        Row({"messages": said}, Source("ranking", family="people", parents=tuple(parents))) if said else None
    )
