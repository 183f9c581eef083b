"""text-dedup by its command, with its defaults (250 permutations, threshold 0.7), the quicker hash, two processes.

It counts words, so the text comes as its characters with spaces between. `--debug` has it keep its union of rows.
"""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np

GRAM, WORKERS = 5, 2


def main(source: Path, target: Path, folder: Path) -> None:
    options = {
        "path": "parquet", "data_files": source, "split": "train", "cache_dir": folder / "cache",
        "output": folder / "output", "column": "tokens", "idx_column": "id", "ngram": GRAM, "min_length": 0,
        "threshold": 0.7, "hash_func": "xxh3", "num_proc": WORKERS,
    }  # fmt: skip
    command = [sys.executable, "-m", "text_dedup.minhash", "--debug"]
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    import pyarrow.parquet as pq

    with (folder / "output" / "uf.pkl").open("rb") as file:
        union = pickle.load(file)
    rows = pq.ParquetFile(source).metadata.num_rows
    np.save(target, np.array([union.find(row) for row in range(rows)]))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
