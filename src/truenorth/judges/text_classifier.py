"""A text classifier from labelled sentences: logistic regression on words and word pairs, no language model.

Small and fast (seconds for ten thousand sentences). It sees the answer's words and nothing else: a held-out
judge that shares nothing with what trains.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.special import expit

from truenorth.base import UserError, content_hash, read_jsonl, seed_of
from truenorth.judges._head import logistic
from truenorth.judges.checks._text import sentences, words
from truenorth.records import Group, Judgement
from truenorth.stats import Estimate, rate

Of = Literal["mean", "lowest", "last"]
Floats = NDArray[np.float64]
STRENGTHS = (1.0, 3.0, 10.0)  # of the L2 penalty, on 0/1 features
ROUNDS = 100  # of the fit, at most: thousands of columns move little after that
LEAST = 50  # labelled texts, ten of each side
ROW = '{"text": "...", "label": true or false (or 1 and 0)}, a line each'


@dataclass(frozen=True)
class TextClassifierJudge:
    """Scores an answer by the probability of the label 1, a sentence at a time, as it was fitted.

    Args:
        of: what is made of the sentences of an answer: their mean, the lowest, or the last one's.
        accuracy: on labelled texts that it was not fitted on (five folds).
    """

    columns: Mapping[str, int] = field(repr=False)  # word or word pair -> column
    weight_F: Floats = field(repr=False)
    bias: float
    name: str
    accuracy: Estimate
    labels: int
    of: Of = "mean"

    @classmethod
    def load(cls, path: str | Path, *, of: str = "mean", seed: int = 0) -> TextClassifierJudge:
        """Fit on a file of labelled texts: JSONL, gzipped or not, with columns `text` and `label`.

        Raises:
            UserError: no such file, a row without text or label, too few texts, or an unknown `of`.
        """
        if of not in get_args(Of):
            where = f"classifier:{path}"
            raise UserError(f"unknown reading {of!r}", where=where, expected=", ".join(get_args(Of)))
        fitted = _fitted(str(Path(path).resolve()), seed)
        name = f"classifier:{Path(path).name}" + (f"?of={of}" if of != "mean" else "")
        return cls(*fitted[:3], name, *fitted[3:], of)  # type: ignore[arg-type]

    @classmethod
    def fit(
        cls, texts: Sequence[str], labels: Sequence[bool], *, name: str = "", of: Of = "mean", seed: int = 0
    ) -> TextClassifierJudge:
        """Fit on labelled texts; the strength of the penalty is chosen by cross-validation.

        Raises:
            UserError: too few texts, or nearly all on one side.
        """
        up = sum(labels)
        if len(texts) < LEAST or min(up, len(labels) - up) < LEAST // 5:
            expected = f"at least {LEAST}, {LEAST // 5} on each side"
            what = f"{len(texts)} labelled texts, {up} of them positive"
            raise UserError(what, where=name or "classifier", expected=expected)
        columns = vocabulary(texts)
        x_NF = presence(texts, columns)
        y_N = np.array(labels, dtype=np.float64)
        order = np.argsort([seed_of(seed, text) for text in texts], kind="stable")
        fold_N = np.empty(len(texts), dtype=np.int64)
        fold_N[order] = np.arange(len(texts)) % 5
        strength, right = max(
            ((s, _right_out_of_fold(x_NF, y_N, fold_N, s)) for s in STRENGTHS), key=lambda pair: pair[1]
        )
        weight_F, bias = logistic(x_NF, y_N, strength, rounds=ROUNDS)
        label = name or f"classifier:{content_hash([list(texts), [bool(v) for v in labels]], 8)}"
        return cls(columns, weight_F, bias, label, rate(right, len(texts)), len(texts), of)

    def probability(self, texts: Sequence[str]) -> Floats:
        """(N,) probability of the label 1, each text as a whole."""
        return expit(presence(texts, self.columns) @ self.weight_F + self.bias)

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """One score per completion; none for one without words."""
        return [[self._judgement(text) for text in group.completions] for group in groups]

    def _judgement(self, text: str) -> Judgement:
        said = [s for s in sentences(text) if words(s)]
        if not said:
            return Judgement(None, self.name, reason="no words")
        p_S = self.probability(said if self.of != "last" else said[-1:])
        i = int(p_S.argmin())
        score = float(p_S[i] if self.of == "lowest" else p_S.mean())
        return Judgement(score, self.name, reason=f"lowest at {said[i]!r}" if self.of == "lowest" else "")


def features(text: str) -> set[str]:
    """The words of a text and its pairs of neighbouring words."""
    said = words(text)
    return {*said, *(f"{a} {b}" for a, b in pairwise(said))}


def vocabulary(texts: Iterable[str]) -> dict[str, int]:
    """Words and pairs that stand in two texts at least, in the order of the alphabet."""
    counts = Counter(f for text in texts for f in features(text))
    return {f: i for i, f in enumerate(sorted(f for f, n in counts.items() if n > 1))}


def presence(texts: Sequence[str], columns: Mapping[str, int]) -> Any:
    """(N, F) sparse: 1 where a word or pair stands in a text."""
    found = [sorted(columns[f] for f in features(text) if f in columns) for text in texts]
    indptr = np.cumsum([0, *map(len, found)])
    indices = np.array([i for row in found for i in row], dtype=np.int64)
    return csr_matrix((np.ones(len(indices)), indices, indptr), shape=(len(texts), len(columns)))


def read_texts(path: str | Path) -> tuple[list[str], list[bool]]:
    """Texts and labels of a JSONL file, gzipped or not.

    Raises:
        UserError: missing, not readable, or a row without text or label, with its number.
    """
    texts, labels = [], []
    for number, row in enumerate(read_jsonl(path), start=1):
        if not isinstance(row.get("text"), str) or row.get("label") not in (0, 1):
            raise UserError("no text or no label", where=f"{path}, row {number}", expected=ROW)
        texts.append(row["text"])
        labels.append(bool(row["label"]))
    return texts, labels


@lru_cache(maxsize=4)
def _fitted(path: str, seed: int) -> tuple[Mapping[str, int], Floats, float, Estimate, int]:
    """One fit a file: several readings of it share the work."""
    made = TextClassifierJudge.fit(*read_texts(path), name=f"classifier:{path}", seed=seed)
    return made.columns, made.weight_F, made.bias, made.accuracy, made.labels


def _right_out_of_fold(x_NF: Any, y_N: Floats, fold_N: NDArray[np.int64], strength: float) -> int:
    """How many texts are told right by a fit without their fold."""
    right = 0
    for fold in np.unique(fold_N):
        rest = fold_N != fold
        weight_F, bias = logistic(x_NF[rest], y_N[rest], strength, rounds=ROUNDS)
        right += int((((x_NF[~rest] @ weight_F + bias) > 0) == (y_N[~rest] > 0.5)).sum())
    return right
