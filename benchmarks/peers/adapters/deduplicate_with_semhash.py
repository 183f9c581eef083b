"""semhash with the model that its documentation names for other languages than English, at the threshold of 0.7.

It looks for what means the same, so by the truth of shared characters it finds other pairs than it is asked for. The
model comes from the Hugging Face hub: where that is out of reach, it does not run.
"""

import sys
from pathlib import Path

import numpy as np

from benchmarks.peers.adapters.clusters import save_components

MODEL = "minishlab/potion-multilingual-128M"
THRESHOLD = 0.7


def main(source: Path, target: Path, _: Path) -> None:
    import pyarrow.parquet as pq
    from model2vec import StaticModel  # type: ignore[import-not-found]
    from semhash import SemHash  # type: ignore[import-not-found]

    texts = pq.read_table(source, columns=["text"])["text"].to_pylist()
    records = [{"text": text, "row": str(row)} for row, text in enumerate(texts)]
    model = StaticModel.from_pretrained(MODEL)
    found = SemHash.from_records(records, columns=["text"], model=model).self_deduplicate(threshold=THRESHOLD)
    pairs = [(int(each.record["row"]), int(each.duplicate_of["row"])) for each in found.filtered]
    edges = np.array(pairs, np.int64).reshape(-1, 2)
    save_components(edges[:, 0], edges[:, 1], len(texts), target)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
