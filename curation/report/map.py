"""A map of the dialogues: 2-D places in which dialogues that use the same words lie side by side.

TF-IDF of character 2- to 4-grams, the leading singular vectors of that (Halko, Martinsson, Tropp 2011), and a neighbour
embedding of those by negative sampling (McInnes, Healy, Melville 2018; here with the t-SNE kernel, whole epochs
at once). scikit-learn has all three, but its import and its t-SNE cost 2.2 s of a report that should take 4.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from curation.normal_form import fold
from curation.report.grams import hash_grams

Floats = NDArray[np.float32]

LONGEST = 1_500
"""Characters of a dialogue that are looked at: a book does not slow the map down."""

_VOCABULARY = (
    40_000  # n-grams, the most shared ones: with all 106,000 of 890 dialogues the map is no better, only later
)
_COMPONENTS = 40
_NEIGHBOURS = 15
_EPOCHS = 150
_NEGATIVES = 5
_SPREAD = 4.0  # half of the starting picture's width, in units of the kernel; wider and clusters never meet


def place_texts(texts: Sequence[str], seed: int) -> Floats:
    """Places in the unit square, one row a text; the same for the same texts and seed."""
    if len(texts) < 3:
        return np.linspace(0.25, 0.75, max(len(texts), 1), dtype=np.float32)[: len(texts), None].repeat(2, axis=1)
    generator = np.random.default_rng(seed)
    vectors = _reduce(_weigh([fold(each[:LONGEST]) for each in texts]), generator)
    places = _embed(vectors, generator)
    low, high = np.percentile(places, [0.5, 99.5], axis=0)  # one stray dialogue must not shrink all others to a dot
    return np.asarray(np.clip((places - low) / np.maximum(high - low, 1e-6), -0.02, 1.02), dtype=np.float32)


def _weigh(texts: Sequence[str]) -> sparse.csr_array:
    """Sublinear TF-IDF with rows of length 1, over n-grams that at least two texts share."""
    documents, codes = hash_grams(texts, (2, 3, 4))
    vocabulary, columns = np.unique(codes, return_inverse=True)
    shape = (len(texts), max(len(vocabulary), 1))
    counts = sparse.csr_array((np.ones(len(codes), dtype=np.float32), (documents, columns)), shape=shape)
    counts.sum_duplicates()
    frequency = np.bincount(counts.indices, minlength=shape[1])
    kept = np.argpartition(-frequency, min(_VOCABULARY, shape[1] - 1))[:_VOCABULARY]
    kept = np.sort(kept[frequency[kept] >= 2])
    if len(kept):
        counts, frequency = counts[:, kept], frequency[kept]
    counts.data = 1 + np.log(counts.data)
    weighted = sparse.csr_array(counts * np.log((1 + shape[0]) / (1 + frequency) + 1).astype(np.float32)[None, :])
    lengths = np.sqrt(weighted.multiply(weighted).sum(axis=1))
    return sparse.csr_array(weighted.multiply((1 / np.maximum(lengths, 1e-9))[:, None]))


def _reduce(matrix: sparse.csr_array, generator: np.random.Generator) -> Floats:
    """The rows in the space of the leading singular vectors, centred, each of length 1."""
    width = min(_COMPONENTS, *matrix.shape)
    probe = generator.standard_normal((matrix.shape[1], width + 10), dtype=np.float32)
    basis = _straighten(matrix @ probe)
    for _ in range(2):
        basis = _straighten(matrix @ (matrix.T @ basis))
    right = matrix.T @ basis
    squares, turns = np.linalg.eigh(right.T @ right)  # small: 20 ms, where the SVD of `right` takes a second
    vectors = (basis @ turns[:, ::-1][:, :width]) * np.sqrt(np.maximum(squares[::-1][:width], 0))
    vectors -= vectors.mean(axis=0)
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def _straighten(columns: Floats) -> Floats:
    """An orthonormal basis of the columns, from their small Gram matrix: QR waits long for a busy second core."""
    exact = columns.astype(np.float64)
    squares, turns = np.linalg.eigh(exact.T @ exact)
    kept = squares > squares.max(initial=0) * 1e-12
    return np.asarray((exact @ turns[:, kept]) / np.sqrt(squares[kept]), dtype=np.float32)


def _link(vectors: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Each row's nearest neighbours, and their weights in 0..1: the nearest has 1 (the rule of UMAP, in one pass)."""
    count = min(_NEIGHBOURS, len(vectors) - 1)
    closeness = vectors @ vectors.T
    np.fill_diagonal(closeness, -np.inf)
    near = np.argpartition(-closeness, count - 1, axis=1)[:, :count]
    distance = 1 - np.take_along_axis(closeness, near, axis=1)
    beyond = distance - distance.min(axis=1, keepdims=True)
    weights = np.exp(-beyond / np.maximum(beyond.mean(axis=1, keepdims=True), 1e-6))
    return near, weights.astype(np.float32)


def _embed(vectors: Floats, generator: np.random.Generator) -> Floats:
    """Pull neighbours together and push strangers apart, all edges in each epoch, with a step that fades to nothing."""
    tails, weights = _link(vectors)
    heads = np.arange(len(vectors))[:, None]
    vectors = np.pad(vectors, ((0, 0), (0, 2)))  # where all texts are alike, or empty, there are no two components
    start = vectors[:, :2] - vectors[:, :2].mean(axis=0)
    places: Floats = start / np.maximum(np.abs(start).max(), 1e-9) * np.float32(_SPREAD)
    places = places + generator.normal(scale=1e-3, size=places.shape).astype(np.float32)  # twins must be able to part
    for epoch in range(_EPOCHS):
        gap = places[tails] - places[heads]
        pull = gap * (weights / (1 + _square(gap)))[..., None]
        away = places[heads] - places[generator.integers(len(places), size=(len(places), tails.shape[1] * _NEGATIVES))]
        squared = _square(away)
        push = away * (np.repeat(weights, _NEGATIVES, axis=1) / ((0.01 + squared) * (1 + squared)))[..., None]
        step = pull.sum(axis=1) + np.clip(push, -4, 4).sum(axis=1) - _add_up(tails.ravel(), pull, len(places))
        places = places + np.clip(step, -4, 4) * np.float32(0.25 * (1 - epoch / _EPOCHS))
    return places


def _square(gaps: Floats) -> Floats:
    return np.asarray(gaps[..., 0] ** 2 + gaps[..., 1] ** 2)


def _add_up(indices: NDArray[np.intp], moves: Floats, count: int) -> Floats:
    sums = [np.bincount(indices, weights=moves[..., axis].ravel(), minlength=count) for axis in (0, 1)]
    return np.asarray(np.stack(sums, axis=1), dtype=np.float32)
