"""Any transformers sequence classifier as a judge, such as a public reward model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truenorth.base import UserError
from truenorth.judges._spoken import put_back, spoken
from truenorth.records import Group, Judgement, Message, Prompt, as_messages, prompt_text


@dataclass(frozen=True)
class ClassifierJudge:
    """The sigmoid of a classifier's one output, or the probability of one of its labels.

    Args:
        label: index of the output that means "good", where there is more than one.
        alone: judge the answer without its prompt.
    """

    module: Any  # AutoModelForSequenceClassification
    tokenizer: Any
    name: str
    label: int = -1
    alone: bool = False
    batch_rows: int = 64

    @classmethod
    def load(
        cls, path: str | Path, *, revision: str | None = None, label: str | int = -1, alone: bool = False
    ) -> ClassifierJudge:
        """Load a folder or hub id; safetensors only, no code of the folder is run.

        Args:
            label: name or index of the label that means "good".

        Raises:
            UserError: not a sequence classifier, or no such label.
        """
        from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

        where = str(path)
        try:
            config = AutoConfig.from_pretrained(path, revision=revision)
            if not any("SequenceClassification" in a for a in config.architectures or []):
                found = ", ".join(config.architectures or ["nothing"])
                raise UserError(f"holds {found}", where=where, expected="a sequence classifier")
            module = AutoModelForSequenceClassification.from_pretrained(
                path, revision=revision, use_safetensors=True
            ).eval()
            tokenizer = AutoTokenizer.from_pretrained(path, revision=revision)
        except (OSError, ValueError) as error:
            why = str(error).splitlines()[0]
            raise UserError(f"cannot load ({why})", where=where, expected="a sequence classifier") from error
        names = {v.lower(): k for k, v in config.id2label.items()}
        if isinstance(label, str) and label.lower() not in names:
            raise UserError(f"no label {label!r}", where=where, expected=", ".join(names))
        index = names[label.lower()] if isinstance(label, str) else label
        return cls(module, tokenizer, f"classifier:{path}", index, alone)

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """One probability of the label per completion; none for an empty one."""
        scores = self._scores([self._text(prompt, text) for prompt, text in spoken(groups)])
        return put_back(groups, (Judgement(score, self.name) for score in scores), judge=self.name)

    def ids(self, prompt: Prompt, answer: str) -> list[int]:
        """The tokens that are scored for an answer, before those beyond the model's limit are cut."""
        special = not (self.tokenizer.chat_template and not self.alone)
        return list(self.tokenizer(self._text(prompt, answer), add_special_tokens=special)["input_ids"])

    def _text(self, prompt: Prompt, answer: str) -> str:
        if self.alone:
            return answer
        if self.tokenizer.chat_template:
            turns: list[Message] = [*as_messages(prompt), {"role": "assistant", "content": answer}]
            return self.tokenizer.apply_chat_template(turns, tokenize=False)
        return f"{prompt_text(prompt)}\n{answer}"

    def _scores(self, texts: Sequence[str]) -> list[float]:
        """Longest first, so that a batch holds like lengths; texts over the limit lose their start."""
        import torch

        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        scores = [0.0] * len(texts)
        special = not (self.tokenizer.chat_template and not self.alone)
        places = getattr(self.module.config, "max_position_embeddings", 512)
        limit = min(self.tokenizer.model_max_length, places)
        self.tokenizer.truncation_side = "left"
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        if self.module.config.pad_token_id is None:
            self.module.config.pad_token_id = self.tokenizer.pad_token_id
        with torch.inference_mode():
            for start in range(0, len(order), self.batch_rows):
                batch = order[start : start + self.batch_rows]
                inputs = self.tokenizer(
                    [texts[i] for i in batch],
                    padding=True,
                    truncation=True,
                    max_length=limit,
                    add_special_tokens=special,
                    return_tensors="pt",
                ).to(self.module.device)
                logits_BK = self.module(**inputs).logits.float()
                one = logits_BK.shape[1] == 1
                good_B = logits_BK[:, 0].sigmoid() if one else logits_BK.softmax(-1)[:, self.label]
                for i, score in zip(batch, good_B.tolist(), strict=True):
                    scores[i] = score
        return scores
