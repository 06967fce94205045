"""A Model that remembers what it sampled: two steps that ask the same questions the same way pay once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from truenorth.base import content_hash
from truenorth.models.protocol import Model, Tick
from truenorth.records import Completion, Prompt, Scored

M = TypeVar("M", bound=Model)


def remembering(model: M) -> M:
    """The model, with a memory for what it sampled in this process; otherwise the same."""
    return cast(M, Memo(model))


class Memo:
    """Passes everything on to `model`; samples that were drawn with the same settings are not drawn again.

    Right only for models whose draws depend on (seed, prompt, index) alone, as the protocol demands.
    """

    def __init__(self, model: Model):
        self._model = model
        self._drawn: dict[str, list[Completion]] = {}
        self.name = model.name

    def sample(
        self, prompts: Sequence[Prompt], n: int = 1, *, tick: Tick | None = None, **settings: Any
    ) -> list[list[Completion]]:
        keys = [content_hash([prompt, n, sorted(settings.items())], 32) for prompt in prompts]
        new = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if key not in self._drawn}
        if tick is not None and len(prompts) > len(new):
            tick(len(prompts) - len(new))
        if new:
            drawn = self._model.sample(list(new.values()), n, tick=tick, **settings)
            self._drawn.update(zip(new, drawn, strict=True))
        return [self._drawn[key] for key in keys]

    def logprobs(self, pairs: Sequence[tuple[Prompt, str]], *, tick: Tick | None = None) -> list[Scored]:
        return self._model.logprobs(pairs, tick=tick)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)
