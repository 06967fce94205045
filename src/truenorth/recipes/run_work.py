"""What the steps of a recipe are given and give: the shapes of their rows, and the work they are part of.

A step kind is a function `recipes/steps/NAME.py`. Its positional parameters name what it consumes: rows of an
earlier step (`Prompts`, `Answers`, `Verdicts`, `Pairs`), a `Model` that answers, a `LocalModel` that trains, a
`Judge`, and the `Work`. Its keyword-only parameters are its settings. What it returns is rows, or something with
`save(folder)`: a model, a judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any, NamedTuple

from truenorth.engine import Run, progress
from truenorth.judges import Judge
from truenorth.judges.checks._text import applies
from truenorth.models.local import LocalModel
from truenorth.recipes.job import Job, Judges
from truenorth.recipes.run_budget import Budget
from truenorth.recipes.settings import Settings
from truenorth.recipes.signals import grouped
from truenorth.records import Judgement, Prompt, Row, Source, prompt_text
from truenorth.synth import Filtered, decontaminate, dedupe, load_heldout
from truenorth.synth.answers import answer_text

Rows = Annotated[list[Row], "prompt"]  # of any kind; what more they must have, the step checks
Prompts = Annotated[list[Row], "prompt"]
Answers = Annotated[list[Row], "prompt", "completion"]
Verdicts = Annotated[list[Row], "prompt", "completion", "score"]
Pairs = Annotated[list[Row], "prompt", "chosen", "rejected"]


class Load(NamedTuple):
    """What a step would do: rows it makes, answers sampled, texts read by a model (to judge or to score them), and
    texts trained on."""

    rows: float
    answers: float = 0.0
    reads: float = 0.0
    trained: float = 0.0


class Have(NamedTuple):
    """What there is to work with, before anything runs. A step kind may say in `lacks(have, **settings)` why it could
    not run with it; "" where it could.

    Args:
        parameters: of the model.
        chats: it has a chat template.
        guidance: principles with a line of guidance.
        unjudged: principles that neither checks, labels nor an endpoint can judge.
        labels: answers that people called good.
        prompts: of the file that was given; None without one.
        organism: the model is one of Harbour, which knows how to judge and revise a little.
    """

    parameters: int
    chats: bool
    guidance: int
    unjudged: tuple[str, ...] = ()
    labels: int = 0
    prompts: int | None = None
    organism: bool = False


NEEDS_CHAT = "needs a chat template, to give the model principles in its system turn"


def lacks_guidance(have: Have) -> str:
    """Why a step that tells the model of principles could not run."""
    if not have.chats:
        return NEEDS_CHAT
    return "" if have.guidance else "needs a line of `guidance` in the constitution's principles"


@dataclass(frozen=True)
class Work:
    """The run that a step is part of.

    Args:
        base: the model before any training.
        judges: the constitution's judge, and one that it never trains on.
        watched: makes the prompts that only watch a training.
        chosen: the judge that the step was given, if it is not the constitution's.
    """

    job: Job
    run: Run
    base: LocalModel
    judges: Judges
    watched: Callable[[], Sequence[Prompt]]
    budget: Budget
    quiet: bool = False

    @property
    def settings(self) -> Settings:
        return self.job.settings

    @property
    def label(self) -> str:
        """The constitution's name, version and hash."""
        return str(self.job.constitution.label)

    @property
    def guidance(self) -> dict[str, str]:
        """Principle -> what to tell the model of it; none for models without a chat template."""
        if self.base.codec.turn is None:
            return {}
        return {p.id: p.guidance for p in self.job.constitution.principles if p.guidance}

    def count(self, name: str, n: int = 1) -> None:
        self.run.count(name, n)

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        """A bar, as what to call with the number of prompts just done."""
        with progress(label, total=total, quiet=self.quiet) as bar:
            yield bar.tick


def second_of(work: Work, judge: Judge) -> Judges:
    """The judge that trains with one that does not: what watches the constitution's judge, else the constitution."""
    if judge is work.judges.proxy:
        return work.judges
    return Judges(judge, work.judges.proxy, work.judges.cards)


def changed(settings: Settings, **given: Any) -> Settings:
    """The job's settings with those that a step was given; None leaves the job's."""
    return replace(settings, **{k: v for k, v in given.items() if v is not None})


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
    return Row({**data, **more}, row.source, row.id)


def taken(work: Work, found: Filtered, what: str) -> list[Row]:
    """The rows that a maker of `synth` kept, with plain text for answers; what it left out is counted."""
    for reason, n in found.dropped.items():
        work.count(f"{what} {reason}", n)
    return [plain(row) for row in found.kept]


def plain(row: Row) -> Row:
    sides = [k for k in ("completion", "chosen", "rejected") if k in row.data]
    texts: dict[str, str] = {k: answer_text(row.data[k]) for k in sides}
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
