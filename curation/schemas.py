"""The Parquet files beside the splits in `curated/`, column by column: what others may build on."""

import pyarrow as pa

DECISIONS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("topic", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),
        pa.field("persona", pa.string(), nullable=False),
        pa.field("provider", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("keeper", pa.string()),
        pa.field("similarity", pa.float64()),
        pa.field("split", pa.string()),
        pa.field("turns", pa.int32(), nullable=False),
        pa.field("characters", pa.int32(), nullable=False),
        pa.field("cost_usd", pa.float64()),
    ]
)
"""A row a readable dialogue. `status`: accepted, waiting, duplicate, set-aside, reserve or dropped; `reason`: null, or
the first drop's code, or `duplicate`, `split-tie`, `quota`; `keeper`, `similarity`: of a duplicate; `split`: of an
accepted or waiting one; `characters`: of all its messages."""

RECORDINGS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("message", pa.int32(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("voice", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("media_type", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
    ]
)
"""`media/recordings.parquet` of a run: a row an utterance of a persona that was spoken. `text`: what was spoken, the
utterance without its directions; a message that says something else by now has no recording. Others: as in `media`."""

FINDINGS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("code", pa.string(), nullable=False),
        pa.field("rule", pa.string(), nullable=False),
        pa.field("message", pa.int32()),
        pa.field("start", pa.int32()),
        pa.field("end", pa.int32()),
        pa.field("evidence", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("threshold", pa.float64(), nullable=False),
        pa.field("verdict", pa.string(), nullable=False),
    ]
)
"""A row a finding. `message` counts from 0, null means the whole dialogue; `start`, `end` are characters in it;
`verdict` is `drop` or `note`."""

CLUSTERS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("cluster", pa.string(), nullable=False),
        pa.field("keeper", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("similarity", pa.float64(), nullable=False),
    ]
)
"""A row a dialogue that has a duplicate. `cluster`: the smallest id in it; `kind`: exact, near, contained, semantic."""

_TURN = pa.struct(
    [
        pa.field("message", pa.int32(), nullable=False),
        pa.field("original", pa.string()),
        pa.field("edited", pa.string()),
    ]
)
EDITS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("edited_id", pa.string(), nullable=False),
        pa.field("reviewer", pa.string(), nullable=False),
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("turns", pa.list_(_TURN), nullable=False),
    ]
)
"""A row a dialogue that is judged by a text that a person edited; `decisions` says what became of it. `edited_id`: id
and revision, `x-000123@2`; `turns`: the messages that differ, from 0, as they were and as they are; null: none."""

UNREADABLE = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),
        pa.field("row", pa.int64()),
        pa.field("what", pa.string(), nullable=False),
        pa.field("raw", pa.string(), nullable=False),
    ]
)
"""Whatever was set aside. `row` counts from 1; null: the file as a whole."""
