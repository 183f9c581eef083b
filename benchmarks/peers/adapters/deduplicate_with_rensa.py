"""rensa alone: `RMinHashDeduplicator` over character 5-grams, and for each row that it drops whom it takes it for.

128 permutations and LSH are its README's, the threshold is 0.7 instead of its example's 0.8. Of its two pipelines this
is the one over all grams; the quicker one samples positions and is for filtering.
"""

import sys
from pathlib import Path

import numpy as np

from benchmarks.peers.adapters.clusters import save_components

GRAM, PERMUTATIONS, THRESHOLD, SEED = 5, 128, 0.7, 42


def main(source: Path, target: Path, _: Path) -> None:
    import pyarrow.parquet as pq
    from rensa import RMinHash, RMinHashDeduplicator  # type: ignore[import-not-found]

    texts = pq.read_table(source, columns=["text"])["text"].to_pylist()
    grams = ([text[at : at + GRAM] for at in range(max(1, len(text) - GRAM + 1))] for text in texts)
    signed = RMinHash.from_token_sets(grams, num_perm=PERMUTATIONS, seed=SEED)
    finder = RMinHashDeduplicator(threshold=THRESHOLD, num_perm=PERMUTATIONS, use_lsh=True, seed=SEED)
    is_kept = finder.add_pairs((str(row), each) for row, each in enumerate(signed))
    dropped = [row for row, kept in enumerate(is_kept) if not kept]
    twins = finder.get_duplicate_sets([signed[row] for row in dropped])
    pairs = [(row, int(twin)) for row, found in zip(dropped, twins, strict=True) for twin in found]
    edges = np.array(pairs, np.int64).reshape(-1, 2)
    save_components(edges[:, 0], edges[:, 1], len(texts), target)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
