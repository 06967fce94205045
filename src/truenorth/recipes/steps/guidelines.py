"""A library of guidelines: for each prompt the one under which the model's answers get better, or none."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.recipes.run_work import Guidelines, Have, Load, Verdicts, Work, lacks_guidance
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import PLAIN, grouped
from truenorth.records import Row, Source


def guidelines(verdicts: Verdicts, work: Work, *, margin: float = 0.3) -> Guidelines:
    """A row a prompt: the principle's guidance under which its answers score `margin` more than the plain ones, the
    best of them; "" where none does.

    Prompts without a verdict on plain answers, or on guided ones, are left out and counted.

    Source: Luo et al. 2024, Guide-Align (arXiv:2403.11838): guidelines are written for the inputs that need them.
    """
    rows = []
    for prompt_id, group in grouped(verdicts).items():
        means = {
            way: _mean([r for r in group if r.data.get("way", PLAIN) == way])
            for way in (PLAIN, *work.guidance)
        }
        told = {way: score for way, score in means.items() if score is not None}
        plain = told.pop(PLAIN, None)
        if plain is None or not told:
            work.count("prompts without a verdict", 1)
            continue
        best = max(told, key=lambda way: told[way])
        helps = told[best] - plain >= margin
        data = {"prompt": group[0].data["prompt"], "guideline": work.guidance[best] if helps else ""}
        source = Source(
            "guideline",
            "inductive_bias",
            judge=group[0].source.judge,
            principle=best if helps else "",
            constitution=work.label,
            parents=(group[0].id, prompt_id),
        )
        rows.append(Row({**data, "gain": told[best] - plain if helps else 0.0}, source))
    return rows


def _mean(rows: Sequence[Row]) -> float | None:
    """Mean score of answers, each as often as it was given; None without a verdict."""
    scored = [(row.data["score"], row.data.get("times", 1)) for row in rows if row.data["score"] is not None]
    times = sum(n for _, n in scored)
    return sum(score * n for score, n in scored) / times if times else None


def forecast(rows: Sequence[float], settings: Settings, *, margin: float = 0.3) -> Load:
    return Load(min(rows[0], settings.prompts))


def lacks(have: Have, **settings: object) -> str:
    return lacks_guidance(have)
