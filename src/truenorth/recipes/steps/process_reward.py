"""A process reward model: is each step of a solution right? An answer is worth as much as its weakest step."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Annotated, cast, get_args

from truenorth.judges.critic import Over
from truenorth.judges.step_reward import StepReward, stepped
from truenorth.learn.fit import fit
from truenorth.learn.reward import open_reward
from truenorth.learn.types import Example, Task
from truenorth.models.local import LocalModel
from truenorth.recipes.run_limits import Count, Pattern, Positive, one_of
from truenorth.recipes.run_work import Load, Work
from truenorth.recipes.settings import Settings
from truenorth.recipes.steps.step_labels import SEPARATOR, StepLabels
from truenorth.records import Row, as_messages

OVERS = get_args(Over)


def process_reward(
    labels: StepLabels,
    model: LocalModel,
    work: Work,
    *,
    steps: Count = 120,
    batch: Count = 32,
    lr: Positive = 5e-4,
    separator: Pattern = SEPARATOR,
    over: Annotated[str, one_of(OVERS)] = "lowest",
) -> StepReward:
    """The model with a score at the end of each step, trained on the labels of steps.

    Args:
        separator: as for the labels. over: "lowest", "product", "last" or "mean".

    Source: Lightman et al. 2023 (arXiv:2305.20050); Sun et al. 2024 (arXiv:2403.09472), trained on easy problems and
    used on hard ones.
    """
    with tempfile.TemporaryDirectory() as folder:
        model.save(folder)
        scored = open_reward(folder, each_token=True, seed=work.settings.seed)
    chats = bool(getattr(scored.tokenizer, "chat_template", None))
    examples = [_example(scored.tokenizer, row, chats) for row in labels]
    fit(scored, [Task("steps", examples, "prm", batch=batch)], steps=steps, lr=lr, seed=work.settings.seed)
    name = f"process reward model of {len(labels)} solutions"
    return StepReward(scored.module, scored.tokenizer, separator, cast(Over, over), name)


def _example(tokenizer: object, row: Row, chats: bool) -> Example:
    prompt = as_messages(row.data["prompt"]) if chats else row.data["prompt"]
    told = stepped(tokenizer, prompt, row.data["completions"])
    each: list[float | None] = [None] * len(told.completions[0])
    for end, label in zip(told.ends, row.data["labels"], strict=True):
        each[end] = float(label)
    return Example(told.prompt, list(told.completions), columns={"labels": [each]})


def forecast(
    rows: Sequence[float], settings: Settings, *, steps: int = 120, batch: int = 32, **given: object
) -> Load:
    return Load(0, trained=steps * batch)
