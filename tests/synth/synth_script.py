"""A model whose answers follow from a function of the prompt's words and the index."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from truenorth.records import Completion, prompt_text


@dataclass
class Says:
    function: Callable[[str, int], Any]
    name: str = "says@1"
    tokenizer: Any = None

    def sample(self, prompts, n=1, *, tick=None, **settings):
        self.asked, self.settings = list(prompts), settings
        return [[self._one(prompt_text(p), i) for i in range(n)] for p in prompts]

    def _one(self, text, i):
        said = self.function(text, i)
        return said if isinstance(said, Completion) else Completion(said, logprob=-1.0)

    def logprobs(self, pairs, *, tick=None):
        raise NotImplementedError
