"""A judge fitted on what people labelled: a small head on the states of a model, which is not changed."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.base import UserError
from truenorth.judges import RewardJudge, read_labels
from truenorth.models.local import LocalModel
from truenorth.recipes.run_work import Have, Load, Work
from truenorth.recipes.settings import Settings

LEAST = 8


def label_judge(model: LocalModel, work: Work, *, only: tuple[str, ...] = ()) -> RewardJudge:
    """The judge, from the job's labels about the principles `only` (by default all labels).

    Raises:
        UserError: the job has no labels.
    """
    path = work.job.inputs.get("labels")
    if not path:
        raise UserError(
            "there are no labels", where="step label_judge", fix="--labels FILE: prompt, completion, label"
        )
    found = [label for id in only for label in read_labels(path, principle=id)] if only else read_labels(path)
    return RewardJudge.fit(model, found, seed=work.settings.seed)


def lacks(have: Have, **settings: object) -> str:
    return "" if have.labels >= LEAST else "needs --labels"


def forecast(rows: Sequence[float], settings: Settings, *, only: tuple[str, ...] = ()) -> Load:
    return Load(0, reads=100)
