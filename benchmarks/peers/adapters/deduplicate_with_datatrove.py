"""datatrove's MinHash as in its example: signatures, buckets, and the pairs that its third stage would cluster.

Its defaults (14 buckets of 8 hashes, near a threshold of 0.72), two workers, a file for each. For its word tokenizer
stands a split at spaces, since the text comes as its characters with spaces between.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.adapters.clusters import save_components

GRAM, WORKERS = 5, 2


def main(source: Path, target: Path, folder: Path) -> None:
    from datatrove.executor import LocalPipelineExecutor  # type: ignore[import-not-found]
    from datatrove.pipeline.dedup import minhash  # type: ignore[import-not-found]
    from datatrove.pipeline.readers import ParquetReader  # type: ignore[import-not-found]

    class Signature(minhash.MinhashDedupSignature):  # type: ignore[misc]
        def get_shingles(self, text: str) -> Any:
            tokens = text.split(" ")
            grams = (" ".join(tokens[at : at + GRAM]) for at in range(len(tokens) - GRAM + 1))
            return np.fromiter((self._hash_func(gram) for gram in grams), dtype=np.uint64).reshape((-1, 1))

    # The language is one whose tokenizer needs nothing installed; it is not used.
    config = minhash.MinhashConfig(n_grams=GRAM)
    parts = split_parquet(source, folder / "parts")
    signatures, buckets, logs = str(folder / "signatures"), str(folder / "buckets"), str(folder / "logs")
    sign = [ParquetReader(str(parts), text_key="tokens"), Signature(signatures, config, language="ace_Arab")]
    LocalPipelineExecutor(sign, tasks=WORKERS, workers=WORKERS, logging_dir=f"{logs}/1").run()
    match = [minhash.MinhashDedupBuckets(signatures, buckets, config=config)]
    LocalPipelineExecutor(match, tasks=config.num_buckets, workers=WORKERS, logging_dir=f"{logs}/2").run()
    pairs = [np.fromfile(path, np.uint32).reshape(-1, 4) for path in sorted(Path(buckets).glob("*.dups"))]
    edges = np.concatenate(pairs).astype(np.int64)
    sizes = np.array(read_part_sizes(parts))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    save_components(starts[edges[:, 0]] + edges[:, 1], starts[edges[:, 2]] + edges[:, 3], int(sizes.sum()), target)


def split_parquet(source: Path, folder: Path) -> Path:
    """datatrove's unit of work is a file: one for each worker."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    table = pq.read_table(source)
    size = -(-table.num_rows // WORKERS)
    for number in range(WORKERS):
        pq.write_table(table.slice(number * size, size), folder / f"{number:05d}.parquet")
    return folder


def read_part_sizes(folder: Path) -> list[int]:
    import pyarrow.parquet as pq

    return [pq.ParquetFile(path).metadata.num_rows for path in sorted(folder.glob("*.parquet"))]


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
