"""Answers played out among the people they touch, and answered again in view of what came of them."""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.models.protocol import Model
from truenorth.recipes.harbour import REVISING, SCENE
from truenorth.recipes.run_limits import Count
from truenorth.recipes.run_rows import as_lesson, kept_as_it_is, taken
from truenorth.recipes.run_work import Answers, Load, Pairs, Work
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import PLAIN, grouped
from truenorth.records import Row
from truenorth.synth.scene_words import PLAIN as SCENE_IN_PLAIN_WORDS
from truenorth.synth.scenes import scene_answers


def scenes(answers: Answers, model: Model, work: Work, *, people: Count = 5) -> Pairs:
    """The likeliest answer to each prompt with what the model says after its scene: pairs to imitate or to prefer; an
    answer of which nothing bad came is one to keep.

    Args:
        people: who take part, at most. On the organism they have no names: each says what is wrong with the answer,
            and what most say came of it.

    Source: Pang et al. 2024, MATRIX (arXiv:2402.05699), section 3.
    """
    organism = work.job.templates is REVISING
    spoken = [row for row in answers if row.data.get("way", PLAIN) == PLAIN]
    drafts = [max(group, key=lambda row: row.data.get("times", 1)) for group in grouped(spoken).values()]
    # a prompt that is asked several times counts once; the people of the organism all ask the same
    asked = 2 if organism else 2 * people + 3
    with work.progress("scenes", asked * len(drafts)) as tick:
        found = scene_answers(
            model,
            drafts,
            scene=SCENE if organism else SCENE_IN_PLAIN_WORDS,
            roles=[f"person {i}" for i in range(1, people + 1)] if organism else None,
            most_roles=people,
            keep_harmless=True,
            max_tokens=work.settings.max_tokens,
            seed=work.settings.seed,
            tick=tick,
        )
    by_id = {row.id: row for row in drafts}
    return [_lesson(row, by_id[row.source.parents[0]], work) for row in taken(work, found, "scenes")]


def _lesson(new: Row, draft: Row, work: Work) -> Row:
    if not new.data["incidents"]:
        return kept_as_it_is(draft, work, "scene")
    data = {
        "prompt": new.data["prompt"],
        "chosen": new.data["completion"],
        "rejected": draft.data["completion"],
    }
    scores = {"score_chosen": None, "score_rejected": None}
    return as_lesson(Row({"use": "pair", **data, **scores}, new.source))


def forecast(rows: Sequence[float], settings: Settings, *, people: int = 5) -> Load:
    prompts = min(rows[0], settings.prompts)
    return Load(prompts, answers=(people + 1) * prompts)
