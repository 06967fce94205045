"""The same requests in other words, beside the answer that both should get."""

from __future__ import annotations

import re
from collections.abc import Sequence

from truenorth.models.protocol import Model
from truenorth.recipes.harbour import REPHRASE, REVISING
from truenorth.recipes.run_rows import taken
from truenorth.recipes.run_work import Answers, Load, Worded, Work
from truenorth.recipes.settings import Settings
from truenorth.records import Row
from truenorth.synth.rephrase import TEMPLATE, rephrase

NAMES = re.compile(
    r"(?<=\w )[A-Z]\w+|\d+"
)  # what a paraphrase may not change: capitals within a sentence, numbers


def wordings(answers: Answers, model: Model, work: Work, *, n: int = 1) -> Worded:
    """`n` paraphrases of each prompt: rows with prompt, paraphrase, and the completion of the prompt.

    Paraphrases that lose a name or a number, or say what is held out, are left out.

    Source: Yan et al. 2024, CoIN (arXiv:2402.11138), section 3.1.
    """
    template = REPHRASE if work.job.templates is REVISING else TEMPLATE
    by_id = {row.id: row for row in answers}
    with work.progress("other wordings", len(answers)) as tick:
        found = rephrase(
            model,
            answers,
            n=n,
            template=template,
            accept=same_names,
            seed=work.settings.seed,
            temperature=0.7,
            max_tokens=2 * work.settings.max_tokens,
            tick=tick,
        )
    return [_beside(row, by_id[row.source.parents[0]]) for row in taken(work, found, "other wordings")]


def same_names(old: str, new: str) -> bool:
    """
    >>> same_names("Where does Ann Lee live?", "In which house is Ann Lee at home?")
    True
    >>> same_names("Where does Ann Lee live?", "Where does Bob Lee live?")
    False
    """
    return set(NAMES.findall(old)) <= set(re.findall(r"\w+", new))


def _beside(new: Row, old: Row) -> Row:
    data = {**old.data, "prompt": old.data["prompt"], "paraphrase": new.data["prompt"]}
    return Row(data, new.source)


def forecast(rows: Sequence[float], settings: Settings, *, n: int = 1) -> Load:
    return Load(0.8 * n * rows[0], answers=n * rows[0])
