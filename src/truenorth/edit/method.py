"""What a method is to the stream: a function over tensors, how much of a tensor it reads at once, what it needs.

    @reads("elements", survey=largest)
    def ties(tensors, base, surveyed, *, weight: Each, density: Each = 1.0): ...

A method's positional parameters name what it needs, and the stream gives them:

    tensors     one array a model, without the base where the method names `base`
    base        the base model's array (`base=None`: works without)
    surveyed    what the method's survey found on a first pass over the whole tensor
    noise       one array of 32 random bits an element (uint32) for each tensor, from the seed, the tensor's
                name and the place in it
    start       the flat index of the block's first element
    fisher, gram, ...   any other name: statistics that each model brings, one array (or None) a tensor

Its keyword-only parameters are settings; those annotated `Each` hold one value a tensor.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from truenorth.base import UserError, find, names
from truenorth.edit.arrays import Array

PACKAGE = "truenorth.edit.methods"
Each = Any  # a setting with one value a tensor: a sequence as long as `tensors`
Scope = Literal["elements", "rows", "tensor"]
GIVEN = ("tensors", "base", "surveyed", "noise", "start")
F = TypeVar("F", bound=Callable[..., Any])


class Block(NamedTuple):
    """A part of one parameter, of every model.

    Elements: arrays of one axis. Rows: whole rows, two axes. Tensor: all of it, in its own shape.
    """

    tensors: Sequence[Array]
    base: Array | None
    start: int = 0  # the flat index of its first element
    noise: Sequence[Array] | None = None

    @property
    def deltas(self) -> list[Array]:
        """What each model changed of the base."""
        return [tensor - self.base for tensor in self.tensors]


class Blocks(Protocol):
    """A parameter as a survey sees it: in blocks, as often as it likes."""

    size: int  # elements
    count: int  # tensors

    def map(self, function: Callable[[Block], Any]) -> list[Any]:
        """`function` of every block, in order."""
        ...

    def sample(self) -> list[Block]:
        """A few blocks from all over the tensor (all of it, if it is small)."""
        ...


Survey = Callable[..., Any]  # survey(blocks, **settings) -> anything small


class Trait(NamedTuple):
    """What `reads` noted about a method."""

    scope: Scope = "tensor"
    survey: Survey | None = None
    inputs: int | None = None  # exactly so many tensors besides the base
    least: int = 1  # at least so many


def reads(scope: Scope, *, survey: Survey | None = None, inputs: int | None = None, least: int = 1):
    """Mark a method: it needs no more than an element, or a row, at a time; and what it asks beforehand."""

    def mark(function: F) -> F:
        function.trait = Trait(scope, survey, inputs, least)  # type: ignore[attr-defined]
        return function

    return mark


class Method(NamedTuple):
    """A method as the plan sees it.

    Args:
        settings: the keyword-only parameters with their defaults (`inspect.Parameter.empty`: none).
        each: those that hold one value a tensor.
        statistics: what each model must bring besides its weights.
    """

    name: str
    call: Callable[..., Array]
    trait: Trait
    base: Literal["required", "optional", "none"]
    settings: dict[str, Any]
    each: frozenset[str]
    statistics: tuple[str, ...]
    noise: bool

    def survey_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Those settings that its survey takes."""
        assert self.trait.survey is not None
        known = inspect.signature(self.trait.survey).parameters
        return {key: value for key, value in settings.items() if key in known}

    def counted(self, count: int, *, where: str = "") -> None:
        """Raise a UserError unless the method takes this many tensors besides the base."""
        exact, least = self.trait.inputs, self.trait.least
        if exact is not None and count != exact:
            raise UserError(f"{count} models for {self.name}", where=where, expected=f"{exact}{self._beside}")
        if count < least:
            raise UserError(
                f"{count} models for {self.name}", where=where, expected=f"at least {least}{self._beside}"
            )

    @property
    def _beside(self) -> str:
        return "" if self.base == "none" else " besides the base"


def method(name: str | Callable[..., Array], *, where: str = "") -> Method:
    """A method by its name (or `package.module:function`), or a function that is one.

    Raises:
        UserError: no such method.
    """
    call = find(PACKAGE, name, where=where) if isinstance(name, str) else name
    parameters = inspect.signature(call).parameters
    positional = [p for p in parameters.values() if p.kind is not p.KEYWORD_ONLY]
    keyword = {p.name: p for p in parameters.values() if p.kind is p.KEYWORD_ONLY}
    base = next((p for p in positional if p.name == "base"), None)
    return Method(
        name if isinstance(name, str) else call.__name__,
        call,
        getattr(call, "trait", Trait()),
        "none" if base is None else "required" if base.default is base.empty else "optional",
        {name: p.default for name, p in keyword.items()},
        frozenset(name for name, p in keyword.items() if p.annotation in ("Each", Each)),
        tuple(p.name for p in positional if p.name not in GIVEN),
        any(p.name == "noise" for p in positional),
    )


def call(
    chosen: Method, block: Block, settings: dict[str, Any], surveyed: Any = None, **statistics: Any
) -> Array:
    """A method on one block, given what its positional parameters name."""
    given = {
        "tensors": block.tensors,
        "base": block.base,
        "surveyed": surveyed,
        "noise": block.noise,
        "start": block.start,
    }
    parameters = inspect.signature(chosen.call).parameters
    needs = [p.name for p in parameters.values() if p.kind is not p.KEYWORD_ONLY]
    return chosen.call(*((given | statistics)[name] for name in needs), **settings)


def known_settings() -> dict[str, list[str]]:
    """Every setting of every method, and the methods that have it."""
    found: dict[str, list[str]] = {}
    for name in names(PACKAGE):
        for setting in method(name).settings:
            found.setdefault(setting.rstrip("_"), []).append(name)
    return found
