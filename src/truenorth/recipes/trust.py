"""Judges earn trust: one that fails its card trains nothing, unless the user insists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from truenorth.base import UserError
from truenorth.judges import Judge, RewardJudge
from truenorth.judges.card import card_of_scores, passes
from truenorth.judges.reward import Label
from truenorth.records import Group
from truenorth.stats import Estimate


def reward_card(judge: RewardJudge, labels: Sequence[Label], role: str) -> dict[str, Any]:
    """The card of a reward model as the report shows it, from its scores of labels that it was not fitted on."""
    out = judge.out_of_fold
    made = card_of_scores(judge.name, out.probabilities, labels)
    passed, why = passes(made)
    return {
        "role": f"trains: {role}",
        "accuracy": out.accuracy,
        "kappa": Estimate(**made["kappa"]),
        "verbosity_bias": Estimate(**made["verbosity"]),
        "labels": out.n,
        "passed": passed,
        "note": f"on labels that it was not fitted on: {why}",
    }


def measure_card(judge: Judge, labels: Sequence[Label]) -> dict[str, Any]:
    """What people's labels say of a judge that measures; it was fitted on none of them."""
    groups = [Group(prompt, [answer]) for prompt, answer, _ in labels]
    scores = [found[0].score for found in judge.judge(groups)]
    made = card_of_scores(judge.name, scores, labels)
    ok, why = passes(made)
    return {
        "accuracy": Estimate(**made["accuracy"]),
        "kappa": Estimate(**made["kappa"]),
        "labels": made["n"],
        "note": f"held against people's labels it {'passes' if ok else 'fails'}: {why}",
    }


def check_cards(cards: Mapping[str, Mapping[str, Any]], *, insist: bool) -> None:
    """Stop before anything is trained on a judge that failed its card.

    Raises:
        UserError: naming the judge and why.
    """
    for name, card in cards.items():
        if card.get("passed") is False and not insist:
            raise UserError(
                f"the judge that {card['role']} fails its card: {card['note']}",
                where=name,
                fix="give more labels, or another judge; --insist trains on it all the same",
            )
