"""The answers that people called good: a few pairs of question and answer to begin with."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.base import UserError, seed_of
from truenorth.judges.reward import read_labels
from truenorth.recipes.run_limits import Count
from truenorth.recipes.run_work import Answers, Have, Load, Work
from truenorth.recipes.settings import Settings
from truenorth.records import Row, Source, as_messages

LEAST = 8


def labelled(work: Work, *, n: Count = 64) -> Answers:
    """At most `n` answers of the job's labels that were called good, drawn by seed.

    Raises:
        UserError: the job has no labels.
    """
    path = work.job.inputs.get("labels")
    if not path:
        raise UserError(
            "there are no labels", where="step labelled", fix="--labels FILE: prompt, completion, label"
        )
    good = [(prompt, text) for prompt, text, score in read_labels(path) if score > 0.5]
    good.sort(key=lambda one: seed_of("labelled", work.settings.seed, str(one)))
    rows = [
        Row({"prompt": as_messages(prompt), "completion": text.strip()}, Source("labels", "people"))
        for prompt, text in good[:n]
    ]
    work.count("labelled answers beyond what was asked for", len(good) - len(rows))
    return rows


def forecast(rows: Sequence[float], settings: Settings, *, n: int = 64) -> Load:
    return Load(n)


def lacks(have: Have, **settings: object) -> str:
    return "" if have.labels >= LEAST else f"needs --labels with {LEAST} answers that people called good"
