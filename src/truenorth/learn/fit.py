"""The one training loop: several tasks stepped together, blind to their methods, resumable to the bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from truenorth.base import UserError
from truenorth.learn.checkpoint import State, fingerprint
from truenorth.learn.checks import check_fit, check_skipped, is_finite, trains_scores
from truenorth.learn.coupling import load_objective, needs
from truenorth.learn.following import Follow, shadow_of
from truenorth.learn.gradient import task_gradient
from truenorth.learn.lora import Lora, merged, resumed, wrap
from truenorth.learn.metrics import task_metrics
from truenorth.learn.optimizers import OPTIMIZERS
from truenorth.learn.order import CPU_TOKENS, CUDA_TOKENS, Schedule, batch_at, rate_at, tokens_of
from truenorth.learn.peft_kinds import Peft
from truenorth.learn.penalties import Penalty, Start
from truenorth.learn.ready import Setup, describe, make_work
from truenorth.learn.threads import few_threads
from truenorth.learn.types import NO_COLUMNS, Task
from truenorth.learn.work import Work
from truenorth.models.forward import Forward
from truenorth.models.opening import open_forward
from truenorth.models.score_head import ScoreForward, open_scores
from truenorth.models.virtual import virtual_tokens

Gradients = Callable[[Sequence[Task], Sequence[Work], int], dict[str, float]]  # (tasks, works, step)


@dataclass(frozen=True)
class FitResult:
    """What training came to. The policy's module has been trained in place."""

    policy: Any
    steps: int
    skipped: int  # steps whose loss or gradient was not finite
    last: dict[str, float] = field(default_factory=dict)  # what `on_step` was given last
    adapter: Any = None  # the peft model, where adapters were trained; `save_pretrained` writes them

    def merge(self) -> None:
        """Fold the adapter into the weights: `policy.module` is a plain transformers model again.

        Raises:
            UserError: this kind of adapter is no change of weights.
        """
        if self.adapter is not None:
            plain = merged(self.adapter)
            if self.policy.module is self.adapter:
                self.policy.module = plain


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
    lora: Lora | Peft | None = None,
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
        lora: train low-rank adapters (or `Peft(...)`: others) instead of the weights; the reference is then the
            model without them. Virtual tokens take the padded path, and `policy.module` becomes the peft model.
            A policy that was loaded with an adapter goes on training it, and is its own reference as it is now.
        penalties: terms on the weights (`penalties.py`); each reports `NAME/loss`.
        checkpoint: a folder to save to every `every` steps and at the end, and to resume from. What the
            reference said is kept there too.
        on_step: called after every step with `step`, `loss`, `lr`, `grad_norm`, `tokens` (of packed rows),
            `skipped`, and each task's numbers as `TASK/...` (see `metrics.py`).
        micro_tokens: tokens of one forward pass; memory and speed, never the result. By default 1,536 on
            a CPU (halves the memory of 8 pairs and costs no time) and 16,384 on CUDA.
        bad_share: steps with a loss or gradient that is not finite are skipped and counted; more than this
            share of them (and more than 5) ends the fit.

    Raises:
        UserError: an example that cannot be learned from, an unknown objective, a checkpoint of another fit,
            or too many steps that were not finite.
    """
    check_fit(policy, tasks, penalties, steps=steps, reference=reference, models=models, lora=lora)
    module, folder = _in_float32(policy.module, lora), Path(checkpoint) if checkpoint else None
    settings = [steps, lr, schedule, warmup, clip, weight_decay, betas, optimizer, seed, repr(lora)]
    settings += [repr(follow)] if follow else []
    others = [m for m in (reference, *models.values()) if m is not None] if folder else []
    settings += [fingerprint(m.module, []) for m in others]
    identity = fingerprint(module, settings + _described(tasks, penalties))
    own = _asked(module, tasks, penalties, reference)
    start = fingerprint(module, []) if folder else ""
    setup = Setup(own, reference, models, steps, seed, folder, start, fixed_head=isinstance(lora, Lora))
    known = {task.name: make_work(setup, task) for task in _every(tasks, penalties)}
    works: Sequence[Work] = [known[task.name] for task in tasks]

    fresh = wrap(module, lora, seed=seed) if lora else None
    adapter = fresh or resumed(module)
    shadow = shadow_of(follow, policy, reference, adapter)
    if fresh is not None and virtual_tokens(fresh):
        policy.module = fresh  # they are not within the module
    forward = _checked(fresh, tasks) if isinstance(lora, Peft) else _opened(adapter or module, tasks)
    trained = _trained(adapter or module)
    stepper = OPTIMIZERS[optimizer](trained, lr, betas=betas, weight_decay=weight_decay)
    gradients = partial(_gradients, forward, seed=seed, micro_tokens=micro_tokens or _micro_tokens(forward))
    terms = {p.name: p.begin(Start(trained, partial(_alone, known, gradients))) for p in penalties}

    state = State(folder, identity, trained, stepper, shadow)
    first, skipped = state.resume()
    last: dict[str, float] = {}
    for step in range(first, steps):
        if shadow:
            works = shadow.before(step, module, tasks, works, first=first, steps=steps, seed=seed)
        rate = rate_at(step, steps=steps, lr=lr, schedule=schedule, warmup=warmup)
        stepper.zero_grad(set_to_none=True)  # the first gradient is then kept, not added to zeros
        last = _with_terms(gradients(tasks, works, step), terms, step)
        norm = float(torch.nn.utils.clip_grad_norm_(trained.values(), clip))
        if is_finite(last["loss"]) and is_finite(norm):
            _move(stepper, rate)
        else:
            skipped += 1
            check_skipped(skipped, step + 1, bad_share)
        last |= {"step": step + 1, "lr": rate, "grad_norm": norm, "skipped": skipped}
        if on_step:  # before the checkpoint: a kill in between repeats the call, and never skips it
            on_step(last)
        if (step + 1) % every == 0 or step + 1 == steps:
            state.save(step + 1, skipped)
    stepper.zero_grad(set_to_none=True)
    return FitResult(policy, steps, skipped, last, adapter)


def _in_float32(module: torch.nn.Module, lora: Lora | Peft | None) -> Any:
    """Weights in training are float32; what lies under adapters on an accelerator may stay as it is."""
    if module.dtype != torch.float32 and (lora is None or module.device.type == "cpu"):
        module.float()
    return module


def _every(tasks: Sequence[Task], penalties: Sequence[Penalty]) -> list[Task]:
    return [*tasks, *(task for penalty in penalties for task in penalty.tasks)]


def _described(tasks: Sequence[Task], penalties: Sequence[Penalty]) -> list[Any]:
    return [describe(task) for task in _every(tasks, penalties)] + [p.describe() for p in penalties]


def _asked(
    module: torch.nn.Module, tasks: Sequence[Task], penalties: Sequence[Penalty], reference: Any
) -> Forward | ScoreForward | None:
    """The policy before its adapters, where it is its own reference."""
    asks = any(needs(load_objective(task.objective)).reference for task in _every(tasks, penalties))
    return _opened(module, tasks) if asks and reference is None else None


def _checked(adapter: Any, tasks: Sequence[Task]) -> Forward | ScoreForward:
    """The path found while the adapters differ from what they begin with: one that leaves them out would else pass."""
    tensors = [p for p in adapter.parameters() if p.requires_grad]
    was = [p.detach().clone() for p in tensors]
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in tensors:
            p.add_(0.05 * torch.randn(p.shape, generator=draw).to(p))
        try:
            return _opened(adapter, tasks)
        finally:
            for p, before in zip(tensors, was):
                p.copy_(before)


def _opened(module: Any, tasks: Sequence[Task]) -> Forward | ScoreForward:
    module.eval()
    return open_scores(module) if trains_scores(tasks) else open_forward(module)


def _micro_tokens(forward: Forward | ScoreForward) -> int:
    return CUDA_TOKENS if forward.device.type == "cuda" else CPU_TOKENS


def _trained(module: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    found = {name: p for name, p in module.named_parameters() if p.requires_grad}
    if not found:
        raise UserError(
            "all weights of the policy are frozen", where="fit", fix="train them, or ask for LoRA"
        )
    return found


def _gradients(
    forward: Forward | ScoreForward,
    tasks: Sequence[Task],
    works: Sequence[Work],
    step: int,
    *,
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


def _alone(known: Mapping[str, Work], gradients: Gradients, task: Task) -> Callable[[int], float]:
    """Adds a penalty's own task's gradient at a step, and gives its weighted loss."""
    return lambda step: gradients([task], [known[task.name]], step)["loss"]


def _with_terms(
    found: dict[str, float], terms: Mapping[str, Callable[[int], float]], step: int
) -> dict[str, float]:
    """Let the penalties add their gradients; the report with their losses."""
    for name, add in terms.items():
        found[f"{name}/loss"] = add(step)
        found["loss"] += found[f"{name}/loss"]
    return found


def _move(stepper: torch.optim.Optimizer, rate: float) -> None:
    for group in stepper.param_groups:
        group["lr"] = rate
    stepper.step()
