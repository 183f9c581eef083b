"""One measured job in a process of its own: `python -m benchmarks.duplicates_worker JOB ARGUMENT …`."""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from benchmarks.corpus import Corpus, build_corpus
from curation.duplicates.index import DuplicateIndex
from curation.duplicates.settings import DuplicateSettings
from curation.normal_form import fold

RAW = DuplicateSettings(n=5, threshold=0.7, split_threshold=0.7, probability=0.999)
"""Truth 1: raw character 5-grams."""
TURNS = pa.list_(pa.string())


def write_corpus(corpus: Corpus, path: Path) -> list[str]:
    """As Parquet: the turns, their text on one line, and that as a peer's tokens; returns the texts."""
    texts = [" ".join(" ".join(turns).split()) for turns in corpus.dialogues]
    columns = {
        "id": pa.array(range(len(texts)), pa.int64()),
        "turns": pa.array(corpus.dialogues, TURNS),
        "text": pa.array(texts),
        "tokens": pa.array(" ".join(f"{ord(letter):x}" for letter in text) for text in texts),
    }
    pq.write_table(pa.table(columns), path, row_group_size=8192)
    return texts


def work_corpus(path: Path, count: Path, seed: Path) -> None:
    write_corpus(build_corpus(int(str(count)), int(str(seed))), path)


def work_folded(path: Path, count: Path, seed: Path) -> None:
    """The corpus with its turns in normal form, for those who have no normal form of their own."""
    corpus = build_corpus(int(str(count)), int(str(seed)))
    write_corpus(replace(corpus, dialogues=[[fold(turn) for turn in turns] for turns in corpus.dialogues]), path)


def read_turns(path: Path) -> Iterator[pa.Array]:
    for batch in pq.ParquetFile(path).iter_batches(8192, columns=["turns"]):
        yield pa.array([[fold(turn) for turn in turns] for turns in batch["turns"].to_pylist()], TURNS)


def read_texts(path: Path) -> Iterator[pa.Array]:
    """Each text as one turn: grams cross the turns, as they do for the peers."""
    for batch in pq.ParquetFile(path).iter_batches(8192, columns=["text"]):
        yield pa.ListArray.from_arrays(np.arange(len(batch) + 1, dtype=np.int32), batch["text"])


def work_raw(source: Path, target: Path) -> None:
    """What the peers do: text in, clusters out."""
    index = DuplicateIndex(target, RAW)
    index.add(read_texts(source))
    pairs, representatives = index.pairs(), index.representatives()
    left = np.concatenate([pairs.left, np.arange(index.rows)])
    np.save(target, label_components(left, np.concatenate([pairs.right, representatives]), index.rows))


def work_default(source: Path, folder: Path) -> None:
    """What curation does: fold, compare, keep the index."""
    index = DuplicateIndex.open(folder, DuplicateSettings())
    index.add(read_turns(source))
    index.save()


def work_lookup(folder: Path, source: Path) -> None:
    batches = list(read_turns(source))
    started = time.perf_counter()
    index = DuplicateIndex.open(folder, DuplicateSettings())
    index.add(batches)
    found = len(index.pairs())
    looked_up = time.perf_counter() - started
    index.save()
    saved = time.perf_counter() - started - looked_up
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{looked_up:.2f} {saved:.2f} {peak:.0f} {found}")


def label_components(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], rows: int) -> npt.NDArray[np.int64]:
    """The cluster of each row, where the pairs are edges."""
    graph = coo_array((np.ones(len(left), np.bool_), (left, right)), shape=(rows, rows))
    labels: npt.NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


if __name__ == "__main__":
    workers: dict[str, Callable[..., None]] = {
        "corpus": work_corpus,
        "folded": work_folded,
        "raw": work_raw,
        "default": work_default,
        "lookup": work_lookup,
    }
    workers[sys.argv[1]](*map(Path, sys.argv[2:]))
