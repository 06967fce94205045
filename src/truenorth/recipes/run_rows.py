"""What steps do with rows: make them ones to learn from, group them, and count what is left out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from truenorth.judges.checks._text import applies
from truenorth.models.protocol import Model
from truenorth.recipes.run_work import Work
from truenorth.recipes.signals import grouped
from truenorth.records import Judgement, Prompt, Row, Source, prompt_text
from truenorth.synth import Filtered, decontaminate, dedupe, load_heldout
from truenorth.synth.answers import answer_text
from truenorth.synth.guided import guided

CUT = {"completion": "cut", "chosen": "cut_chosen", "rejected": "cut_rejected"}  # side -> was it cut?


def as_lesson(row: Row) -> Row:
    """A row to learn from, under the same id: an answer alone is one to imitate."""
    if "use" in row.data:
        return row
    data = row.data
    more = {
        "use": "pair",
        "chosen": data.get("chosen", data.get("completion")),
        "rejected": data.get("rejected", ""),
        "score_chosen": data.get("score_chosen", data.get("score")),
        "score_rejected": data.get("score_rejected"),
    }
    if "completion" in data and data.get("cut"):
        more["cut_chosen"] = True
    return Row({**data, **more}, row.source, row.id)


def with_cuts(made: Sequence[Row], given: Sequence[Row]) -> list[Row]:
    """What a step made of given rows; an answer that was cut at max_tokens stays known as one, whatever the step makes
    of it: it has no end to learn."""
    cut = {
        _said(row, side)
        for row in given
        for side, flag in CUT.items()
        if row.data.get(flag) and row.data.get(side)
    }
    return [_marked(row, cut) for row in made] if cut else list(made)


def _marked(row: Row, cut: Collection[tuple[str, str]]) -> Row:
    told = row.data if "prompt" in row.data else {}
    sides = [side for side, flag in CUT.items() if told.get(side) and flag not in told]
    more = {CUT[side]: True for side in sides if _said(row, side) in cut}
    return Row({**row.data, **more}, row.source, row.id) if more else row


def _said(row: Row, side: str) -> tuple[str, str]:
    return prompt_text(row.data["prompt"]), answer_text(row.data[side]).strip()


def answered(work: Work, model: Model, prompts: Sequence[Row], n: int, what: str) -> list[Row]:
    """`n` answers a prompt, of a model that is told more than the prompt; the rows have the bare prompt."""
    with work.progress(what, len(prompts)) as tick:
        found = guided(
            model,
            prompts,
            n=n,
            constitution=work.label,
            max_tokens=work.settings.max_tokens,
            seed=work.settings.seed,
            tick=tick,
        )
    return taken(work, found, what)


def taken(work: Work, found: Filtered, what: str) -> list[Row]:
    """The rows that a maker of `synth` kept, with plain text for answers; what it left out is counted."""
    for reason, n in found.dropped.items():
        work.count(f"{what} {reason}", n)
    return [plain(row) for row in found.kept]


def plain(row: Row) -> Row:
    sides = [k for k in ("completion", "chosen", "rejected") if k in row.data]
    texts: dict[str, Any] = {k: answer_text(row.data[k]) for k in sides}
    return row if texts == {k: row.data[k] for k in sides} else Row({**row.data, **texts}, row.source)


def distinct(prompts: Sequence[Prompt], without: Sequence[Row]) -> list[Prompt]:
    """The prompts that no row has."""
    known = {prompt_text(row.data["prompt"]) for row in without}
    return [prompt for prompt in prompts if prompt_text(prompt) not in known]


def concerned(work: Work, only: Sequence[str], prompt: Prompt) -> bool:
    """Does one of these principles speak of the prompt? Those that say no condition speak of all; no principles too."""
    told = [p for p in work.job.constitution.principles if p.id in only]
    return not only or any(
        applies(p.applies_when.prompt if p.applies_when else (), prompt_text(prompt)) for p in told
    )


def kept_as_it_is(draft: Row, work: Work, producer: str) -> Row:
    """An answer to hold the model to."""
    data = {"use": "keep", "prompt": draft.data["prompt"], "chosen": draft.data["completion"], "rejected": ""}
    source = Source(producer, constitution=work.label, parents=(draft.id,), note="as it is")
    return Row({**data, "score_chosen": None, "score_rejected": None}, source)


class Judged(NamedTuple):
    """Answers to each prompt with the verdicts on them, as the makers of `synth` take them."""

    prompts: list[Row]
    completions: list[list[Row]]
    judgements: list[list[Judgement]]


def judged(verdicts: Sequence[Row]) -> Judged:
    """Verdict rows, prompt by prompt."""
    found = Judged([], [], [])
    for prompt_id, rows in grouped(verdicts).items():
        found.prompts.append(Row({"prompt": rows[0].data["prompt"]}, rows[0].source, prompt_id))
        found.completions.append(rows)
        found.judgements.append(
            [Judgement(r.data["score"], r.source.judge, r.source.principle, r.source.note) for r in rows]
        )
    return found


def fresh(work: Work, found: Filtered, what: str) -> list[Row]:
    """New prompts without duplicates, and without those that say what is held out to measure with."""
    rows = taken(work, found, what)
    new = dedupe(rows)
    held = work.job.inputs.get("held_out")
    clean = decontaminate(new.kept, load_heldout(held)) if held else Filtered(new.kept, {})
    for stage in (new, clean):
        for reason, n in stage.dropped.items():
            work.count(f"{what} {reason}", n)
    return clean.kept
