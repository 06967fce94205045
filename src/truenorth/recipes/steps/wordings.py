"""The same requests in other words, beside the answer that both should get."""

from __future__ import annotations

import re
from collections.abc import Sequence

from truenorth.judges import Judge
from truenorth.models.protocol import Model
from truenorth.recipes.harbour import REPHRASE, REVISING
from truenorth.recipes.run_limits import Count, Share
from truenorth.recipes.run_rows import fresh
from truenorth.recipes.run_work import Answers, Load, Worded, Work
from truenorth.recipes.settings import Settings
from truenorth.records import Group, Row
from truenorth.synth.rephrase import TEMPLATE, rephrase

NAMES = re.compile(
    r"(?<=\w )[A-Z]\w+|\d+"
)  # what a paraphrase may not change: capitals within a sentence, numbers


def wordings(
    answers: Answers, model: Model, judge: Judge, work: Work, *, n: Count = 1, at_least: Share = 0.5
) -> Worded:
    """`n` paraphrases of each prompt: rows with prompt, paraphrase, and the completion of the prompt.

    Left out are paraphrases that lose a name or a number, that say what is held out, and those to which the judge does
    not find the answer good: they ask for something else.

    Args:
        at_least: the judge's score of the answer, as one to the paraphrase.

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
    made = fresh(work, found, "other wordings")
    said = judge.judge([Group(row.data["prompt"], [row.data["completion"]]) for row in made])
    good = [row for row, (one,) in zip(made, said, strict=True) if (one.score or 0.0) >= at_least]
    work.count("other wordings that ask for something else", len(made) - len(good))
    return [_beside(row, by_id[row.source.parents[0]]) for row in good]


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


def forecast(rows: Sequence[float], settings: Settings, *, n: int = 1, at_least: float = 0.5) -> Load:
    return Load(0.2 * n * rows[0], answers=n * rows[0], reads=n * rows[0])
