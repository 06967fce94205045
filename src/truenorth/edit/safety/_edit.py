"""What an edit is: a method of `truenorth.edit`, the models it wants by role, and the tensors it touches.

    @edits("model", "aligned", "unaligned")
    @reads("elements")
    def resta(tensors, *, gamma=1.0): ...

`tensors` holds one array a role, in the order of the roles; the first is the model that is edited, whose
configuration and tokenizer the result keeps. Further positional parameters are statistics, each a list of one array.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from truenorth.base import UserError
from truenorth.edit.method import Method, method
from truenorth.edit.plan import Step
from truenorth.edit.steps import NUMBERED

PACKAGE = "truenorth.edit.safety"
ROLES = {
    "model": "the model to edit: a folder, a hub id, either with a LoRA (base+lora), or a LoRA folder",
    "aligned": "the aligned model that it was trained from",
    "base": "what the aligned model was before its alignment",
    "unaligned": "the aligned model after training on harmful answers",
    "enhanced": "the model after gradient ascent on harmful answers",
    "relaxed": "the model after gradient descent on harmful answers",
}
Reach = Callable[[str, Sequence[int]], bool]  # of a tensor's name and shape
Chosen = Mapping[str, Mapping[str, Any]]  # tensors to edit, and settings that only they have
F = TypeVar("F", bound=Callable[..., Any])


def everywhere(name: str, shape: Sequence[int]) -> bool:
    """Every tensor."""
    return True


def matrices(name: str, shape: Sequence[int]) -> bool:
    """The matrices of the layers: no embedding, head, norm or bias."""
    return len(shape) == 2 and NUMBERED.match(name) is not None


class Roles(NamedTuple):
    """What `edits` noted about a function.

    Args:
        many: several models to edit, all of them before the other roles.
        reach: which tensors it touches, unless the user says which.
        select: looks at all of them first: `select(steps, **settings)` names those to edit, with their settings.
        told: `told(steps, **settings)` what a person wants to know of the result, as names and values.
    """

    roles: tuple[str, ...]
    optional: tuple[str, ...] = ()
    many: bool = False
    reach: Reach = everywhere
    select: Callable[..., Chosen] | None = None
    told: Callable[..., Sequence[tuple[str, str]]] | None = None


def edits(
    *roles: str,
    optional: tuple[str, ...] = (),
    many: bool = False,
    reach: Reach = everywhere,
    select: Callable[..., Chosen] | None = None,
    told: Callable[..., Sequence[tuple[str, str]]] | None = None,
) -> Callable[[F], F]:
    """Mark a method as an edit; see `Roles`."""

    def mark(function: F) -> F:
        function.roles = Roles(roles, optional, many, reach, select, told)  # type: ignore[attr-defined]
        return function

    return mark


class Edit(NamedTuple):
    """An edit as plans and commands see it."""

    name: str
    method: Method
    roles: Roles

    @property
    def about(self) -> str:
        """The first line of its file."""
        module = inspect.getmodule(inspect.unwrap(self.method.call))
        return (inspect.getdoc(module) or "").partition("\n")[0]

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting with its default: the method's own, and those of what chooses its tensors."""
        hidden = self.hidden
        own = {k: v for k, v in self.method.settings.items() if k not in hidden}
        return own | _keywords(self.roles.select)

    @property
    def hidden(self) -> set[str]:
        """Settings that what chooses the tensors finds, so nobody gives them."""
        return {k for k in self.method.settings if k.endswith("_found")}

    def of(self, function: Callable[..., Any] | None, given: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that a function takes, out of `given`, with defaults."""
        if function is None:
            return {}
        known = inspect.signature(function).parameters
        return {key: value for key, value in (self.settings | dict(given)).items() if key in known}


def _keywords(function: Callable[..., Any] | None) -> dict[str, Any]:
    if function is None:
        return {}
    found = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in found if p.kind is p.KEYWORD_ONLY}


def edit(name: str, *, where: str = "") -> Edit:
    """An edit by its name, or `package.module:function`.

    Raises:
        UserError: no such edit, or a function that is not one.
    """
    own = name if ":" in name else f"{PACKAGE}.{name}:{name}"
    if ":" not in name:
        from truenorth.base import find

        find(PACKAGE, name, where=where)
    found = method(own, where=where)
    roles = getattr(found.call, "roles", None)
    if roles is None:
        raise UserError(f"{name} is not an edit", where=where, fix="mark it with truenorth.edit.safety.edits")
    return Edit(name.rpartition(":")[2], found, roles)


def whole(step: Step, place: int) -> Any:
    """All of one tensor of a step, float32 and in its shape: for what looks at a model before it is edited."""
    from truenorth.edit.reading import piece

    return piece(step.tensors[place], 0, step.size).reshape(step.shape)
