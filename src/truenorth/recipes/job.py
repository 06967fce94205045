"""What an alignment job is made of, whatever the model: the parts that differ from job to job."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.engine import Run
from truenorth.judges import Judge
from truenorth.measure import Item
from truenorth.models.local import LocalModel
from truenorth.recipes.run_asking import PLAINLY_ASKED, Asking
from truenorth.recipes.settings import Settings
from truenorth.records import Row
from truenorth.synth.revise import PLAINLY, Templates

Count = Callable[[str, int], None]


class Goal(NamedTuple):
    """A stated target: a quantity of a set at least (or at most) `bound`; "loss of X" is about an ability."""

    title: str
    set: str
    quantity: str
    bound: float
    at_most: bool = False


@dataclass(frozen=True)
class Bench:
    """What measures: questions that training did not see, and judges that it did not use.

    Args:
        conduct: set -> questions answered at temperature 1. The first set is the main one.
        abilities: set -> questions answered greedily.
        judges: principle or ability -> its judge.
        lower: quantities of which less is better.
        titles: names for people, where the constitution has none.
    """

    conduct: Mapping[str, Sequence[Item]]
    abilities: Mapping[str, Sequence[Item]]
    judges: Mapping[str, Judge]
    goals: tuple[Goal, ...] = ()
    lower: frozenset[str] = frozenset()
    titles: Mapping[str, str] | None = None
    about: str = ""

    @property
    def main(self) -> str:
        return next(iter(self.conduct))


class Judges(NamedTuple):
    """The judge that makes the training signal, and one the training never sees, to watch it with."""

    proxy: Judge
    second: Judge
    cards: Mapping[str, Mapping[str, Any]]  # as the report shows them


@dataclass(frozen=True)
class Job:
    """An alignment: a model, its constitution, and where prompts, signals and measurements come from.

    Args:
        prompts: makes prompt rows with a model, the settings and a counter of what was dropped.
        judges: made with the model and the run before training; may fit on labels.
        bench: opened only to measure, after training: it may know what is true.
        inputs: files and settings that prompts and judges depend on, for the run's cache.
        templates: how the model is asked to critique and to revise, where settings ask for it.
        asking: how the model is asked to judge answers itself.
        texts: a file of unlabelled texts that steps may read.
        documents: hold the model to texts of its own.
        insist: train on a judge that fails its card.
        finish: adds what this kind of job has to say to the report; gets it, the run, both models and the scores.
    """

    name: str
    model: Path | str
    constitution: Any
    settings: Settings
    prompts: Callable[[LocalModel, Settings, Count], list[Row]]
    judges: Callable[[LocalModel, Run], Judges]
    bench: Callable[[LocalModel, Run], Bench]
    inputs: Mapping[str, Any]
    adapter: Path | str | None = None
    texts: Path | str | None = None
    templates: Templates = PLAINLY
    asking: Asking = PLAINLY_ASKED
    documents: bool = True
    insist: bool = False
    finish: (
        Callable[[dict[str, Any], Run, Mapping[str, tuple[LocalModel, Any]], Any], dict[str, Any]] | None
    ) = None

    def load(self) -> LocalModel:
        """The model to align, its adapter folded in."""
        return load_whole(self.model, self.adapter)

    def config(self) -> dict[str, Any]:
        """Everything that changes the result, for the run's manifest."""
        return {
            "job": self.name,
            "model": str(self.model),
            "constitution": self.constitution.label,
            "settings": asdict(self.settings),
            "inputs": {k: str(v) for k, v in self.inputs.items()},
        }


def load_whole(model: Path | str, adapter: Path | str | None = None) -> LocalModel:
    """A model with its adapter folded into its weights, so that it trains like any other."""
    loaded = LocalModel.load(model, adapter=adapter)
    if adapter:
        loaded.module = loaded.module.merge_and_unload()
    return loaded
