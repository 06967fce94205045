"""Several raters rank the answers to each prompt, as people would; each has seen a part of what people labelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from truenorth.base import UserError, content_hash, seed_of
from truenorth.judges import RewardJudge, read_labels
from truenorth.judges.reward import LEAST
from truenorth.models.local import LocalModel
from truenorth.recipes.run_limits import Count, SomeShare
from truenorth.recipes.run_rows import concerned
from truenorth.recipes.run_work import Answers, Have, Load, Work
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import grouped
from truenorth.records import Group, Row, Source

Trees = Annotated[list[Row], "prompt", "tree"]


def crowd(
    answers: Answers,
    model: LocalModel,
    work: Work,
    *,
    raters: Count = 5,
    share: SomeShare = 0.6,
    only: tuple[str, ...] = (),
) -> Trees:
    """A conversation tree for each prompt, in the form of OpenAssistant's export, with a ranking by each rater.

    Args:
        raters: heads on the model's states. share: of the labels that each of them has seen.
        only: principles; labels about these, and prompts that one of them speaks of.

    Raises:
        UserError: the job has no labels.

    Source: Köpf et al. 2023 (arXiv:2304.07327), where raters are people.
    """
    path = work.job.inputs.get("labels")
    if not path:
        raise UserError("there are no labels", where="step crowd", fix="--labels FILE")
    labels = (
        [label for id in only for label in read_labels(path, principle=id)] if only else read_labels(path)
    )
    groups = [rows for rows in grouped(answers).values() if concerned(work, only, rows[0].data["prompt"])]
    groups = [rows for rows in groups if len(rows) > 1]
    asked = [Group(rows[0].data["prompt"], [row.data["completion"] for row in rows]) for rows in groups]
    ballots: list[list[list[str]]] = [[] for _ in groups]
    for number in range(raters):
        drawn = sorted(
            labels, key=lambda label: seed_of("rater", work.settings.seed, number, *map(str, label))
        )
        seen = drawn[: max(LEAST, round(share * len(labels)))]
        rater = RewardJudge.fit(model, seen, seed=work.settings.seed, name=f"rater {number}")
        for ballot, rows, found in zip(ballots, groups, rater.judge(asked), strict=True):
            order = sorted(zip(rows, found, strict=True), key=lambda pair: -(pair[1].score or 0.0))
            ballot.append([row.id for row, _ in order])
    return [_tree(rows, ballot) for rows, ballot in zip(groups, ballots, strict=True)]


def _tree(rows: Sequence[Row], rankings: list[list[str]]) -> Row:
    prompt = rows[0].data["prompt"]
    replies = [{"message_id": r.id, "role": "assistant", "text": r.data["completion"]} for r in rows]
    root = {
        "message_id": content_hash(prompt, 16),
        "role": "prompter",
        "text": prompt if isinstance(prompt, str) else prompt[-1]["content"],
        "replies": replies,
        "rankings": rankings,
    }
    source = Source(
        "crowd", "model_feedback", parents=(*(row.id for row in rows), rows[0].source.parents[-1])
    )
    return Row({"prompt": prompt, "tree": {"prompt": root}}, source)


def lacks(have: Have, **settings: object) -> str:
    return "" if have.labels >= LEAST else "needs --labels"


def forecast(
    rows: Sequence[float],
    settings: Settings,
    *,
    raters: int = 5,
    share: float = 0.6,
    only: tuple[str, ...] = (),
) -> Load:
    part = 0.25 if only else 1.0
    return Load(part * min(rows[0] / 2, settings.prompts), reads=raters * part * rows[0])
