"""A reward model from a few dozen labels: a bilinear logistic head on the frozen states of a local model.

The head is small because the labels are few; its card is computed out of fold, so that it is not flattered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from truenorth.base import UserError, content_hash, read_jsonl, suffix_of
from truenorth.judges._features import Pooler
from truenorth.judges._head import Floats, Head, Scaling, auc, fit_head
from truenorth.judges._prompts import plain_key
from truenorth.judges._saved import check_model, read_head, save_head
from truenorth.judges._spoken import put_back
from truenorth.judges.protocol import Judge
from truenorth.records import Group, Judgement, Prompt
from truenorth.records.tables import read_rows
from truenorth.stats import Estimate, rate

if TYPE_CHECKING:
    from truenorth.models.local import LocalModel

Label = tuple[Prompt, str, float]  # prompt, answer, score in [0, 1]
FILES = "truenorth_reward"  # .json and .safetensors
LEAST = 8  # labels, of which two of each side


@dataclass(frozen=True)
class OutOfFold:
    """How well a head says labels that it was not fitted on."""

    accuracy: Estimate
    auc: Estimate
    brier: float  # mean squared error of the probability
    n: int
    positive: int
    probabilities: tuple[float, ...] = field(default=(), repr=False)  # one a label, in the order given


@dataclass(frozen=True)
class RewardJudge:
    """Scores an answer by its calibrated probability of a good label.

    Args:
        abstain: no answer within so much of 0.5, in [0, 0.5).
    """

    pooler: Pooler
    head: Head
    out_of_fold: OutOfFold
    name: str
    abstain: float = 0.0

    @classmethod
    def fit(
        cls,
        model: LocalModel,
        labels: Sequence[Label],
        *,
        depths: Sequence[float] = (0.5, 1.0),
        folds: int = 5,
        seed: int = 0,
        abstain: float = 0.0,
        name: str = "",
    ) -> RewardJudge:
        """Fit on labelled answers. The model's weights are not changed.

        Args:
            labels: (prompt, answer, score); labels of one prompt stay in one fold.
            depths: of the states that are read, as fractions of the model's depth.

        Raises:
            UserError: too few labels, all on one side, scores outside [0, 1], or empty answers.
        """
        check_labels(labels)
        groups: dict[str, list[int]] = {}
        for i, (prompt, _, _) in enumerate(labels):
            groups.setdefault(plain_key(prompt), []).append(i)
        pooler = Pooler(model, depths=depths)
        order = np.array([i for members in groups.values() for i in members])
        pooled = pooler.features([(labels[m[0]][0], [labels[i][1] for i in m]) for m in groups.values()])
        features = pooled.rows(np.argsort(order))
        scores_N = np.array([score for _, _, score in labels], dtype=np.float64)
        keys = [plain_key(prompt) for prompt, _, _ in labels]
        fit = fit_head(features, scores_N, keys, folds=folds, seed=seed)
        label_hash = content_hash([[k, t, float(s)] for k, (_, t, s) in zip(keys, labels)], 8)
        return cls(
            pooler,
            fit.head,
            out_of_fold(fit.out_of_fold_N, scores_N, seed=seed),
            name or f"reward:{model.name}#{label_hash}",
            abstain,
        )

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """One probability per completion; none for an empty one."""
        each = [(g.prompt, [c for c in g.completions if c.strip()]) for g in groups]
        asked = [(prompt, said) for prompt, said in each if said]
        scores = self.head.probability(self.pooler.features(asked)).tolist() if asked else []
        return put_back(groups, map(self._judgement, scores), judge=self.name)

    def _judgement(self, score: float) -> Judgement:
        if abs(score - 0.5) < self.abstain:
            return Judgement(None, self.name, reason=f"unsure: {score:.2f}")
        return Judgement(score, self.name, reason=f"{score:.2f} likely to be labelled good")

    def save(self, folder: str | Path) -> Path:
        """Write the head (safetensors) and what it was fitted on (JSON); the model itself is not copied."""
        head = self.head
        sides = {"prompt": head.prompt, "answer": head.answer}
        arrays = {f"{k}_{field}": getattr(v, field) for k, v in sides.items() for field in v._fields}
        arrays["weight_AP"] = np.ascontiguousarray(head.weight_AP)
        arrays["scalars"] = np.array([head.bias, head.scale, head.shift])
        meta = {
            "kind": "truenorth reward head",
            "name": self.name,
            "model": self.pooler.model.name,
            "depths": list(self.pooler.depths),
            "abstain": self.abstain,
            "out_of_fold": {
                "accuracy": self.out_of_fold.accuracy._asdict(),
                "auc": self.out_of_fold.auc._asdict(),
                "brier": self.out_of_fold.brier,
                "n": self.out_of_fold.n,
                "positive": self.out_of_fold.positive,
            },
        }
        return save_head(folder, FILES, meta, arrays)

    @staticmethod
    def load(folder: str | Path, *, model: LocalModel | None = None, **settings: Any) -> Judge:
        """A saved head on its model, or any transformers sequence-classification folder or hub id.

        Args:
            model: the model that a saved head reads; loaded by its name if not given.
            settings: of `ClassifierJudge.load`, for a sequence classifier.

        Raises:
            UserError: neither, or a head fitted on another model.
        """
        if (Path(folder) / f"{FILES}.json").exists():
            return load_head(Path(folder), model)
        from truenorth.judges.classifier import ClassifierJudge

        return ClassifierJudge.load(folder, **settings)


def load_head(folder: Path, model: LocalModel | None) -> RewardJudge:
    """A saved head on the states of its model, which is loaded by name where none is given.

    Raises:
        UserError: the head belongs to another model, or cannot be read.
    """
    meta, arrays = saved = read_head(folder, FILES)
    if model is None:
        from truenorth.models.local import LocalModel

        model = LocalModel.load(meta["model"])
    check_model(saved, model, folder)
    bias, scale, shift = arrays["scalars"].tolist()
    prompt, answer = (Scaling(arrays[f"{k}_mean_D"], arrays[f"{k}_std_D"]) for k in ("prompt", "answer"))
    head = Head(arrays["weight_AP"], bias, prompt, answer, scale, shift)
    o = meta["out_of_fold"]
    card = OutOfFold(Estimate(**o["accuracy"]), Estimate(**o["auc"]), o["brier"], o["n"], o["positive"])
    return RewardJudge(Pooler(model, depths=meta["depths"]), head, card, meta["name"], meta["abstain"])


def check_labels(labels: Sequence[Label]) -> None:
    """Refuse labels that a head cannot be fitted on.

    Raises:
        UserError: too few, all of one kind, or a score outside [0, 1].
    """
    scores = [score for _, _, score in labels]
    up = sum(s > 0.5 for s in scores)
    where, fix = "labels of the reward model", "label more answers, good and bad ones"
    if len(labels) < LEAST or min(up, len(labels) - up) < 2:
        what = f"{len(labels)} labels, {up} of them good"
        raise UserError(what, where=where, expected=f"at least {LEAST}, at least 2 on each side", fix=fix)
    bad = [i for i, s in enumerate(scores) if not 0 <= s <= 1]
    if bad:
        raise UserError(f"score {scores[bad[0]]}", where=f"{where}, row {bad[0]}", expected="within [0, 1]")
    empty = [i for i, (_, text, _) in enumerate(labels) if not text.strip()]
    if empty:
        raise UserError("an empty answer", where=f"{where}, row {empty[0]}", fix="drop it")


def out_of_fold(probability_N: Floats, scores_N: Floats, *, seed: int, draws: int = 1000) -> OutOfFold:
    """Accuracy (Wilson) and AUC (bootstrap over labels) of out-of-fold probabilities."""
    good = scores_N > 0.5
    right = (probability_N > 0.5) == good
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(good), (draws, len(good)))
    boot = np.array([auc(probability_N[p], good[p]) for p in picks])
    low, high = np.nanquantile(boot, [0.025, 0.975])
    return OutOfFold(
        rate(int(right.sum()), len(right)),
        Estimate(auc(probability_N, good), float(low), float(high), len(good)),
        float(((probability_N - scores_N) ** 2).mean()),
        len(good),
        int(good.sum()),
        tuple(probability_N.tolist()),
    )


def read_labels(path: str | Path, *, principle: str = "") -> list[Label]:
    """Labels of a table in TRL's unpaired shape: prompt, completion, label (true, false or a score).

    Args:
        principle: only rows whose `principle` is this one, or that name none.

    Raises:
        UserError: a column is missing, or a value is not what it should be, with its row.
    """
    labels: list[Label] = []
    for number, row in enumerate(labelled_rows(path), start=1):
        where = f"{path}, row {number}"
        missing = [k for k in ("prompt", "completion", "label") if k not in row]
        if missing:
            raise UserError(f"no {', '.join(missing)}", where=where, expected="prompt, completion, label")
        if principle and (row.get("principle") or principle) != principle:
            continue
        labels.append(label_of(row["prompt"], row["completion"], row["label"], where=where))
    return labels


def labelled_rows(path: str | Path) -> Iterable[Mapping[str, Any]]:
    """The rows of a file of labels: a table by its suffix, else an object a line."""
    return (
        read_rows(path)
        if suffix_of(path) in (".json", ".csv", ".tsv", ".parquet", ".arrow")
        else read_jsonl(path)
    )


def label_of(prompt: Any, said: Any, score: Any, *, where: str) -> Label:
    """What people said of an answer, as plain values.

    Raises:
        UserError: a prompt or an answer that is neither text nor messages, or a label that is no score.
    """
    for name, value in (("prompt", prompt), ("answer", said)):
        turns = value if isinstance(value, (list, tuple)) else ()
        told = all(isinstance(t, Mapping) and isinstance(t.get("content"), str) for t in turns)
        if not isinstance(value, str) and not (turns and told):
            expected = "text, or messages of role and content"
            raise UserError(f"{name} {str(value)[:60]!r}", where=where, expected=expected)
    text = said if isinstance(said, str) else "\n".join(turn["content"] for turn in said)
    word = score.strip().lower() if isinstance(score, str) else score
    try:
        number = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}.get(word, word)
        good = 0 <= float(number) <= 1
    except (TypeError, ValueError):
        good = False
    if not good:
        raise UserError(f"label {score!r}", where=where, expected="true, false, or a score within [0, 1]")
    return prompt, text, float(number)
