"""What finding duplicates is measured against, each as its makers recommend, in an environment of its own.

    daft        daft==0.7.26, scipy==1.17.1 (for the components), pyarrow==25.0.1
    datatrove   datatrove[processing,io]==0.10.1, scipy==1.17.1
    textdedup   text-dedup==0.4.0

`PYTHON peers_duplicates.py PEER IN.parquet OUT.npy FOLDER` reads columns `id` and `tokens` and writes the cluster of
each row. The tokens are the text's characters as hexadecimal numbers with spaces between, so that all three, which
count words, count character 5-grams. FOLDER is for what a peer writes besides.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

N = 5
WORKERS = 2


def run_daft(source: Path, target: Path, _: Path) -> None:
    """64 hashes in 8 bands of 8: what datasketch's rule, which Daft's guide follows, gives for a threshold of 0.7."""
    import daft
    from daft import col
    from daft.functions import minhash

    rows = 8
    frame = daft.read_parquet(str(source))
    signed = frame.select(col("id"), minhash(col("tokens"), num_hashes=64, ngram_size=N).alias("minima"))
    banded = signed.with_column("band", col("minima").cast(daft.DataType.list(daft.DataType.uint32())).chunk(rows))
    numbered = banded.with_column("number", daft.lit(list(range(64 // rows))))
    buckets = numbered.select("id", "band", "number").explode("band", "number")
    groups = buckets.groupby("number", "band").agg(col("id").list_agg().alias("members"))
    found = groups.where(col("members").list_count() > 1).select("members").collect()  # type: ignore[operator]
    members = found.to_arrow()["members"].combine_chunks()
    first = np.repeat(
        members.flatten().to_numpy()[members.offsets.to_numpy()[:-1]], np.diff(members.offsets.to_numpy())
    )
    save_components(first, members.flatten().to_numpy(), frame.count_rows(), target)


def run_datatrove(source: Path, target: Path, folder: Path) -> None:
    """Its defaults (14 buckets of 8 hashes), its four stages, two workers; for its word tokenizer stands a split."""
    from datatrove.executor import LocalPipelineExecutor  # type: ignore[import-not-found]
    from datatrove.pipeline.dedup import minhash  # type: ignore[import-not-found]
    from datatrove.pipeline.readers import ParquetReader  # type: ignore[import-not-found]

    class Signature(minhash.MinhashDedupSignature):  # type: ignore[misc]
        def get_shingles(self, text: str) -> Any:
            tokens = text.split(" ")
            grams = (" ".join(tokens[at : at + N]) for at in range(len(tokens) - N + 1))
            return np.fromiter((self._hash_func(gram) for gram in grams), dtype=np.uint64).reshape((-1, 1))

    # The language is one whose tokenizer needs nothing installed; it is not used.
    config = minhash.MinhashConfig(n_grams=N)
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


def run_textdedup(source: Path, target: Path, folder: Path) -> None:
    """Its command with its defaults (250 permutations, threshold 0.7), the quicker hash, two processes."""
    options = {
        "path": "parquet", "data_files": source, "split": "train", "cache_dir": folder / "cache",
        "output": folder / "output", "column": "tokens", "idx_column": "id", "ngram": N, "min_length": 0,
        "threshold": 0.7, "hash_func": "xxh3", "num_proc": WORKERS,
    }  # fmt: skip
    command = [sys.executable, "-m", "text_dedup.minhash", "--debug"]
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    import pickle

    import pyarrow.parquet as pq

    with (folder / "output" / "uf.pkl").open("rb") as file:
        union = pickle.load(file)
    rows = pq.ParquetFile(source).metadata.num_rows
    np.save(target, np.array([union.find(row) for row in range(rows)]))


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


def save_components(left: Any, right: Any, rows: int, target: Path) -> None:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(left), np.bool_), (left, right)), shape=(rows, rows))
    np.save(target, connected_components(graph, directed=False)[1])


if __name__ == "__main__":
    runners = {"daft": run_daft, "datatrove": run_datatrove, "textdedup": run_textdedup}
    runners[sys.argv[1]](*map(Path, sys.argv[2:5]))
