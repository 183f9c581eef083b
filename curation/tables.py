"""The tables beside the dialogues in `curated/`: what was decided of each, and what each resembles."""

import numpy as np
import pyarrow as pa

from curation.duplicates.pairs import Kind
from curation.examination import Examination
from curation.opinions.semantic import SemanticPairs
from curation.schemas import CLUSTERS, DECISIONS
from curation.settling.settlement import Status
from curation.settling.split_memory import SPLITS

SEMANTIC = pa.schema(
    [
        pa.field("left", pa.string(), nullable=False),
        pa.field("right", pa.string(), nullable=False),
        pa.field("cosine", pa.float64(), nullable=False),
    ]
)
_REASONS = {Status.DUPLICATE: "duplicate", Status.SET_ASIDE: "split-tie", Status.RESERVE: "quota"}


def list_decisions(examination: Examination) -> pa.Table:
    """In the form of `decisions.parquet`: a row a readable dialogue."""
    rows, settlement = examination.rows, examination.settlement
    codes = examination.findings.first_codes()
    status = [Status(each) for each in settlement.status.tolist()]
    reasons = [codes.get(row) if each is Status.DROPPED else _REASONS.get(each) for row, each in enumerate(status)]
    columns = {name: rows.table.column(name) for name in DECISIONS.names if name in rows.table.column_names}
    keepers = settlement.keeper.tolist()
    columns |= {
        "id": rows.ids,
        "status": [each.word for each in status],
        "reason": reasons,
        "keeper": [rows.ids[each] if each >= 0 else None for each in keepers],
        "similarity": pa.array(settlement.similarity, from_pandas=True),
        "split": [SPLITS[each] if each >= 0 else None for each in settlement.split.tolist()],
    }
    arrays = [_to_plain(columns[field.name], field) for field in DECISIONS]
    return pa.table(arrays, schema=DECISIONS).filter(pa.array(rows.is_readable))


def _to_plain(values: object, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    return values.cast(field.type) if isinstance(values, pa.ChunkedArray) else pa.array(values, field.type)


def list_clusters(examination: Examination) -> pa.Table:
    """In the form of `clusters.parquet`: every dialogue that has a duplicate, those kept among them.

    One that is kept names itself with similarity 1; so does one that a filter dropped, which nobody keeps or drops.
    """
    rows, settlement, similar = examination.rows, examination.settlement, examination.similar
    sizes = np.bincount(similar.clusters[rows.is_readable], minlength=len(rows))
    members = np.flatnonzero((sizes[similar.clusters] > 1) & rows.is_readable)
    keepers = np.where(settlement.keeper >= 0, settlement.keeper, np.arange(len(rows)))[members]
    kinds = [_name_kind(examination, row) for row in members.tolist()]
    similarity = np.where(settlement.keeper[members] >= 0, settlement.similarity[members], 1.0)
    return pa.table(
        {
            "id": [rows.ids[row] for row in members.tolist()],
            "cluster": [rows.ids[row] for row in similar.clusters[members].tolist()],
            "keeper": [rows.ids[row] for row in keepers.tolist()],
            "kind": kinds,
            "similarity": similarity,
        },
        schema=CLUSTERS,
    )


def list_semantic(examination: Examination, pairs: SemanticPairs) -> pa.Table:
    """In the form of `semantic.parquet`: dialogues that mean the same in other words, the most alike first."""
    order, ids = np.argsort(-pairs.cosine, kind="stable"), examination.rows.ids
    left, right = pairs.left[order].tolist(), pairs.right[order].tolist()
    columns = [[ids[row] for row in left], [ids[row] for row in right], pairs.cosine[order]]
    return pa.table(dict(zip(SEMANTIC.names, columns, strict=True)), schema=SEMANTIC)


def _name_kind(examination: Examination, row: int) -> str:
    pair = int(examination.settlement.pair[row])
    if pair >= 0:
        return Kind(int(examination.similar.pairs.kind[pair])).name.lower()
    is_copy = examination.settlement.keeper[row] >= 0
    return "exact" if is_copy else "near"
