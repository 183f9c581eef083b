"""semantic (optional): pairs of dialogues that mean the same in other words, by the cosine of their embeddings.

A model's idea of likeness depends on the model, so these pairs are noted beside the dialogues and drop nothing unless
`drop` is set. Then they count as duplicates, and no such pair straddles two splits.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from curation.duplicates.pairs import Kind, Pairs, order_pairs, pack
from curation.finding import Finding
from datagen.errors import UsageError
from datagen.spec import ProviderSettings

CODE = "semantic"
BLOCK = 2_048
"""Rows by rows that are multiplied at once: 16 MB of cosines."""
MAX_PAIRS = 5_000_000
"""120 MB; more than that says that the threshold is too low for the model."""
ROUNDING = 1e-6
"""By how much the cosine of a vector with itself may miss 1 in float32."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]


class EmbeddingProvider(ProviderSettings):
    """The model that embeds, and where it is asked."""

    concurrency: int = Field(8, ge=1, le=2048)
    """Requests in flight at once, of up to 64 dialogues each."""


class SemanticSettings(BaseModel):
    """The `semantic` block: one of `provider` (an endpoint) and `folder` (a sentence-transformers model on disk)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    provider: EmbeddingProvider | None = None
    folder: Path | None = None
    threshold: float = Field(0.95, gt=0, le=1)
    """Cosine, 0..1, from which on two dialogues are a pair. Careful: with some models strangers have 0.8."""
    drop: bool = False
    """Whether pairs count as duplicates, of which one is kept; else they are noted."""

    @model_validator(mode="after")
    def _has_one_model(self) -> Self:
        if (self.provider is None) == (self.folder is None):
            raise ValueError("give either `provider` (an endpoint) or `folder` (a model on disk)")
        return self


@dataclass(frozen=True, slots=True)
class SemanticPairs:
    """Pairs of rows, left < right, ascending. A row with the very text of an earlier one is left out."""

    left: Ints
    right: Ints
    cosine: Floats

    def __len__(self) -> int:
        return len(self.left)


def find_pairs(vectors: Vectors, rows: Ints, threshold: float, block: int = BLOCK) -> SemanticPairs:
    """All pairs with a cosine of `threshold` or more, exactly, block by block.

    `vectors` [n, d], of length 1 or 0; `rows` [n], ascending, are their row numbers. Takes n²·d/2 multiplications
    (20,000 × 1,536: 19 s on 2 busy cores; 100,000: 25 times that) and, beside the vectors, 16 MB and the pairs.
    Raises UsageError where there are more than MAX_PAIRS.
    """
    parts: list[tuple[Ints, Ints, Floats]] = []
    count = 0
    for top in range(0, len(rows), block):
        for left in range(top, len(rows), block):
            cosines = vectors[top : top + block] @ vectors[left : left + block].T
            near = cosines >= threshold - ROUNDING
            if left == top:
                near = np.triu(near, 1)
            one, two = np.nonzero(near)
            count += len(one)
            if count > MAX_PAIRS:
                message = f"semantic: more than {MAX_PAIRS:,} pairs have a cosine of {threshold:g} or more"
                raise UsageError(message, "raise `threshold` in the block `semantic`; the embeddings are kept")
            parts.append((one + top, two + left, cosines[near].astype(np.float64)))
    if not parts:
        return SemanticPairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    at_left, at_right, cosine = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.lexsort((at_right, at_left))
    return SemanticPairs(rows[at_left[order]], rows[at_right[order]], np.minimum(cosine[order], 1.0))


def select_new(found: SemanticPairs, known: Pairs, representatives: Ints, threshold: float) -> SemanticPairs:
    """Those that are no duplicates by their letters: neither exact copies nor `known` at `threshold` or more.

    Rows are told by their representatives [n], as those of `known` are.
    """
    left, right = representatives[found.left], representatives[found.right]
    near = known.similarity >= threshold
    is_known = np.isin(pack(left, right), pack(known.left[near], known.right[near]))
    new = ~is_known & (left != right)
    return SemanticPairs(found.left[new], found.right[new], found.cosine[new])


def add_pairs(known: Pairs, new: SemanticPairs, representatives: Ints) -> Pairs:
    """All pairs, each once; a pair that is new takes the place of a looser one by letters."""
    ends = np.sort(np.stack((representatives[new.left], representatives[new.right])), axis=0)
    key, first = np.unique(pack(ends[0], ends[1]), return_index=True)
    kept = ~np.isin(pack(known.left, known.right), key)
    kind = np.full(len(key), Kind.SEMANTIC, dtype=np.uint8)
    return order_pairs(
        Pairs(
            np.concatenate((known.left[kept], ends[0, first])),
            np.concatenate((known.right[kept], ends[1, first])),
            np.concatenate((known.similarity[kept], new.cosine[first])),
            np.concatenate((known.kind[kept], kind)),
        )
    )


def list_notes(pairs: SemanticPairs, ids: Sequence[str], threshold: float) -> Iterator[tuple[int, Finding]]:
    """A note for each row that is in a pair, naming the nearest one."""
    others: dict[int, list[tuple[float, str]]] = defaultdict(list)
    for left, right, cosine in zip(pairs.left.tolist(), pairs.right.tolist(), pairs.cosine.tolist(), strict=True):
        others[left].append((-cosine, ids[right]))
        others[right].append((-cosine, ids[left]))
    for row, found in sorted(others.items()):
        cosine, nearest = min(found)
        more = f" 말고도 {len(found) - 1}편" if len(found) > 1 else ""
        evidence = f"뜻이 거의 같은 대화가 있음: {nearest}{more} (코사인 {-cosine:.3f})"
        yield row, Finding(CODE, "pair", None, None, None, evidence, -cosine, threshold, "note")
