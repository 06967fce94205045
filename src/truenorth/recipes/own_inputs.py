"""Everything that a job on a model of one's own is given, read and checked before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from truenorth.base import UserError, unreadable
from truenorth.constitution import Constitution, load
from truenorth.models.glance import Glance, glance
from truenorth.models.http import HttpModel
from truenorth.models.loading import is_local
from truenorth.recipes.drift import Human
from truenorth.recipes.overrides import with_overrides
from truenorth.recipes.own_prompts import LEAST, Split, read_prompts
from truenorth.recipes.own_roles import Means, Role, roles
from truenorth.recipes.settings import Settings
from truenorth.records.tables import read_rows

HUMAN_TEXTS = 200  # at most; more makes the interval narrower, not the number truer


@dataclass(frozen=True)
class Own:
    """What a person gives for a job on a model of their own.

    Args:
        model: folder or hub id.
        constitution: file, or the name of a shipped one.
        prompts: file, folder or hub id of prompts.
        labels: rated answers: prompt, completion, label, and optionally principle.
        judge, measure: `openai:MODEL` at `base_url` (`measure_url`): what judges for training, what measures.
        human_text: texts that people wrote; the completions of the held-out prompts by default.
        data: folder of the files that the constitution names.
        given: settings as NAME=VALUE.
        max_requests: most requests to each endpoint in this session, retries included.
        max_losses: largest share of an endpoint's verdicts that may be missing.
    """

    model: str
    constitution: str
    prompts: str
    labels: Path | None = None
    judge: str = ""
    base_url: str = ""
    measure: str = ""
    measure_url: str = ""
    human_text: Path | None = None
    data: Path | None = None
    given: tuple[str, ...] = ()
    lora: int = 0
    seed: int = 0
    max_requests: int | None = None
    max_losses: float = 0.2
    allow_code: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Ready:
    """A job whose every input has been read and checked; nothing heavy is loaded yet."""

    own: Own
    look: Glance
    constitution: Constitution
    roles: Mapping[str, Role]
    split: Split
    human: tuple[Human, ...]
    settings: Settings

    @property
    def model(self) -> Path | str:
        return Path(self.own.model) if is_local(self.own.model) else self.own.model

    @property
    def means(self) -> Means:
        return means_of(self.own)


def ready(own: Own, *, measuring: bool = False) -> Ready:
    """Read and check everything that the job needs.

    Args:
        measuring: nothing is trained: every prompt may measure, and nothing needs to judge for training.

    Raises:
        UserError: whatever is wrong with the model, the constitution, the prompts, the labels, the judges or
            the settings: one message, before any work.
    """
    constitution = load(own.constitution, allow_code=own.allow_code)
    _check_endpoints(own)
    parts = roles(constitution, means_of(own), measuring=measuring)
    look = glance(own.model)
    settings = with_overrides(for_real_models(look, lora=own.lora, seed=own.seed), own.given)
    least = {} if measuring else LEAST
    split = read_prompts(own.prompts, look, max_tokens=settings.max_tokens, least=least)
    split = split._replace(train=split.train[: settings.prompts])
    settings = fitted(settings, split, own.given)
    return Ready(own, look, constitution, parts, split, human_texts(own, split, look), settings)


def for_real_models(look: Glance, *, lora: int = 0, seed: int = 0) -> Settings:
    """Settings for a model of this size: DPO with a likelihood term, gentle rates, KL anchors.

    The learning rate falls with the square root of the size: 2e-4 for 260 thousand parameters, 3e-6 for a
    billion; adapters take ten times it (at most 2e-3). Models without a chat template write on to
    `max_tokens`, and what is cut there is kept.
    """
    lr = min(1e-3, 3e-6 * (1e9 / max(1, look.parameters)) ** 0.5)
    room = look.context or 10**6
    return Settings(
        prompts=2000,
        samples=4,
        guided=1,
        max_tokens=min(200 if not look.chats else 256, room // 2),
        cut=not look.chats,
        margin=0.2,
        objective="dpo",
        beta=0.1,
        sft=0.2,
        keep=0.5,
        documents=0.5,
        batch=16,
        lr=min(2e-3, 10 * lr) if lora else lr,
        lora_rank=lora,
        evaluations=3,
        items=300,
        seed=seed,
    )


def fitted(settings: Settings, split: Split, given: Sequence[str]) -> Settings:
    """The settings with the sizes of this job's prompts; about one pass over the pairs unless told."""
    named = {word.partition("=")[0] for word in given}
    steps = max(20, len(split.train) // settings.batch)
    return replace(
        settings,
        prompts=len(split.train),
        held_prompts=len(split.watched),
        steps=settings.steps if "steps" in named else steps,
    )


def human_texts(own: Own, split: Split, look: Glance) -> tuple[Human, ...]:
    """Texts of people that training did not see: of a file, or how people went on from held-out prompts."""
    if own.human_text is None:
        found = [
            (r.data["prompt"], r.data["human"], r.data["cluster"])
            for r in split.test
            if r.data["human"].strip()
        ]
    else:
        found = [("", text, f"text {i}") for i, text in enumerate(_texts(own.human_text))]
    if not found or look.context is None:
        return tuple(found[:HUMAN_TEXTS])
    pairs = look.codec.pairs([(prompt, text) for prompt, text, _ in found])
    fit = [one for one, (p, c) in zip(found, pairs, strict=True) if len(p) + len(c) < look.context]
    return tuple(fit[:HUMAN_TEXTS])


def _texts(path: Path) -> list[str]:
    """The pieces of a text file between blank lines, or the column `text` of a table."""
    if path.suffix.lower() != ".txt":
        return [str(row["text"]) for row in read_rows(path, columns=["text"]) if str(row["text"]).strip()]
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error
    return [piece.strip() for piece in text.split("\n\n") if piece.strip()]


def means_of(own: Own) -> Means:
    at = {"judge": own.base_url, "measure": own.measure_url or own.base_url}
    named = {k: f"{spec} at {at[k]}" if (spec := getattr(own, k)) else "" for k in at}
    return Means(own.labels, named["judge"], named["measure"], own.data, own.allow_code)


def _check_endpoints(own: Own) -> None:
    for option, address, spec, url in (
        ("--judge", "--base-url", own.judge, own.base_url),
        ("--measure", "--measure-url", own.measure, own.measure_url or own.base_url),
    ):
        check_endpoint(option, address, spec, url)
    if own.max_requests is not None and own.max_requests < 1:
        raise UserError(f"{own.max_requests} requests", where="--max-requests", expected="1 or more")
    if not 0 <= own.max_losses <= 1:
        raise UserError(f"{own.max_losses}", where="--max-losses", expected="a fraction in [0, 1]")


def check_endpoint(option: str, address: str, spec: str, url: str) -> None:
    """The judge that `option` names, at the `url` that `address` gives; nothing is asked.

    Raises:
        UserError: it is no endpoint, or its address is missing or not allowed.
    """
    kind, _, model = spec.partition(":")
    if spec and (kind != "openai" or not model):
        raise UserError(f"{spec!r} names no judge", where=option, expected="openai:MODEL")
    if spec and not url:
        raise UserError("no address of the endpoint", where=option, fix=f"{address} https://HOST/v1")
    if spec:
        HttpModel(url, model)  # refuses an address that is not allowed
