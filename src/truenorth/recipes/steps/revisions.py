"""The model finds the fault in its own answers and writes better ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from truenorth.judges.checks._text import first_match
from truenorth.models.protocol import Model
from truenorth.recipes.run_limits import Count
from truenorth.recipes.run_rows import as_lesson, concerned, kept_as_it_is
from truenorth.recipes.run_work import Answers, Load, Pairs, Work
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import PLAIN, grouped, revised
from truenorth.records import Row, Source

FINE = (r"\bnothing is wrong\b", r"\bdoes(?: not|n['’]t) break\b", r"\bno (?:fault|problem|issue)s?\b")


def revisions(
    answers: Answers, model: Model, work: Work, *, rounds: Count = 1, only: tuple[str, ...] = ()
) -> Pairs:
    """The likeliest answer to each prompt with its revision: pairs to imitate or to prefer; an answer that stayed
    as it was, or in which the critique finds no fault, is one to keep.

    Args:
        only: principles; answers to prompts that none of them speaks of are kept as they are.

    Source: Bai et al. 2022 (arXiv:2212.08073), section 3.1: red-team prompts are revised, helpful answers kept.
    """
    principles = [p.statement for p in work.job.constitution.principles if not only or p.id in only]
    settings = replace(work.settings, revised=rounds)
    spoken = [row for row in answers if row.data.get("way", PLAIN) == PLAIN]
    asked = [row for row in spoken if concerned(work, only, row.data["prompt"])]
    with work.progress("revisions", 2 * rounds * len(grouped(asked))) as tick:
        found = revised(model, asked, principles, work.job.templates, settings, tick=tick, count=work.count)
    better = {row.source.parents[-1]: row for row in found if not first_match(FINE, row.source.note)}
    rows = []
    for prompt_id, group in grouped(spoken).items():
        draft = max(group, key=lambda row: row.data.get("times", 1))
        new = better.get(prompt_id)
        rows.append(_pair(draft, new, work) if new else kept_as_it_is(draft, work, "revise"))
    work.count("answers that stayed as they were", Counter(r.data["use"] for r in rows)["keep"])
    return rows


def _pair(draft: Row, new: Row, work: Work) -> Row:
    data = {
        "use": "pair",
        "prompt": draft.data["prompt"],
        "chosen": new.data["completion"],
        "rejected": draft.data["completion"],
    }
    source = Source("revise", constitution=work.label, parents=(new.id, draft.id), note=new.source.note)
    return as_lesson(Row({**data, "score_chosen": None, "score_rejected": None}, source))


def forecast(
    rows: Sequence[float], settings: Settings, *, rounds: int = 1, only: tuple[str, ...] = ()
) -> Load:
    prompts = min(rows[0], settings.prompts)
    return Load(prompts, answers=2 * rounds * prompts)
