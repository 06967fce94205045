"""A transformers causal language model that answers prompts and says how likely answers are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from truenorth.base import UserError
from truenorth.models.encoding import Codec, Pair
from truenorth.models.limits import cache_places, context_of
from truenorth.models.protocol import Tick
from truenorth.records import Completion, Prompt, Scored

if TYPE_CHECKING:
    from truenorth.models.forward import Forward

Overlong = Literal["error", "skip"]


@dataclass(eq=False)
class LocalModel:
    """A Model in this process. `module` and `tokenizer` are transformers' own; `counts` says what was mended.

    Args:
        name: name and revision, as it stands in provenance.
        eos_ids: a completion that reaches one of these has ended.
        context: most tokens of prompt and completion together; None: no limit known.
        batch_tokens: tokens in the cache of one batch; by default as many as fit 400 MB on a CPU, or a
            quarter of the free memory of a GPU.
        batch_rows: answers of one batch.
    """

    module: Any
    tokenizer: Any
    name: str
    codec: Codec
    eos_ids: frozenset[int]
    context: int | None
    batch_tokens: int
    batch_rows: int

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        revision: str | None = None,
        adapter: str | Path | None = None,
        dtype: Any = None,
        device: Any = None,
        trust_remote_code: bool = False,
        stop_ids: Iterable[int] = (),
        batch_tokens: int | None = None,
        batch_rows: int = 1024,
    ) -> LocalModel:
        """Load a folder or hub id; safetensors only.

        Args:
            dtype: default float32 on a CPU, bfloat16 on CUDA.
            device: default CUDA where there is one.
            adapter: a peft folder put on top.
            stop_ids: token ids that end a completion, besides those the model's configuration names.

        Raises:
            UserError: missing, incomplete or truncated model, no safetensors, adapter that does not fit.
        """
        from truenorth.models.loading import load

        module, tokenizer, name = load(
            path,
            revision=revision,
            adapter=adapter,
            dtype=dtype,
            device=device,
            trust_remote_code=trust_remote_code,
        )
        return cls.of(
            module, tokenizer, name=name, stop_ids=stop_ids, batch_tokens=batch_tokens, batch_rows=batch_rows
        )

    @classmethod
    def of(
        cls,
        module: Any,
        tokenizer: Any,
        *,
        name: str,
        stop_ids: Iterable[int] = (),
        batch_tokens: int | None = None,
        batch_rows: int = 1024,
    ) -> LocalModel:
        """Wrap a model that is already in memory."""
        from truenorth.models.virtual import virtual_tokens

        named = _ids(getattr(module.generation_config, "eos_token_id", None))
        codec = Codec.of(tokenizer, text_end_id=named[0] if named else None)
        turn_end = [codec.turn.end_id] if codec.turn and codec.turn.end_id is not None else []
        eos_ids = {
            *named,
            *_ids(module.config.eos_token_id),
            *_ids(tokenizer.eos_token_id),
            *turn_end,
            *stop_ids,
        }
        places = cache_places(module) if batch_tokens is None else batch_tokens
        context = context_of(module.config.get_text_config(decoder=True))
        if context is not None:
            context -= virtual_tokens(module)
        return cls(module, tokenizer, name, codec, frozenset(eos_ids), context, places, batch_rows)

    def __repr__(self) -> str:
        return f"LocalModel({self.name!r})"

    @property
    def counts(self) -> Counter[str]:
        """How often something was mended: `system_turn_folded`, `overlong_skipped`."""
        return self.codec.counts

    @cached_property
    def shares_prompts(self) -> bool:
        """Can answers to one prompt share its place in the cache? Found by comparison, once."""
        from truenorth.models.sampling import can_share

        return can_share(self.module)

    @cached_property
    def forward(self) -> Forward:
        """How hidden states are computed, the fastest way that is right. Found by comparison, once."""
        from truenorth.models.opening import open_forward

        return open_forward(self.module)

    @property
    def pad_id(self) -> int:
        """Fills what a mask hides."""
        return self.tokenizer.pad_token_id or 0

    def encode_prompt(self, prompt: Prompt) -> list[int]:
        """Token ids of a prompt, just before the model answers."""
        return self.codec.prompt_ids([prompt])[0]

    def encode_pair(self, prompt: Prompt, completion: str, *, end: bool | None = True) -> Pair:
        """Token ids of a prompt and its completion. The prompt's are always those of `encode_prompt`.

        Args:
            end: finish with the token that ends a turn (chats) or a text; None: chats only.
        """
        return self.codec.pairs([(prompt, completion)], end=end)[0]

    def encode_pairs(self, pairs: Sequence[tuple[Prompt, str]], *, end: bool | None = True) -> list[Pair]:
        """`encode_pair` of many, several times faster."""
        return self.codec.pairs(pairs, end=end)

    def save(self, folder: str | Path) -> None:
        """Write the model (or adapter) and the tokenizer as transformers does."""
        from truenorth.models.hushed import hushed

        with hushed():
            self.module.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)

    def sample(
        self,
        prompts: Sequence[Prompt],
        n: int = 1,
        *,
        max_tokens: int = 64,
        temperature: float = 1.0,
        top_p: float = 1.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        tick: Tick | None = None,
        overlong: Overlong = "error",
    ) -> list[list[Completion]]:
        """`n` completions of each prompt, in the order asked. Temperature 0 is greedy.

        A row's draw depends on (seed, prompt, index in its group) only. A completion that ran into the
        context's end has finish "length". A stop string ends a completion and is not part of its text.

        Args:
            overlong: prompts that fill the context: "error", or "skip" (n completions with finish "error",
                counted).

        Raises:
            UserError: settings out of range; a prompt that fills the context.
        """
        from truenorth.models.answering import Drawing, answered

        _check_settings(n, max_tokens, temperature, top_p)
        ids = self.codec.prompt_ids(prompts)
        too_long = self._overlong([len(row) for row in ids], 1, overlong)
        asked = {i: tuple(row or self.start_ids()) for i, row in enumerate(ids) if i not in too_long}
        how = Drawing(n, max_tokens, temperature, top_p, seed, tuple(stop))
        found = answered(self, prompts, asked, how, tick=tick)
        for i, why in too_long.items():
            found[i] = [Completion("", finish="error", error=why)] * n
        if too_long and tick is not None:
            tick(len(too_long))
        return [found[i] for i in range(len(prompts))]

    def logprobs(
        self,
        pairs: Sequence[tuple[Prompt, str]],
        *,
        tick: Tick | None = None,
        end: bool | None = None,
    ) -> list[Scored]:
        """Log-probabilities (nats) of given completions, in the order asked.

        Args:
            end: count the token that ends a turn or text; None: for chats, not for plain text.

        Raises:
            UserError: a pair that is longer than the context, with its row.
        """
        from truenorth.models.scoring import score

        encoded = [Pair(p or self.start_ids(), c) for p, c in self.codec.pairs(pairs, end=end)]
        self._overlong([len(p) + len(c) for p, c in encoded], 0, "error")
        tokens = score(self.module, encoded, pad_id=self.pad_id, tick=tick)
        return [Scored(sum(row), row) for row in tokens]

    def answer_logprobs(
        self, prompts: Sequence[Prompt], options: Sequence[str], *, tick: Tick | None = None
    ) -> list[dict[str, float] | None]:
        """For each prompt, the log-probability (nats) of each option as the beginning of the answer.

        Options of several tokens get the sum over their tokens. Not normalised over the options. What prompts
        begin with in common is computed once.
        """
        pairs = [(prompt, option) for prompt in prompts for option in options]
        step = len(options)
        scored = self.continuation_logprobs(pairs)
        if tick is not None:
            tick(len(prompts))
        return [
            {option: sum(scored[i * step + k]) for k, option in enumerate(options)}
            for i in range(len(prompts))
        ]

    def continuation_logprobs(
        self, pairs: Sequence[tuple[Prompt, str]], *, tick: Tick | None = None
    ) -> list[tuple[float, ...]]:
        """Log-probabilities (nats) of each token of texts that may go on: without the token that ends a turn.

        As `logprobs`, for many texts that begin alike: options of a question, verdicts by one rubric. What they
        begin with in common is computed once.

        Raises:
            UserError: a pair that is longer than the context, with its row.
        """
        from truenorth.models.prefixes import shared_scores

        encoded = self.encode_continuations(pairs)
        self._overlong([len(p) + len(c) for p, c in encoded], 0, "error")
        return shared_scores(self.forward, encoded, tick=tick)

    def encode_continuations(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Pair]:
        """Token ids of prompts (one at least) and of texts that may go on."""
        encoded: list[Pair] = []
        for at in range(0, len(pairs), 1024):  # in parts: rendered prompts are not held all at a time
            encoded += self.codec.pairs(pairs[at : at + 1024], end=False)
        return [Pair(p or self.start_ids(), c) for p, c in encoded]

    def start_ids(self) -> list[int]:
        """What an empty prompt becomes: something must come before the first token."""
        for token in (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id, *sorted(self.eos_ids)):
            if token is not None:
                return [token]
        raise UserError("an empty prompt, and the tokenizer has no BOS token", where=self.name)

    def _overlong(self, lengths: Sequence[int], room: int, overlong: Overlong) -> dict[int, str]:
        """Rows that do not fit the context with `room` more tokens, and what to say of each."""
        if self.context is None:
            return {}
        found = {
            i: f"{length} tokens, and the context holds {self.context}"
            for i, length in enumerate(lengths)
            if length + room > self.context
        }
        if found and overlong == "error":
            i, what = next(iter(found.items()))
            others = f" (and {len(found) - 1} more rows)" if len(found) > 1 else ""
            fix = "shorten it, or pass overlong='skip' to count such rows as errors" if room else "shorten it"
            raise UserError(f"{what}{others}", where=f"{self.name}, row {i}", fix=fix)
        self.counts["overlong_skipped"] += len(found)
        return found


def _check_settings(n: int, max_tokens: int, temperature: float, top_p: float) -> None:
    for name, value, fine, expected in (
        ("n", n, n >= 1, "at least 1"),
        ("max_tokens", max_tokens, max_tokens >= 1, "at least 1"),
        ("temperature", temperature, 0 <= temperature < float("inf"), "0 (greedy) or more"),
        ("top_p", top_p, 0 < top_p <= 1, "in (0, 1]"),
    ):
        if not fine:
            raise UserError(f"{name} is {value}", where="sample", expected=expected)


def _ids(value: Any) -> list[int]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [int(value)]
