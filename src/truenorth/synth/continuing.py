"""Have a model go on with an answer that has begun: what step rollouts and prefixes need."""

from __future__ import annotations

from truenorth.judges.logprob import dialogue, fill
from truenorth.models.protocol import Model
from truenorth.records import Prompt, as_messages

TEMPLATE = "{prompt}\n\nThe answer has begun as below. Go on from there; do not repeat it.\n\n{start}"


def begun(model: Model, prompt: Prompt, start: str, *, template: str = TEMPLATE) -> Prompt:
    """The prompt with the assistant's turn begun by `start`: in the model's own template where it has one.

    Plain text is continued as it stands. A model behind an endpoint is asked to go on with `template`.
    """
    if isinstance(prompt, str):
        return prompt + start
    tokenizer = getattr(model, "tokenizer", None)
    if getattr(tokenizer, "chat_template", None):
        turns = as_messages(prompt)
        return tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True) + start  # type: ignore[union-attr]
    return [{"role": "user", "content": fill(template, {"prompt": dialogue(prompt), "start": start})}]
