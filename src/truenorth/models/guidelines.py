"""A Model under guidelines that are looked up for each prompt: changed where they are kept, they hold at once.

Sources: Luo et al. 2024, Guide-Align (arXiv:2403.11838), where a library is searched by the input; Xu et al. 2023, OPO
(arXiv:2312.15907), where norms are; Zheng et al. 2024, PAS (arXiv:2407.06027), where a model writes what to add.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from truenorth.models.protocol import Model, Tick
from truenorth.records import Completion, Message, Prompt, Scored, as_messages

Find = Callable[
    [Sequence[Prompt]], Sequence[Sequence[str]]
]  # prompts -> the guidelines for each; () for none


def with_guidance(prompt: Prompt, guidance: str) -> list[Message]:
    """The prompt under a guideline in the system turn (a system turn that is there is kept below it)."""
    turns = as_messages(prompt)
    own = [m["content"] for m in turns if m["role"] == "system"]
    system: Message = {"role": "system", "content": "\n".join([guidance, *own])}
    return [system, *(m for m in turns if m["role"] != "system")]


def with_guidelines(model: Model, find: Find) -> Model:
    """The model, told before each prompt what `find` finds for it; a prompt without guidelines stays as it is."""
    return Guided(model, find)


class Guided:
    """Passes everything on to `model`; what it samples and scores is under the guidelines of each prompt."""

    def __init__(self, model: Model, find: Find):
        self._model, self._find = model, find
        self.name = f"{model.name} under guidelines"

    def told(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        """The prompts as the model gets them."""
        found = self._find(prompts)
        return [
            with_guidance(prompt, "\n".join(lines)) if lines else prompt
            for prompt, lines in zip(prompts, found, strict=True)
        ]

    def sample(
        self, prompts: Sequence[Prompt], n: int = 1, *, tick: Tick | None = None, **settings: Any
    ) -> list[list[Completion]]:
        return self._model.sample(self.told(prompts), n, tick=tick, **settings)

    def logprobs(self, pairs: Sequence[tuple[Prompt, str]], *, tick: Tick | None = None) -> list[Scored]:
        prompts = self.told([prompt for prompt, _ in pairs])
        return self._model.logprobs(
            [(prompt, text) for prompt, (_, text) in zip(prompts, pairs, strict=True)], tick=tick
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)
