"""A recipe: a short YAML file that says what a published system does, as an ordered chain of steps.

title: Constitutional AI
paper: Bai et al. 2022, arXiv:2212.08073
system: A07                     # the row of the list of published systems
about: what the paper does, in a sentence or two
differs: what is done differently here
model: harbour-micro            # what is aligned by default; `settings` are for it
constitution: harbour
settings: {prompts: 1000, steps: 150}
models: {weak: harbour-nano}    # further models that steps may name
steps:
  prompts: {}                   # a step of the kind of its name
  drafts: {step: answers, n: 1}
claim: {quantity: harmless, set: near, over: base, direction: up}
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from truenorth.base import UserError, unreadable
from truenorth.base.lines import Source, read_yaml

FOLDER = Path(__file__).parent
WORDS = ("title", "paper", "system", "about", "differs", "model", "constitution")
KEYS = (*WORDS, "measure", "settings", "models", "steps", "claim", "gold")
NEEDED = ("title", "steps")
MEASURES = ("gazette", "roles")
NAME = r"[a-z][a-z0-9_]*"


class Claim(NamedTuple):
    """What the recipe is to show where the truth is known: `quantity` of the set moves, compared with `over`.

    Args:
        over: "base", or a step of the recipe that trained another model.
    """

    quantity: str
    set: str = "near"
    over: str = "base"
    direction: Literal["up", "down"] = "up"


class Gold(NamedTuple):
    """What was measured of the claim by the organism's oracle. Three seeds are a proof; fewer are a first look.

    Args:
        points: difference of the claimed quantity, with its pooled 99 % interval over the questions.
        overall: mean difference over the four principles of the claim's set, points; `controls` that over what is
            harmless or true and must still be answered, and `facts` that of known facts.
        cpu_s: CPU seconds of one seed, measuring left out.
        prompts, steps: the sizes it was measured at.
    """

    points: float
    low: float
    high: float
    overall: float
    controls: float
    facts: float
    cpu_s: float
    seeds: int
    prompts: int
    steps: int

    @property
    def worth(self) -> float:
        """What it gains over all principles, less what that costs; points."""
        return self.overall + self.controls + self.facts

    @property
    def proven(self) -> bool:
        return self.seeds >= 3 and self.low * self.high > 0


@dataclass(frozen=True)
class Recipe:
    """A recipe as it was written; `truenorth.recipes.run_check` says whether its steps fit together."""

    name: str
    title: str
    steps: Mapping[str, Mapping[str, Any]]
    path: Path
    lines: Mapping[str, int]
    paper: str = ""
    system: str = ""
    about: str = ""
    differs: str = ""
    model: str = "harbour-micro"
    constitution: str = "harbour"
    settings: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    measure: tuple[str, ...] = ()  # further questions of the organism's bench
    claim: Claim | None = None
    gold: Gold | None = None

    def at(self, key: str) -> str:
        """File and line of a key such as steps.drafts.n, for messages."""
        line = self.lines.get(key)
        return f"{self.path}{f', line {line}' if line else ''}, {key}"


def recipe_names() -> list[str]:
    """The shipped recipes."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read_recipe(given: str | Path) -> Recipe:
    """The shipped recipe of that name, or a file.

    Raises:
        UserError: no such recipe (with the nearest), or one that is not written as it should be, with its line.
    """
    path = Path(given)
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{given}.yaml"
        if not path.is_file():
            known = recipe_names()
            raise UserError(
                f"no recipe {str(given)!r}",
                expected="a file, or one of " + ", ".join(known),
                fix=near(str(given), known),
            )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error
    source = read_yaml(text)
    if source.problems:
        raise UserError(source.problems[0].at(str(path)), fix="mend the YAML")
    return recipe_of(source, path)


def recipe_of(source: Source, path: Path) -> Recipe:
    """The recipe of a file's values."""
    data = source.data
    if not isinstance(data, dict):
        raise UserError("not a recipe", where=str(path), expected="keys such as title and steps")

    def where(key: str) -> str:
        line = source.lines.get(key)
        return f"{path}{f', line {line}' if line else ''}, {key}"

    for key in data:
        known(key, KEYS, where(key), "key")
    for key in NEEDED:
        if not data.get(key):
            raise UserError(f"no {key}", where=str(path))
    for key in ("settings", "models", "steps", "claim", "gold"):
        if not isinstance(data.get(key) or {}, dict):
            raise UserError(f"{key} is no mapping", where=where(key))
    measure = data.get("measure") or []
    if not isinstance(measure, list) or any(one not in MEASURES for one in measure):
        raise UserError(
            f"{data['measure']!r}", where=where("measure"), expected=f"a list of {', '.join(MEASURES)}"
        )
    steps = {str(name): _step(value, where(f"steps.{name}")) for name, value in data["steps"].items()}
    words = {k: str(data[k]).strip() for k in WORDS if data.get(k) is not None}
    return Recipe(
        name=path.stem,
        steps=steps,
        path=path,
        lines=source.lines,
        settings=data.get("settings") or {},
        models={k: str(v) for k, v in (data.get("models") or {}).items()},
        measure=tuple(map(str, data.get("measure") or ())),
        claim=_claim(data.get("claim"), where("claim")),
        gold=_gold(data.get("gold"), where("gold")),
        **words,
    )


def _step(value: Any, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError(
            f"{value!r} is no step", where=where, expected="a mapping such as {step: answers, n: 4}"
        )
    return value


def _claim(value: Any, where: str) -> Claim | None:
    if value is None:
        return None
    for key in value:
        known(key, Claim._fields, where, "key")
    if "quantity" not in value or value.get("direction", "up") not in ("up", "down"):
        raise UserError("not a claim", where=where, expected="{quantity: ..., direction: up or down}")
    return Claim(**value)


def _gold(value: Any, where: str) -> Gold | None:
    if value is None:
        return None
    for key in value:
        known(key, Gold._fields, where, "key")
    missing = [key for key in Gold._fields if key not in value]
    if missing:
        raise UserError(f"no {', '.join(missing)}", where=where)
    return Gold(**value)


def known(name: str, names: Iterable[str], where: str, what: str) -> None:
    """
    Raises:
        UserError: `name` is none of them, with the nearest.
    """
    names = list(names)
    if name not in names:
        raise UserError(
            f"unknown {what} {name!r}",
            where=where,
            expected="one of " + ", ".join(names),
            fix=near(name, names),
        )


def near(name: str, names: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"did you mean {found[0]}?" if found else ""
