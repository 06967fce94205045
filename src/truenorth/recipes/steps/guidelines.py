"""A library of guidelines: what each gains on each prompt, by the verdicts on answers under it and without."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.recipes.run_work import Guidelines, Have, Load, Verdicts, Work, lacks_guidance
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import PLAIN, grouped
from truenorth.records import Row, Source


def guidelines(verdicts: Verdicts, work: Work) -> Guidelines:
    """A row for each prompt and principle with guidance: by how much the answers under it score more than plain ones.

    Prompts without a verdict on plain answers, or on guided ones, are left out and counted.

    Source: Luo et al. 2024, Guide-Align (arXiv:2403.11838): guidelines are kept with the inputs that need them.
    """
    rows = []
    for prompt_id, group in grouped(verdicts).items():
        plain = _mean([row for row in group if row.data.get("way", PLAIN) == PLAIN])
        told = {way: _mean([row for row in group if row.data.get("way") == way]) for way in work.guidance}
        if plain is None or all(score is None for score in told.values()):
            work.count("prompts without a verdict", 1)
            continue
        for way, score in told.items():
            if score is None:
                continue
            data = {
                "prompt": group[0].data["prompt"],
                "guideline": work.guidance[way],
                "gain": score - plain,
            }
            source = Source(
                "guideline",
                "inductive_bias",
                judge=group[0].source.judge,
                principle=way,
                constitution=work.label,
                parents=(group[0].id, prompt_id),
            )
            rows.append(Row(data, source))
    return rows


def _mean(rows: Sequence[Row]) -> float | None:
    """Mean score of answers, each as often as it was given; None without a verdict."""
    scored = [(row.data["score"], row.data.get("times", 1)) for row in rows if row.data["score"] is not None]
    times = sum(n for _, n in scored)
    return sum(score * n for score, n in scored) / times if times else None


def forecast(rows: Sequence[float], settings: Settings) -> Load:
    return Load(4 * min(rows[0], settings.prompts))


def lacks(have: Have, **settings: object) -> str:
    return lacks_guidance(have)
