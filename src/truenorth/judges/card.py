"""A judge's card: how far it agrees with people, what sways it, and whether that is enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy import stats as distributions

from truenorth.base import UserError
from truenorth.judges._head import auc
from truenorth.judges._prompts import plain_key
from truenorth.judges.checks._text import words
from truenorth.judges.logprob import Preference
from truenorth.judges.protocol import Judge
from truenorth.records import Group, Prompt
from truenorth.stats import Estimate, ece, kappa, mean, rate

Label = tuple[Prompt, str, float]  # prompt, answer, score in [0, 1]; above 0.5 is good
REPEAT_WITHIN = 0.01  # two scores of one answer that differ by less are the same


class Comparer(Protocol):
    """A judge that compares."""

    def compare(self, prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> list[Preference]: ...


class Passed(NamedTuple):
    """Whether a card is good enough, and what to tell if it is not."""

    ok: bool
    reason: str


def card(
    judge: Judge, labels: Sequence[Label], *, comparer: Comparer | None = None, threshold: float = 0.5
) -> dict[str, Any]:
    """Agreement with human labels, and biases; shares and kappa have 95 % intervals, clustered by prompt.

    Fit nothing on these labels: for a reward model give `card_of_scores` its out-of-fold probabilities.

    Args:
        comparer: also ask for comparisons of good and bad answers to one prompt, in both orders.
        threshold: score above which a verdict is "good".

    Raises:
        UserError: no labels.
    """
    groups = by_prompt(labels)
    first, second = (scores_of(judge, labels, groups) for _ in range(2))
    made = card_of_scores(judge.name, first, labels, threshold=threshold)
    made["repeatability"] = repeatability(first, second, labels)
    if comparer is not None:
        made["position"] = position(comparer, labels, groups)
    return made


def by_prompt(labels: Sequence[Label]) -> dict[str, list[int]]:
    """Prompt -> the places of its labels."""
    groups: dict[str, list[int]] = {}
    for i, (prompt, _, _) in enumerate(labels):
        groups.setdefault(plain_key(prompt), []).append(i)
    return groups


def scores_of(judge: Judge, labels: Sequence[Label], groups: Mapping[str, list[int]]) -> list[float | None]:
    """The judge's score of each labelled answer; those of one prompt are asked for together."""
    asked = [Group(labels[m[0]][0], [labels[i][1] for i in m]) for m in groups.values()]
    order = [i for members in groups.values() for i in members]
    found = dict(zip(order, [j.score for group in judge.judge(asked) for j in group], strict=True))
    return [found[i] for i in range(len(labels))]


def repeatability(
    first: Sequence[float | None], second: Sequence[float | None], labels: Sequence[Label]
) -> dict[str, Any]:
    """How often a judge that is asked again says the same."""
    same = [
        a is b is None or (a is not None and b is not None and abs(a - b) < REPEAT_WITHIN)
        for a, b in zip(first, second, strict=True)
    ]
    return share(same, [plain_key(prompt) for prompt, _, _ in labels])._asdict()


def share(held: Sequence[bool], clusters: Sequence[str], *, abstained: int = 0) -> Estimate:
    """How often something held, with an interval that knows which answers are to one prompt; nan of none."""
    if not len(held):
        return rate(0, 0, abstained=abstained)
    alone = clusters if len(set(clusters)) > 1 else None
    return mean([float(x) for x in held], clusters=alone, abstained=abstained)


def card_of_scores(
    name: str, scores: Sequence[float | None], labels: Sequence[Label], *, threshold: float = 0.5
) -> dict[str, Any]:
    """The card of scores that are there already, one a label, in order.

    Raises:
        UserError: there are no labels.
    """
    if not labels:
        raise UserError("no labels to check the judge with", where=name, fix="--labels FILE")
    answered = [i for i, score in enumerate(scores) if score is not None]
    given = np.array([scores[i] for i in answered], dtype=float)
    good = np.array([labels[i][2] > 0.5 for i in answered], dtype=bool)
    said = given > threshold
    abstained = len(labels) - len(answered)
    clusters = [plain_key(labels[i][0]) for i in answered]
    of_good, of_bad = ([c for c, y in zip(clusters, good) if y == side] for side in (True, False))
    right = share((said == good).tolist(), clusters, abstained=abstained)
    agreement = kappa(said.tolist(), good.tolist(), clusters=clusters if len(set(clusters)) > 1 else None)
    probabilities = bool(len(given)) and bool(((given >= 0) & (given <= 1)).all())
    return {
        "judge": name,
        "n": len(labels),
        "abstained": abstained,
        "good": float(np.mean([s > 0.5 for _, _, s in labels])),
        "said_good": float(said.mean()) if len(said) else float("nan"),
        "accuracy": right._asdict(),
        "kappa": agreement._asdict(),
        "sensitivity": share(said[good].tolist(), of_good)._asdict(),
        "specificity": share((~said[~good]).tolist(), of_bad)._asdict(),
        "auc": auc(given, good),
        "ece": ece(given, good.astype(float)) if probabilities else float("nan"),
        "verbosity": verbosity(given, good, [len(words(labels[i][1])) for i in answered])._asdict(),
        "distinct_scores": len(set(np.round(given, 6).tolist())),
    }


def verbosity(scores: np.ndarray, good: np.ndarray, lengths: Sequence[int]) -> Estimate:
    """Rank correlation of score and length in words among answers that people value alike.

    Scores and lengths are ranked within the good and within the bad answers. nan where nothing varies.
    """
    ranks_s, ranks_l = np.zeros(len(scores)), np.zeros(len(scores))
    for side in (good, ~good):
        if side.any():
            for ranks, values in ((ranks_s, scores), (ranks_l, np.asarray(lengths, dtype=float))):
                ranked = distributions.rankdata(values[side])
                ranks[side] = ranked - ranked.mean()
    spread = float(np.sqrt((ranks_s**2).sum() * (ranks_l**2).sum()))
    n = len(scores)
    if spread == 0 or n < 5:
        return Estimate(float("nan"), -1.0, 1.0, n)
    r = float((ranks_s * ranks_l).sum() / spread)
    centre, half = np.arctanh(np.clip(r, -0.999999, 0.999999)), 1.96 / np.sqrt(n - 4)
    return Estimate(r, float(np.tanh(centre - half)), float(np.tanh(centre + half)), n)


def position(comparer: Comparer, labels: Sequence[Label], groups: dict[str, list[int]]) -> dict[str, Any]:
    """Of pairs of a good and a bad answer to one prompt: do both orders agree, is a place preferred, and how
    often is the good one found where they agree."""
    pairs = [
        (labels[g], labels[b])
        for members in groups.values()
        for g, b in zip(
            [i for i in members if labels[i][2] > 0.5], [i for i in members if labels[i][2] <= 0.5]
        )
    ]
    found = comparer.compare([g[0] for g, _ in pairs], [g[1] for g, _ in pairs], [b[1] for _, b in pairs])
    both = [(plain_key(g[0]), p) for (g, _), p in zip(pairs, found, strict=True) if p.consistent is not None]
    orders = [(k, o) for k, p in both for o in (p.in_order, None if p.swapped is None else 1 - p.swapped)]
    shown_first = [(k, o > 0.5) for k, o in orders if o is not None and o != 0.5]
    settled = [(k, p.first > 0.5) for k, p in both if p.first is not None and p.first != 0.5]

    def told(held: Sequence[tuple[str, bool]]) -> dict[str, Any]:
        return share([x for _, x in held], [k for k, _ in held])._asdict()

    return {
        "pairs": len(pairs),
        "unanswered": len(pairs) - len(both),
        "consistent": told([(k, bool(p.consistent)) for k, p in both]),
        "prefers_first": told(shown_first),
        "accuracy": told(settled),
    }


def passes(
    made: dict[str, Any],
    *,
    least_kappa: float = 0.2,
    most_abstained: float = 0.5,
    least_consistent: float = 0.6,
    least_repeatable: float = 0.8,
) -> Passed:
    """Is this judge worth training on?

    Refused: one that says nothing or always the same, agrees no better than chance allows (kappa's interval
    reaches 0, or kappa is below `least_kappa`), contradicts itself, or depends on the order of answers.
    """
    answered = made["n"] - made["abstained"]
    if answered == 0:
        return Passed(False, "it gave no verdict on any label")
    if made["abstained"] > most_abstained * made["n"]:
        return Passed(False, f"it gave no verdict on {made['abstained']} of {made['n']} labels")
    if made["said_good"] in (0.0, 1.0):
        which = "good" if made["said_good"] else "bad"
        return Passed(False, f"it calls all {answered} answers {which}")
    agreement = made["kappa"]
    if not agreement["mean"] >= least_kappa or not agreement["low"] > 0:
        interval = f"[{agreement['low']:.2f}, {agreement['high']:.2f}]"
        what = f"kappa {agreement['mean']:.2f} {interval} on {answered} labels"
        return Passed(False, f"it agrees too little with people: {what}; at least {least_kappa} is asked for")
    if made.get("repeatability", {"mean": 1.0})["mean"] < least_repeatable:
        return Passed(False, f"asked twice it repeats itself on {made['repeatability']['mean']:.0%} only")
    consistent = made.get("position", {}).get("consistent", {"mean": 1.0, "n": 0})
    if consistent["n"] and consistent["mean"] < least_consistent:
        return Passed(False, f"with the answers exchanged it stays with {consistent['mean']:.0%} only")
    return Passed(True, f"kappa {agreement['mean']:.2f}, accuracy {made['accuracy']['mean']:.0%}")
