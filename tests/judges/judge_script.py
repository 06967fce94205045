"""A model whose answers are written in the test, and which counts what it was asked."""

from dataclasses import dataclass, field

from truenorth.records import Completion, prompt_text


@dataclass
class Script:
    """`answers`: prompt text -> its n answers in order (text or Completion), repeated as needed."""

    answers: dict
    name: str = "script"
    calls: list = field(default_factory=list)

    def sample(self, prompts, n=1, *, seed=0, tick=None, **settings):
        self.calls.append(([prompt_text(p) for p in prompts], n, settings))
        return [[self._one(prompt_text(p), i) for i in range(n)] for p in prompts]

    def _one(self, prompt, i):
        answers = self.answers[prompt]
        answer = answers[i % len(answers)]
        return answer if isinstance(answer, Completion) else Completion(answer)

    def logprobs(self, pairs, *, tick=None):
        raise NotImplementedError
