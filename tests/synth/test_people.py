"""Trees of ranked replies and labels in layers: whose word counts, and what rows come of it."""

import numpy as np
import pytest

from truenorth.base import UserError
from truenorth.stats.crowd import dawid_skene
from truenorth.synth.review import layered
from truenorth.synth.trees import Node, best_thread, from_oasst, merge, preference_rows, tau

# The worked example of the ranking: 3 x wxzy, 2 x wyxz, 4 x xyzw, 5 x xzwy, 1 x ywxz gives x, z, w, y.
BALLOTS = [tuple(b) for b in 3 * ["wxzy"] + 2 * ["wyxz"] + 4 * ["xyzw"] + 5 * ["xzwy"] + 1 * ["ywxz"]]


def tree(ballots=BALLOTS, **dropped):
    replies = tuple(Node(name, "assistant", f"answer {name}", dropped=name in dropped) for name in "wxyz")
    return Node("root", "user", "Who?", replies, tuple(ballots))


def test_replies_follow_the_merged_order():
    merged = merge(tree())
    assert [reply.id for reply in merged.tree.replies] == list("xzwy")
    assert merged.unranked == []
    assert -1 < merged.agreement["root"] < 1


def test_pairs_are_the_majorities_with_their_margins():
    rows = preference_rows(merge(tree()))
    told = {
        (r.data["chosen"][0]["content"][-1], r.data["rejected"][0]["content"][-1]): r.data["margin"]
        for r in rows
    }
    # net margins: x over z 15, x over y 9, w over y 5, x over w 3, z over w 3, z over y 1
    assert told == {("x", "z"): 15, ("x", "y"): 9, ("w", "y"): 5, ("x", "w"): 3, ("z", "w"): 3, ("z", "y"): 1}
    assert rows[0].data["prompt"] == [{"role": "user", "content": "Who?"}]
    assert rows[0].source.family == "people"
    assert rows[0].source.parents == ("root", "x", "z")


def test_dropped_replies_and_too_few_ballots_make_no_pairs():
    rows = preference_rows(merge(tree(x=True)))
    assert {r.data["chosen"][0]["content"] for r in rows} == {"answer w", "answer z"}
    few = merge(tree(BALLOTS[:2]))
    assert (few.unranked, preference_rows(few)) == (["root"], [])
    assert [reply.id for reply in few.tree.replies] == list("wxyz")
    with pytest.raises(UserError, match="root: ballot"):
        merge(tree([("w", "q")]))


def test_reversed_ballots_reverse_the_order():
    ballots = [tuple("abc"), tuple("abc"), tuple("bca")]
    replies = tuple(Node(name, "assistant", name) for name in "abc")
    forward = merge(Node("r", "user", "?", replies, tuple(ballots)))
    backward = merge(Node("r", "user", "?", replies, tuple(b[::-1] for b in ballots)))
    assert [r.id for r in forward.tree.replies] == [r.id for r in backward.tree.replies][::-1]


def test_agreement_is_kendalls_tau():
    assert tau("abc", "abc") == 1
    assert tau("abc", "cba") == -1
    assert tau("abc", "acb") == pytest.approx(1 / 3)
    assert tau("abc", "cxa") == -1
    assert tau("ab", "bc") is None


EXPORT = {
    "message_tree_id": "m",
    "prompt": {
        "message_id": "m",
        "role": "prompter",
        "text": "Who?",
        "replies": [
            {"message_id": "a", "role": "assistant", "text": "Ann.", "rank": 1},
            {
                "message_id": "b",
                "role": "assistant",
                "text": "Tom.",
                "rank": 0,
                "replies": [{"message_id": "c", "role": "prompter", "text": "Why?"}],
            },
            {"message_id": "d", "role": "assistant", "text": "Spam.", "rank": 2, "deleted": True},
        ],
    },
}


def test_trees_as_open_assistant_exports_them():
    merged = merge(from_oasst(EXPORT), least=1)
    assert [row.data["chosen"][0]["content"] for row in preference_rows(merged)] == ["Tom."]
    best = best_thread(merged)
    assert [turn["content"] for turn in best.data["messages"]] == ["Who?", "Tom."]
    assert best.source.parents == ("m", "b")
    assert (
        best_thread(merge(from_oasst({"prompt": {"message_id": "m", "role": "prompter", "text": "?"}})))
        is None
    )
    with pytest.raises(UserError, match="role 'bot'"):
        from_oasst({"message_id": "x", "role": "bot", "text": ""})


def crowd(items=400, seed=0, skills=(0.9, 0.85, 0.6, 0.55)):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, items)
    rows = [
        (f"i{i}", f"w{w}", int(t if rng.random() < s else 1 - t))
        for i, t in enumerate(truth)
        for w, s in enumerate(skills)
    ]
    return rows, {f"i{i}": int(t) for i, t in enumerate(truth)}


def test_experts_see_the_doubtful_items_and_an_audit():
    rows, truth = crowd()
    seen = []

    def experts(items):
        seen.extend(items)
        return {item: truth[item] for item in items}

    found = layered(rows, experts, sure=0.9, audit=0.1)
    assert len(seen) == len(set(seen)) == found.asked["doubt"] + found.asked["audit"]
    assert 0 < found.asked["doubt"] < 300
    decided = {item: d for item, d in found.decisions.items() if d.by == "crowd"}
    right = np.mean([d.label == truth[item] for item, d in decided.items()])
    assert right > 0.9
    assert all(d.label == truth[item] for item, d in found.decisions.items() if d.by == "expert")
    majority = {}
    for item, _, label in rows:
        majority.setdefault(item, []).append(label)
    plain = np.mean([(np.mean(votes) > 0.5) == truth[item] for item, votes in majority.items()])
    final = np.mean([d.label == truth[item] for item, d in found.decisions.items()])
    assert final > plain + 0.05


def test_the_audit_is_how_often_the_crowd_was_right():
    rows, truth = crowd()
    first = dawid_skene(rows)
    sure = [i for i, p in zip(first.items, first.posterior.max(axis=1)) if p >= 0.9]
    found = layered(rows, lambda items: {i: truth[i] for i in items}, audit=1.0, most=len(sure))
    assert found.asked == {"doubt": 0, "audit": len(sure)}
    assert found.audit.mean == np.mean([first.truth()[i] == truth[i] for i in sure])
    part = layered(rows, lambda items: {i: truth[i] for i in items}, audit=0.3, seed=2)
    assert part.audit.low < found.audit.mean < part.audit.high


def test_a_budget_leaves_items_open_not_guessed():
    rows, truth = crowd()
    found = layered(rows, lambda items: {i: truth[i] for i in items}, audit=0, most=20)
    assert found.asked == {"doubt": 20, "audit": 0}
    still = [d for d in found.decisions.values() if d.by == "open"]
    assert still
    assert all(d.label is None for d in still)
    silent = layered(rows, lambda items: {}, audit=0)
    assert all(d.by != "expert" for d in silent.decisions.values())
    with pytest.raises(UserError, match=r"sure 0\.2"):
        layered(rows, lambda items: {}, sure=0.2)
