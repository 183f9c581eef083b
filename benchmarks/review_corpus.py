"""A curated folder to review, of any size: what curation leaves behind, without having curated anything.

Each dialogue is two of people's pairs of question and answer (songys/Chatbot_data, MIT). Of a hundred, about 85 are
accepted, 5 wait for people, 8 are dropped with a finding and 2 are duplicates; a tenth of all has a note, and its
score lies somewhere below the limit.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.corpus import read_pairs
from curation.measure import MEASURED
from curation.normal_form import fold
from curation.schemas import CLUSTERS, DECISIONS, FINDINGS
from datagen.spec_file import load_spec

SPECS = ("exa-data", "gf-persona-data")
PERSONA = "exa"
PERSONA_FILE = Path(__file__).parent.parent / "specs" / "personas" / f"{PERSONA}.yaml"
FILE_ROWS, GROUP_ROWS = 25_000, 500
"""As `curate` writes them: a file for each of the source's, row groups of 500."""
TURNS = 4
_STATUSES = ("accepted", "waiting", "dropped", "duplicate")
_SHARES = (0.85, 0.05, 0.08, 0.02)
_FINDINGS = (
    ("speech-level", "off-level", 0.95, "반말을 쓰는 페르소나가 존댓말로 말함: “말씀해 주세요.”"),
    ("repetition", "repeated-lines", 0.6, "같은 말을 되풀이함: “그럼요.”"),
    ("assistant-tell", "phrase", 1.0, "AI 말버릇: “도움이 필요하시면”"),
)
"""Code, rule, threshold and evidence."""
_CREATED = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What chance made of the dialogues: an index into the tuples above, one a dialogue; `score` is of its finding."""

    topic: np.ndarray
    status: np.ndarray
    finding: np.ndarray
    has_finding: np.ndarray
    score: np.ndarray
    cluster: np.ndarray
    """Number of the dialogue that names the cluster; -1: in none."""


def list_topics() -> list[tuple[str, str]]:
    """Topic and category, of both specs."""
    return [(each.name, each.category) for name in SPECS for each in load_spec(name).spec.topics]


def write_review_data(folder: Path, count: int, seed: int = 0) -> None:
    """Write `curated/` and the measured texts of `count` dialogues into `folder`."""
    rng = np.random.default_rng(seed)
    drawn = _draw(rng, count)
    (folder / "curated").mkdir(parents=True, exist_ok=True)
    measured = folder / ".curation" / "measured"
    measured.mkdir(parents=True, exist_ok=True)
    ids = np.array([f"review-{seed:02d}-{number:07d}" for number in range(count)], dtype=object)
    _write_decisions(folder / "curated" / "decisions.parquet", ids, drawn)
    _write_findings(folder / "curated" / "findings.parquet", ids, drawn)
    _write_clusters(folder / "curated" / "clusters.parquet", ids, drawn)
    lines = [line for pair in read_pairs() for line in pair]
    pool = pa.array(lines, pa.string()), pa.array([fold(line) for line in lines], pa.string())
    for start in range(0, count, FILE_ROWS):
        rows = slice(start, min(start + FILE_ROWS, count))
        pairs = rng.integers(0, len(lines) // 2, size=(rows.stop - start) * TURNS // 2)
        table = _measure(ids[rows], drawn.topic[rows], np.stack([2 * pairs, 2 * pairs + 1], axis=1).ravel(), pool)
        path = measured / f"{start // FILE_ROWS:032x}.parquet"
        pq.write_table(table, path, compression="zstd", compression_level=1, row_group_size=GROUP_ROWS)


def _draw(rng: np.random.Generator, count: int) -> _Drawn:
    status = rng.choice(len(_STATUSES), size=count, p=_SHARES)
    has_finding = (status == _STATUSES.index("dropped")) | (rng.random(count) < 0.1)
    finding = rng.integers(0, len(_FINDINGS), size=count)
    limits = np.array([each[2] for each in _FINDINGS])[finding]
    score = np.where(status == _STATUSES.index("dropped"), limits * 1.02, limits * rng.uniform(0.5, 0.99, count))
    cluster = np.full(count, -1)
    twins = np.flatnonzero(status == _STATUSES.index("duplicate"))
    twins = twins[twins > 0]
    cluster[twins] = twins - 1
    cluster[twins - 1] = np.where(cluster[twins - 1] < 0, twins - 1, cluster[twins - 1])
    return _Drawn(rng.integers(0, len(list_topics()), count), status, finding, has_finding, score, cluster)


def _write_decisions(path: Path, ids: np.ndarray, drawn: _Drawn) -> None:
    topics, count = list_topics(), len(ids)
    status = pa.array(_STATUSES, pa.string()).take(pa.array(drawn.status))
    columns = {
        "id": pa.array(ids, pa.string()),
        "topic": pa.array([name for name, _ in topics]).take(pa.array(drawn.topic)),
        "category": pa.array([category for _, category in topics]).take(pa.array(drawn.topic)),
        "status": status,
        "turns": pa.array(np.full(count, TURNS, np.int32)),
        "characters": pa.array(np.full(count, 80, np.int32)),
    }
    same = {"persona": PERSONA, "provider": "damhwa-simulator", "model": "damhwa-simulator"}
    columns |= {name: pa.repeat(value, count) for name, value in same.items()}
    pq.write_table(_complete(columns, DECISIONS, count), path, compression="zstd")


def _write_findings(path: Path, ids: np.ndarray, drawn: _Drawn) -> None:
    chosen = np.flatnonzero(drawn.has_finding)
    kind, dropped = drawn.finding[chosen], drawn.status[chosen] == _STATUSES.index("dropped")
    columns = {
        "id": pa.array(ids[chosen], pa.string()),
        "score": pa.array(drawn.score[chosen]),
        "verdict": pa.array(np.where(dropped, "drop", "note")),
        "message": pa.array(np.ones(len(chosen), np.int32)),
        "start": pa.array(np.zeros(len(chosen), np.int32)),
        "end": pa.array(np.full(len(chosen), 4, np.int32)),
    }
    for at, name in enumerate(("code", "rule", "threshold", "evidence")):
        columns[name] = pa.array([each[at] for each in _FINDINGS]).take(pa.array(kind))
    pq.write_table(_complete(columns, FINDINGS, len(chosen)), path, compression="zstd")


def _write_clusters(path: Path, ids: np.ndarray, drawn: _Drawn) -> None:
    members = np.flatnonzero(drawn.cluster >= 0)
    first = pa.array(ids[drawn.cluster[members]], pa.string())
    columns = {
        "id": pa.array(ids[members], pa.string()),
        "cluster": first,
        "keeper": first,
        "kind": pa.repeat("near", len(members)),
        "similarity": pa.array(np.full(len(members), 0.8)),
    }
    pq.write_table(_complete(columns, CLUSTERS, len(members)), path, compression="zstd")


def _measure(ids: np.ndarray, topic: np.ndarray, lines: np.ndarray, pool: tuple[pa.Array, pa.Array]) -> pa.Table:
    """The texts of one file; `lines`: numbers of its turns in the pool, which has them as said and folded."""
    count, topics = len(ids), list_topics()
    offsets = pa.array(np.arange(0, len(lines) + 1, TURNS, dtype=np.int32))
    roles = pa.array(["user", "assistant"]).take(pa.array(np.tile([0, 1], len(lines) // 2)))
    turn = MEASURED.field("messages").type.value_type
    turns = pa.StructArray.from_arrays([roles, pool[0].take(pa.array(lines))], fields=list(turn))
    scenario = {"situation": "유저가 하루 이야기를 꺼낸다", "opening": "가볍게 인사하며", "exchanges": 2}
    columns = {
        "id": pa.array(ids, pa.string()),
        "topic": pa.array([name for name, _ in topics]).take(pa.array(topic)),
        "category": pa.array([category for _, category in topics]).take(pa.array(topic)),
        "messages": pa.ListArray.from_arrays(offsets, turns, type=MEASURED.field("messages").type),
        "turns": pa.array(np.full(count, TURNS, np.int32)),
        "folded": pa.ListArray.from_arrays(offsets, pool[1].take(pa.array(lines))),
        "created_at": pa.repeat(pa.scalar(_CREATED, pa.timestamp("us", tz="UTC")), count),
        "prompt_tokens": pa.array(np.full(count, 900, np.int32)),
        "completion_tokens": pa.array(np.full(count, 120, np.int32)),
        "attempt_id": pa.array(ids, pa.string()),
    }
    same = {"dataset": "review", "persona": PERSONA, "model": "damhwa-simulator", "provider": "damhwa-simulator"}
    same |= {"scenario": json.dumps(scenario, ensure_ascii=False), "prompt_sha256": "0" * 64, "place": "review"}
    columns |= {name: pa.repeat(value, count) for name, value in same.items()}
    return _complete(columns, MEASURED, count)


def _complete(columns: dict[str, pa.Array], schema: pa.Schema, count: int) -> pa.Table:
    """The columns in the schema's order; those that are not given are null."""
    given = [columns.get(field.name, pa.nulls(count, field.type)) for field in schema]
    return pa.table([each.cast(field.type) for each, field in zip(given, schema, strict=True)], schema=schema)
