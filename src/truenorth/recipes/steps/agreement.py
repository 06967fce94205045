"""Pairs on whose order a judge and the model's own likelihoods agree, and answers to keep where all are good."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.models.local import LocalModel
from truenorth.recipes.run_limits import Count
from truenorth.recipes.run_rows import kept_as_it_is
from truenorth.recipes.run_work import Load, Pairs, Verdicts, Work
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import grouped
from truenorth.recipes.steps.west_of_n import alike
from truenorth.records import Row, Source


def agreement(verdicts: Verdicts, model: LocalModel, work: Work, *, most: Count = 4) -> Pairs:
    """The best above the worst of the longest order that both have in common, one pair a prompt; of answers that are
    all good and equally so the likeliest, to keep.

    The judge ranks by score, the model by log-probability a token; of equal scores the likelier stands first, so that
    they cost no agreement. At most `most` answers of a prompt are ranked, those given most often.

    Source: Hong et al. 2023, CycleAlign (arXiv:2310.16271), section 3.2: the longest common subsequence of the
    rankings of the black-box and the white-box model.
    """
    groups = [_usual(rows, most) for rows in grouped(verdicts).values()]
    flat = [row for rows in groups for row in rows]
    scored = model.logprobs([(row.data["prompt"], row.data["completion"]) for row in flat])
    likely = {row.id: s.total / max(1, len(s.tokens)) for row, s in zip(flat, scored, strict=True)}
    found = []
    for rows in groups:
        by_model = sorted(rows, key=lambda row: -likely[row.id])
        by_judge = sorted(by_model, key=lambda row: -row.data["score"])
        order = common(by_judge, by_model)
        if len(order) < 2 or order[0].data["score"] <= order[-1].data["score"]:
            work.count("prompts whose rankings do not agree", 1)
        else:
            found.append(_pair(order[0], order[-1], work))
    return [*found, *(kept_as_it_is(row, work, "agreement") for row in alike(verdicts, 0.0))]


def _usual(rows: Sequence[Row], most: int) -> list[Row]:
    told = [row for row in rows if row.data["score"] is not None]
    return sorted(told, key=lambda row: -row.data.get("times", 1))[:most]


def common(a: Sequence[Row], b: Sequence[Row]) -> list[Row]:
    """The longest subsequence of both orders of the same rows; of several that whose places in `a` come first."""
    best: list[list[list[Row]]] = [[[] for _ in range(len(b) + 1)] for _ in range(len(a) + 1)]
    for i in reversed(range(len(a))):
        for j in reversed(range(len(b))):
            if a[i].id == b[j].id:
                best[i][j] = [a[i], *best[i + 1][j + 1]]
            else:
                best[i][j] = max(best[i][j + 1], best[i + 1][j], key=len)
    return best[0][0]


def _pair(chosen: Row, rejected: Row, work: Work) -> Row:
    data = {
        "use": "pair",
        "prompt": chosen.data["prompt"],
        "chosen": chosen.data["completion"],
        "rejected": rejected.data["completion"],
        "score_chosen": chosen.data["score"],
        "score_rejected": rejected.data["score"],
    }
    source = Source(
        "agreement",
        judge=chosen.source.judge,
        principle=rejected.source.principle,
        constitution=work.label,
        parents=(chosen.id, rejected.id),
    )
    return Row(data, source)


def forecast(rows: Sequence[float], settings: Settings, *, most: int = 4) -> Load:
    prompts = min(rows[0], settings.prompts)
    return Load(0.4 * prompts, reads=min(rows[0], most * prompts))
