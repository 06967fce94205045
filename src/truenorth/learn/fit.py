"""The one training loop: several tasks stepped together, blind to their methods, resumable to the bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from truenorth.base import UserError, content_hash
from truenorth.learn import checkpoint as saved
from truenorth.learn.columns import check_columns, names_in_use, plain, rows
from truenorth.learn.coupling import label, load_objective, needs
from truenorth.learn.following import Follow, shadow_of
from truenorth.learn.gradient import Work, task_gradient
from truenorth.learn.lora import Lora, resumed, wrap
from truenorth.learn.metrics import task_metrics
from truenorth.learn.optimizers import OPTIMIZERS
from truenorth.learn.order import Schedule, batch_at, rate_at, tokens_of
from truenorth.learn.penalties import Penalty, Start
from truenorth.learn.reference import Reference, adapters_off, compute_reference
from truenorth.learn.threads import few_threads
from truenorth.learn.types import NO_COLUMNS, SCORED, Example, Task
from truenorth.models.forward import Forward, open_forward
from truenorth.models.score_head import ScoreForward, open_scores

PATIENCE = 5  # skipped steps that are always forgiven


@dataclass(frozen=True)
class FitResult:
    """What training came to. The policy's module has been trained in place."""

    policy: Any
    steps: int
    skipped: int  # steps whose loss or gradient was not finite
    last: dict[str, float] = field(default_factory=dict)  # what `on_step` was given last
    adapter: Any = None  # the peft model, where adapters were trained; `save_pretrained` writes them

    def merge(self) -> None:
        """Fold the adapter into the weights: `policy.module` is a plain transformers model again."""
        if self.adapter is not None:
            merged = self.adapter.merge_and_unload()
            if self.policy.module is self.adapter:
                self.policy.module = merged


@few_threads
def fit(
    policy: Any,
    tasks: Sequence[Task],
    *,
    steps: int,
    lr: float,
    schedule: Schedule = "cosine",
    warmup: float = 0.1,
    clip: float = 1.0,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.999),
    optimizer: Literal["adamw", "muon"] = "adamw",
    seed: int = 0,
    reference: Any = None,
    follow: Follow | None = None,
    models: Mapping[str, Any] = NO_COLUMNS,
    lora: Lora | None = None,
    penalties: Sequence[Penalty] = (),
    checkpoint: str | Path | None = None,
    every: int = 50,
    on_step: Callable[[dict[str, float]], None] | None = None,
    micro_tokens: int | None = None,
    bad_share: float = 0.1,
) -> FitResult:
    """Train `policy.module` in place on loss = sum over tasks of weight * average of its objective.

    Which examples a step sees is a function of the seed and the step. Dropout is off. On a CPU everything is
    float32; on CUDA the model computes in bfloat16 with float32 weights, sums and softmax.

    Args:
        lr: peak learning rate of the optimizer.
        optimizer: AdamW, or Muon to train a small model from nothing (lr 0.02; ignores betas and decay).
        warmup: steps, or a fraction of `steps` when below 1.
        clip: largest norm of the gradient.
        weight_decay: of matrices only.
        reference: the model that objectives with a reference compare to; by default the policy as it is now.
            What it says of every example in use is computed once, before the first step.
        follow: let the reference follow the policy (TR-DPO); by default it stays as it is.
        models: further models that objectives ask for, by the name of the parameter (`adpa`: `baseline`).
        lora: train low-rank adapters instead of the weights; the reference is then the model without them. A
            policy that was loaded with an adapter goes on training it, and is its own reference as it is now.
        penalties: terms on the weights (`penalties.py`); each reports `NAME/loss`.
        checkpoint: a folder to save to every `every` steps and at the end, and to resume from. What the
            reference said is kept there too.
        on_step: called after every step with `step`, `loss`, `lr`, `grad_norm`, `tokens` (of packed rows),
            `skipped`, and each task's numbers as `TASK/...` (see `metrics.py`).
        micro_tokens: tokens of one forward pass; memory and speed, never the result. By default 1,024 on
            a CPU (halves the memory of 8 pairs and costs no time) and 16,384 on CUDA.
        bad_share: steps with a loss or gradient that is not finite are skipped and counted; more than this
            share of them (and more than 5) ends the fit.

    Raises:
        UserError: an example that cannot be learned from, an unknown objective, a checkpoint of another fit,
            or too many steps that were not finite.
    """
    extra = [task for penalty in penalties for task in penalty.tasks]
    _check(policy, [*tasks, *extra], steps, models)
    _named_apart([task.name for task in tasks] + [penalty.name for penalty in penalties])
    _share_words(policy, [*tasks, *extra], [reference, *models.values()])
    module = policy.module
    if lora and hasattr(module, "peft_config"):
        raise UserError(
            "the policy has an adapter already", where="fit", fix="merge it first, or train it with lora=None"
        )
    if module.dtype != torch.float32 and (lora is None or module.device.type == "cpu"):
        module.float()
    settings = [steps, lr, schedule, warmup, clip, weight_decay, betas, optimizer, seed, repr(lora)]
    settings += [repr(follow)] if follow else []
    settings += [_describe(task) for task in [*tasks, *extra]] + [p.describe() for p in penalties]
    identity = saved.fingerprint(module, settings)
    folder = Path(checkpoint) if checkpoint else None
    start_model = saved.fingerprint(module, []) if folder else ""
    fresh = wrap(module, lora, seed=seed) if lora else None
    adapter = fresh or resumed(module)
    module.eval()
    forward = open_scores(adapter or module) if _scored(tasks) else open_forward(adapter or module)
    micro_tokens = micro_tokens or (16_384 if forward.device.type == "cuda" else 1024)
    shadow = shadow_of(follow, policy, reference, adapter)
    prepare = partial(_prepare, forward, fresh, reference, models, steps, seed, folder, start_model)
    works = [prepare(task) for task in tasks]

    trained = {name: p for name, p in (adapter or module).named_parameters() if p.requires_grad}
    if not trained:
        raise UserError(
            "all weights of the policy are frozen", where="fit", fix="train them, or ask for LoRA"
        )
    stepper = OPTIMIZERS[optimizer](trained, lr, betas=betas, weight_decay=weight_decay)
    begin = Start(trained, lambda task: _alone(forward, task, prepare(task), seed, micro_tokens))
    running = {penalty.name: penalty.begin(begin) for penalty in penalties}
    start, skipped = 0, 0
    state = saved.load(folder / "fit.pt", identity) if folder else None
    if state:
        start, skipped = state["step"], state["skipped"]
        with torch.no_grad():
            for name, p in trained.items():
                p.copy_(state["weights"][name])
        stepper.load_state_dict(state["optimizer"])
        if shadow:
            shadow.restore(state["reference"])
            works = shadow.told(tasks, works, step=start, steps=steps, seed=seed)

    last: dict[str, float] = {}
    for step in range(start, steps):
        if shadow and step and step % shadow.follow.every == 0:
            shadow.move(module)
            works = shadow.told(tasks, works, step=step, steps=steps, seed=seed)
        rate = rate_at(step, steps=steps, lr=lr, schedule=schedule, warmup=warmup)
        for group in stepper.param_groups:
            group["lr"] = rate
        stepper.zero_grad(set_to_none=False)
        last = _gradients(forward, tasks, works, step, seed, micro_tokens)
        for name, add in running.items():
            last[f"{name}/loss"] = add(step)
            last["loss"] += last[f"{name}/loss"]
        norm = float(torch.nn.utils.clip_grad_norm_(trained.values(), clip))
        if _finite(last["loss"]) and _finite(norm):
            stepper.step()
        else:
            skipped += 1
            _bearable(skipped, step + 1, bad_share)
        last |= {"step": step + 1, "lr": rate, "grad_norm": norm, "skipped": skipped}
        if on_step:  # before the checkpoint: a kill in between repeats the call, and never skips it
            on_step(last)
        if folder and ((step + 1) % every == 0 or step + 1 == steps):
            weights = {name: p.detach() for name, p in trained.items()}
            found = {"fingerprint": identity, "step": step + 1, "skipped": skipped, "weights": weights}
            found |= {"reference": shadow.weights()} if shadow else {}
            saved.save(folder / "fit.pt", found | {"optimizer": stepper.state_dict()})
    stepper.zero_grad(set_to_none=True)
    return FitResult(policy, steps, skipped, last, adapter)


def _gradients(
    forward: Forward | ScoreForward,
    tasks: Sequence[Task],
    works: Sequence[Work],
    step: int,
    seed: int,
    micro_tokens: int,
) -> dict[str, float]:
    """All tasks' gradients of one step, summed in `.grad`, and what they report."""
    found: dict[str, float] = {"loss": 0.0, "tokens": 0}
    for task, work in zip(tasks, works):
        indices = batch_at(step, size=task.batch, examples=len(task.examples), seed=seed, name=task.name)
        examples = [task.examples[i] for i in indices]
        part = task_gradient(forward, work, examples, indices, micro_tokens)
        found |= task_metrics(work, part, examples)
        found["loss"] += task.weight * float(part.loss)
        found["tokens"] += sum(map(tokens_of, examples))
    return found


def _alone(
    forward: Forward | ScoreForward, task: Task, work: Work, seed: int, micro_tokens: int
) -> Callable[[int], float]:
    """Adds a task's gradient at a step, and gives its weighted loss."""
    return lambda step: _gradients(forward, [task], [work], step, seed, micro_tokens)["loss"]


def _prepare(
    forward: Forward | ScoreForward,
    adapter: Any,
    reference: Any,
    models: Mapping[str, Any],
    steps: int,
    seed: int,
    folder: Path | None,
    start_model: str,
    task: Task,
) -> Work:
    """The task's functions looked up, and what its reference and other models say of its examples."""
    objective = load_objective(task.objective, where=f"task {task.name}")
    need = needs(objective, where=f"task {task.name}")
    used = _used(task, steps, seed) if need.reference or need.models else []

    def said(module: Any) -> Reference:
        model = saved.fingerprint(module, []) if folder else ""
        return compute_reference(
            open_forward(module), task.examples, used, need, fixed_head=True, folder=folder, model=model
        )

    known: Reference | None = None
    if need.reference and reference is not None:
        known = said(reference.module)
    elif need.reference and isinstance(forward, Forward):
        weight = forward.head.weight_VD
        with adapters_off(adapter):
            known = compute_reference(
                forward,
                task.examples,
                used,
                need,
                fixed_head=weight is None or not weight.requires_grad,
                folder=folder,
                model=start_model,
            )
    others = {name: said(models[name].module) for name in need.models}
    return Work(task.name, objective, need, task.average or need.average, task.weight, known, others)


def _used(task: Task, steps: int, seed: int) -> list[int]:
    if min(task.batch, len(task.examples)) * steps >= len(task.examples):
        return list(range(len(task.examples)))
    at = partial(batch_at, size=task.batch, examples=len(task.examples), seed=seed, name=task.name)
    return sorted({i for step in range(steps) for i in at(step)})


def _describe(task: Task) -> list[Any]:
    asked = names_in_use(needs(load_objective(task.objective)), task.examples)
    examples = [
        [list(e.prompt), [list(c) for c in e.completions], e.weight, [plain(e.columns[n]) for n in asked]]
        for e in task.examples
    ]
    return [task.name, label(task.objective), task.weight, task.batch, task.average, content_hash(examples)]


def _scored(tasks: Sequence[Task]) -> bool:
    """Do these tasks train a score head?"""
    kinds = {t.name: needs(load_objective(t.objective)).coupling in SCORED for t in tasks}
    if len(set(kinds.values())) > 1:
        raise UserError(
            "tasks of a score head beside tasks of a language model: " + ", ".join(kinds),
            where="fit",
            fix="train the two models one after the other",
        )
    return any(kinds.values())


def _finite(value: float) -> bool:
    return value - value == 0.0


def _bearable(skipped: int, steps: int, share: float) -> None:
    if skipped > PATIENCE and skipped > share * steps:
        raise UserError(
            f"{skipped} of {steps} steps had a loss or gradient that is not finite",
            where="fit",
            fix="lower the learning rate, and check the examples and the model's weights for NaN",
        )


def _check(policy: Any, tasks: Sequence[Task], steps: int, models: Mapping[str, Any]) -> None:
    if steps < 1 or not tasks:
        raise UserError(f"nothing to do: {len(tasks)} tasks, {steps} steps", where="fit")
    if len({t.name for t in tasks}) != len(tasks):
        raise UserError("two tasks share a name", where="fit", expected="a name of its own for each task")
    config = policy.module.config.get_text_config()
    context = getattr(config, "max_position_embeddings", None)
    for task in tasks:
        where = f"task {task.name}"
        need = needs(load_objective(task.objective, where=where), where=where)
        missing = [n for n in need.models if n not in models]
        if missing:
            fix = f"fit(..., models={{{missing[0]!r}: LocalModel.load(...)}})"
            raise UserError(f"the objective asks for a model {missing[0]!r}", where=where, fix=fix)
        pairs = need.coupling in ("pair", "score_pair")
        check_examples(task.examples, where=where, context=context, pairs=pairs)
        check_columns(need, task.examples, where=where)


def _named_apart(names: Sequence[str]) -> None:
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise UserError(f"a penalty and a task or penalty are both named {twice[0]}", where="fit")


def _share_words(policy: Any, tasks: Sequence[Task], others: Sequence[Any]) -> None:
    """Whole distributions are compared word by word, so a word must have the same number in both models."""
    found = [needs(load_objective(t.objective)) for t in tasks]
    tokenizer = getattr(policy, "tokenizer", None)
    if tokenizer is None or not any(need.kl or need.coupling == "distribution" for need in found):
        return
    mine = tokenizer.get_vocab()
    for other in others:
        theirs = other.tokenizer.get_vocab() if getattr(other, "tokenizer", None) is not None else {}
        odd = next((w for w, i in theirs.items() if mine.get(w, i) != i), None)
        if odd is not None:
            raise UserError(
                f"policy and teacher number their words differently ({odd!r} is {mine[odd]} and {theirs[odd]})",
                where="fit",
                fix="distil from answers: an sft task on what the teacher wrote",
            )


def check_examples(
    examples: Sequence[Example], *, where: str, context: int | None = None, pairs: bool = False
) -> None:
    """Refuse examples that nothing can be learned from, all of one kind in one message.

    Raises:
        UserError: no examples, or the rows without prompt or completion tokens, too long, or not pairs.
    """
    if not examples:
        raise UserError("no examples", where=where)

    def refuse(bad: list[int], what: str, fix: str) -> None:
        if bad:
            raise UserError(f"{rows(bad, len(examples))} {what}", where=where, fix=fix)

    numbered = list(enumerate(examples))
    refuse([i for i, e in numbered if not e.prompt], "have an empty prompt", "begin with the BOS token")
    refuse(
        [i for i, e in numbered if not e.completions or not all(map(len, e.completions))],
        "have no completion tokens",
        "drop empty completions",
    )
    if pairs:
        refuse(
            [i for i, e in numbered if len(e.completions) != 2],
            "are not pairs",
            "give (chosen, rejected) completions",
        )
    if context:
        longest = [len(e.prompt) + max(map(len, e.completions)) for e in examples]
        refuse(
            [i for i, n in enumerate(longest) if n > context],
            f"are longer than the model's context of {context} tokens (the longest has {max(longest)})",
            "shorten their prompts, or drop them",
        )
