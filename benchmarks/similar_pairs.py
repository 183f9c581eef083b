"""The truth about near-duplicates, by brute force: each pair that shares a gram, counted by scikit-learn and scipy.

Nothing of this is the product's: other grams, other sets, no hashing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import CountVectorizer

_ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class TruePairs:
    """left < right, and the true Jaccard similarity."""

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.left)


def find_true_pairs(texts: Sequence[str], n: int, threshold: float) -> TruePairs:
    """All pairs at or above a Jaccard similarity of character n-grams. Runs of white space must be single spaces."""
    vectorizer = CountVectorizer(analyzer="char", ngram_range=(n, n), lowercase=False, binary=True, dtype=np.int32)
    sets = csr_array(vectorizer.fit_transform(texts))
    sizes = np.diff(sets.indptr).astype(np.int64)
    others = sets.T.tocsr()
    found = []
    for start in range(0, len(texts), _ROWS_AT_ONCE):
        shared = (sets[start : start + _ROWS_AT_ONCE] @ others).tocoo()
        left, right = shared.row.astype(np.int64) + start, shared.col.astype(np.int64)
        similarity = shared.data / (sizes[left] + sizes[right] - shared.data)
        chosen = (similarity >= threshold) & (left < right)
        found.append((left[chosen], right[chosen], similarity[chosen]))
    return TruePairs(*(np.concatenate([each[column] for each in found]) for column in range(3)))


def score_clusters(labels: npt.NDArray[np.int64], truth: TruePairs) -> tuple[float, float]:
    """Recall: true pairs in one cluster. Precision: rows merged that have a true partner in their cluster."""
    is_together = labels[truth.left] == labels[truth.right]
    is_justified = np.zeros(len(labels), np.bool_)
    is_justified[truth.left[is_together]] = True
    is_justified[truth.right[is_together]] = True
    is_merged = np.bincount(labels)[labels] > 1
    return float(is_together.mean()), float(is_justified[is_merged].mean())
