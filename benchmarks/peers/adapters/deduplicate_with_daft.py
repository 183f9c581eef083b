"""Daft by its own guide to MinHash deduplication: sign, cut into bands, group by band, join what shares a bucket.

64 hashes in 8 bands of 8 is what datasketch's rule, which the guide follows, gives for a threshold of 0.7. It counts
words, so the text comes as its characters with spaces between.
"""

import sys
from pathlib import Path

import numpy as np

from benchmarks.peers.adapters.clusters import save_components

GRAM, HASHES, BANDS = 5, 64, 8


def main(source: Path, target: Path, _: Path) -> None:
    import daft
    from daft import col
    from daft.functions import minhash

    rows = HASHES // BANDS
    frame = daft.read_parquet(str(source))
    signed = frame.select(col("id"), minhash(col("tokens"), num_hashes=HASHES, ngram_size=GRAM).alias("minima"))
    banded = signed.with_column("band", col("minima").cast(daft.DataType.list(daft.DataType.uint32())).chunk(rows))
    numbered = banded.with_column("number", daft.lit(list(range(BANDS))))
    buckets = numbered.select("id", "band", "number").explode("band", "number")
    groups = buckets.groupby("number", "band").agg(col("id").list_agg().alias("members"))
    found = groups.where(col("members").list_count() > 1).select("members").collect()  # type: ignore[operator]
    members = found.to_arrow()["members"].combine_chunks()
    first = np.repeat(
        members.flatten().to_numpy()[members.offsets.to_numpy()[:-1]], np.diff(members.offsets.to_numpy())
    )
    save_components(first, members.flatten().to_numpy(), frame.count_rows(), target)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
