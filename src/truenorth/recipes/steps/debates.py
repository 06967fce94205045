"""Debaters quote from texts that the judge does not see; what the judge then believes is preferred."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from truenorth.judges.logprob import dialogue
from truenorth.judges.quotes import NOTE, QuoteDebate
from truenorth.models.protocol import Model
from truenorth.recipes.run_limits import Count, Nats, Share, template
from truenorth.recipes.run_rows import as_lesson, taken
from truenorth.recipes.run_work import Answers, Load, Pairs, Work
from truenorth.recipes.settings import Settings
from truenorth.recipes.steps.pages import Pages
from truenorth.synth.comparisons import pairs_from_comparisons


def debates(
    answers: Answers,
    pages: Pages,
    debater: Model,
    listener: Model,
    work: Work,
    *,
    margin: Share = 0.3,
    most: Count = 1,
    support: Nats = 1.0,
    note: Annotated[str, template("quote", "question")] = NOTE,
) -> Pairs:
    """At most `most` debates a prompt, between answers of its own; one wins where the listener's share for it is above
    one half by `margin`. Prompts without a page are left out.

    Args:
        listener: decides; both models must give likelihoods.
        support: nats by which quotes must make an answer likelier; else they speak for neither.
        note: how the listener is shown a quote, with {quote} and, after it, {question}.

    Sources: Khan et al. 2024 (arXiv:2402.06782), Michael et al. 2023 (arXiv:2311.08702).
    """
    texts = {dialogue(row.data["prompt"]): row.data["document"] for row in pages}
    judge = QuoteDebate(listener, debater, texts, note=note, support=support, seed=work.settings.seed)
    open_ = [row for row in answers if dialogue(row.data["prompt"]) in texts]
    work.count("answers to questions without a page", len(answers) - len(open_))
    found = pairs_from_comparisons(
        open_, judge, margin=margin, most=most, seed=work.settings.seed, constitution=work.label
    )
    return [as_lesson(row) for row in taken(work, found, "debates")]


def forecast(
    rows: Sequence[float], settings: Settings, *, margin: float = 0.3, most: int = 1, **given: object
) -> Load:
    return Load(0.3 * most * rows[1], reads=26 * most * rows[1])
