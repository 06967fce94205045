"""What the steps of a recipe are given and give: the shapes of their rows, and the work they are part of.

A step kind is a function `recipes/steps/NAME.py`. Its positional parameters name what it consumes: rows of an
earlier step (`Prompts`, `Answers`, `Verdicts`, `Pairs`, `Texts`), a `Model` that answers, a `LocalModel` that trains, a
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
from truenorth.models.local import LocalModel
from truenorth.recipes.job import Job, Judges
from truenorth.recipes.run_budget import Budget
from truenorth.recipes.settings import Settings
from truenorth.records import Prompt, Row

Rows = Annotated[list[Row], "prompt"]  # of any kind; what more they must have, the step checks
Prompts = Annotated[list[Row], "prompt"]
Answers = Annotated[list[Row], "prompt", "completion"]
Verdicts = Annotated[list[Row], "prompt", "completion", "score"]
Pairs = Annotated[list[Row], "prompt", "chosen", "rejected"]
Texts = Annotated[list[Row], "text"]  # unlabelled; `title` says whom or what a text is about
Guidelines = Annotated[list[Row], "prompt", "guideline"]
Worded = Annotated[list[Row], "prompt", "paraphrase", "completion"]


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
        budget: of time and requests.
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
