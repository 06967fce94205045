"""Texts found by their words: BM25, exact, in any language.

Source: Robertson and Zaragoza 2009, "The probabilistic relevance framework: BM25 and beyond", equation 3.15, with the
idf of Lucene, ln(1 + (N - n + 0.5) / (n + 0.5)), which is never negative. Scripts that write without spaces are
taken by two letters at a time, so that a corpus may be in several languages.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_matrix

from truenorth.base import UserError
from truenorth.judges._content import stem

WORD = re.compile(r"[^\W_]+")
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")


def terms(text: str) -> list[str]:
    """Words in lower case without common endings; pairs of letters where a script writes no spaces.

    >>> terms("The boats of Ann"), terms("漁港はどこ")
    (['the', 'boat', 'of', 'ann'], ['漁港', '港は', 'はど', 'どこ'])
    """
    found: list[str] = []
    for word in WORD.findall(unicodedata.normalize("NFKC", text).lower()):
        start = 0
        for run in UNSPACED.finditer(word):
            found += [stem(word[start : run.start()])] if run.start() > start else []
            piece = run[0]
            found += [piece[i : i + 2] for i in range(max(1, len(piece) - 1))]
            start = run.end()
        found += [stem(word[start:])] if start < len(word) else []
    return found


@dataclass(frozen=True)
class Index:
    """Texts as columns of weights: the score of a text is the sum over the query's terms.

    Args:
        weight_DT: documents by terms, sparse. columns: term -> column.
    """

    weight_DT: csc_matrix
    columns: dict[str, int]

    @classmethod
    def of(cls, texts: Sequence[str], *, k1: float = 1.2, b: float = 0.75) -> Index:
        """Of at least one text; texts without words are never found.

        Args:
            k1: how soon another mention of a term stops counting. b: how far long texts are held to be wordy.

        Raises:
            UserError: no texts.
        """
        if not texts:
            raise UserError("no texts to search", where="retrieval")
        counts = [Counter(terms(text)) for text in texts]
        columns = {term: i for i, term in enumerate(dict.fromkeys(t for c in counts for t in c))}
        length_D = np.array([sum(c.values()) for c in counts], dtype=np.float64)
        norm_D = k1 * (1 - b + b * length_D / max(1e-9, length_D.mean()))
        in_T = np.zeros(len(columns))
        for c in counts:
            for term in c:
                in_T[columns[term]] += 1
        idf_T = np.log1p((len(texts) - in_T + 0.5) / (in_T + 0.5))
        cells = [
            (d, columns[term], idf_T[columns[term]] * f * (k1 + 1) / (f + norm_D[d]))
            for d, c in enumerate(counts)
            for term, f in c.items()
        ]
        rows, where, values = zip(*cells) if cells else ((), (), ())
        return cls(csc_matrix((values, (rows, where)), shape=(len(texts), len(columns))), columns)

    def scores(self, query: str) -> np.ndarray:
        """(D,) of every text; a term that the query says twice counts twice."""
        known = [self.columns[t] for t in terms(query) if t in self.columns]
        if not known:
            return np.zeros(self.weight_DT.shape[0])
        return np.asarray(self.weight_DT[:, known].sum(axis=1)).ravel()

    def search(self, query: str, k: int) -> list[tuple[int, float]]:
        """The `k` best texts that share a term with the query, (index, score), best first; equal ones in order."""
        score_D = self.scores(query)
        best = np.lexsort((np.arange(len(score_D)), -score_D))[:k]
        return [(int(d), float(score_D[d])) for d in best if score_D[d] > 0]

    def nearest(self, queries: Sequence[str], k: int) -> list[list[tuple[int, float]]]:
        """As `search` for each query, filled up to `k` with texts that share no term, in order."""
        found = []
        for query in queries:
            score_D = self.scores(query)
            best = np.lexsort((np.arange(len(score_D)), -score_D))[:k]
            found.append([(int(d), float(score_D[d])) for d in best])
        return found
