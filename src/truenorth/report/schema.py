"""The schema of report.json: everything the report page, the model card and the console table are made from.

Rates are fractions in [0, 1]; seconds are wall-clock seconds; intervals are 95 %. A number that could not be
measured is null, never 0. Unknown keys are errors. `None` and empty parts leave no trace on the page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from truenorth.base import UserError

Number = Annotated[float | None, BeforeValidator(lambda v: None if _missing(v) else v)]
Status = Literal["met", "not met", "cannot tell"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _from_tuple(cls, value: Any) -> Any:
        """NamedTuples of `stats` and `engine` may stand where objects are expected."""
        return value._asdict() if hasattr(value, "_asdict") else value


class Value(_Part):
    """An estimate with its interval; `stats.Estimate` is accepted as it is."""

    mean: Number
    low: Number = None
    high: Number = None
    n: int | None = None  # items it rests on
    abstained: int = 0  # items the judge did not answer, left out of the mean
    unit: str = ""  # "nats per answer"; rates have none


class PairedValue(_Part):
    """Aligned minus base on the same items; `stats.Paired` is accepted as it is."""

    difference: Number
    low: Number = None
    high: Number = None
    p: Number = None
    n: int | None = None
    test: str = ""


class Comparison(_Part):
    """One quantity of the base model and of the aligned one."""

    base: Value
    aligned: Value
    paired: PairedValue | None = None
    title: str = ""
    detail: str = ""  # one line below the title
    unit: str = "rate"  # "rate" is shown in per cent; anything else as a number with this unit
    better: Literal["higher", "lower", "neither"] = "higher"
    measured_by: str = ""  # "oracle:harmless"
    target: Number = None  # a tick on the plot


class PromptSet(_Part):
    """The principles, and the facts and skills to keep, measured on another set of prompts."""

    title: str = ""
    description: str = ""
    principles: dict[str, Comparison]
    capability: dict[str, Comparison] = {}


class Target(_Part):
    """A stated goal. Without a status, the interval decides: it must clear the bound for "met"."""

    title: str
    value: Value
    bound: float
    at_most: bool = False
    set: str = ""  # "near"
    unit: str = "rate"
    status: Status | None = None
    note: str = ""


class JudgeCard(_Part):
    """How far a judge can be trusted, against labels it did not see."""

    role: str = ""  # "trained on", "held out", "measures only"
    accuracy: Value | None = None
    kappa: Value | None = None
    position_bias: Value | None = None  # share of verdicts that follow the order shown, minus a half
    verbosity_bias: Value | None = None  # correlation of score with length
    calibration_error: Value | None = None
    labels: int | None = None
    abstained: Number = None  # share of answers it gave no verdict on
    passed: bool | None = None  # whether it is worth training on, by its card
    note: str = ""


class Signal(_Part):
    """How well a training signal agrees with what measures, which no training saw."""

    signal: str
    principle: str = ""
    agreement: Value
    kappa: Value | None = None
    answered: Number = None  # share of answers the signal had a verdict on


class Series(_Part):
    """A line of the curves: (training step, value), with an optional band (step, low, high)."""

    title: str
    role: Literal["proxy", "held_out", "kl", "length", "loss", "other"] = "other"
    points: list[tuple[float, Number]]
    band: list[tuple[float, Number, Number]] = []
    unit: str = ""


class Curves(_Part):
    """Training over steps, and where it stopped."""

    series: list[Series]
    stopped_at: Number = None  # step whose weights were kept
    reason: str = ""  # why there


class Stage(_Part):
    """A step of the data: how many rows it left, how many it dropped and why."""

    title: str
    kept: int
    dropped: int = 0
    reasons: dict[str, int] = {}
    detail: str = ""


class Sample(_Part):
    """A row to look at: its id for `truenorth why`, and its text columns as people read them."""

    id: str
    step: str = ""
    fields: dict[str, str]


class Change(_Part):
    """One prompt that both models answered, differently judged."""

    prompt: str
    base: str
    aligned: str
    principle: str = ""
    base_score: Number = None
    aligned_score: Number = None
    set: str = ""
    id: str = ""
    reason: str = ""


class Changes(_Part):
    """Answers that changed for better and for worse, and how many of each there were."""

    better: list[Change] = []
    worse: list[Change] = []
    better_total: int | None = None
    worse_total: int | None = None
    same_total: int | None = None


class StepCost(_Part):
    wall_s: float
    cpu_s: float = 0.0
    peak_mib: float = 0.0


class Verdict(_Part):
    """Whether the run reached what it was for (None: cannot tell), in one sentence."""

    passed: bool | None
    sentence: str


class Table(_Part):
    """Anything else worth a table."""

    title: str
    caption: str = ""
    columns: list[str]
    rows: list[list[str | float | int | None]]


class Named(_Part):
    """A model or a constitution by the name people know it by."""

    name: str
    detail: str = ""
    path: str = ""


class Principle(_Part):
    title: str = ""
    statement: str = ""
    kind: str = ""
    severity: str = ""


class ConstitutionPart(_Part):
    label: str  # name@version#hash
    principles: dict[str, Principle] = {}


class Report(_Part):
    """The whole report. Only `title`, `run` and `principles` must be there."""

    layout: Literal[1] = 1
    title: str
    run: str  # the run directory as the user names it, for the commands on the page
    made: str = ""
    verdict: Verdict | None = None
    base_model: Named | None = None
    aligned_model: Named | None = None
    constitution: ConstitutionPart | None = None
    seeds: list[int] = []

    set: str = "near"  # name of the set that `principles` is about
    set_description: str = ""
    principles: dict[str, Comparison]
    sets: dict[str, PromptSet] = {}
    targets: list[Target] = []
    capability: dict[str, Comparison] = {}
    drift: dict[str, Comparison] = {}  # length, repetition, perplexity
    kl: Value | None = None
    curves: Curves | None = None
    judge: dict[str, JudgeCard] = {}
    signals: list[Signal] = []

    data: list[Stage] = []
    samples: list[Sample] = []
    changes: Changes = Changes()
    losses: dict[str, int] = {}
    losses_note: str = ""
    tables: list[Table] = []
    notes: list[str] = []

    seconds: float | None = None
    cpu_seconds: float | None = None
    costs: dict[str, StepCost] = {}
    machine: dict[str, str | int | None] = {}
    packages: dict[str, str] = {}
    command: str = ""


def check(data: Mapping[str, Any]) -> Report:
    """A report from plain data.

    Raises:
        UserError: missing, unknown or mistyped entries, each with its path.
    """
    try:
        return Report.model_validate(data)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise UserError(
            "; ".join(faults), where="report", expected="the schema of truenorth.report"
        ) from error


def _missing(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
