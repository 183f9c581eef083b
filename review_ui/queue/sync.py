"""Take over what curation decided: which dialogues there are to review, in which order, and where their text lies.

Runs when the service starts and whenever `curated/` was made anew. Decisions and pools stay as they are: a dialogue
never changes between audit and triage. What curation no longer has is marked as gone, and its decisions are kept.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from curation.filters import FILTERS
from curation.reviewing.draw import draw_turn
from curation.reviewing.outcome import Facts, list_tallies
from curation.reviewing.place import KEY_FILE, make_key, read_key
from curation.reviewing.tables import CODES, EVENTS, LOTS, RUNS, SAMPLES, TALLIES
from curation.settings import CurationSettings
from curation.source import Source
from datagen.errors import DataError, UsageError
from review_ui.dashboard.facets import keep_facets
from review_ui.queue.order import Limits, Seen, is_audited, place_by_disposition, place_in_triage
from review_ui.queue.statements import weigh_tables

LOT = ("accepted", "waiting")
_CHUNK = 5_000
_TRIAGED = (*LOT, "dropped")
_CHANGING = ("status", "cluster", "file", "row", "is_lot", "pool", "rank", "why", "score")
Item = TypeVar("Item")
_HINT = "run `damhwa curate` again: it makes curated/ anew"


@dataclass(frozen=True, slots=True)
class Lot:
    """Of a topic: which round it is in, and what an author decided about that."""

    round: int = 1
    disposition: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A sample that is in the database already."""

    sample: int
    pool: str
    verdict: str | None
    mode: str | None
    """In which the verdict that counts was given."""
    values: tuple[Any, ...]
    """Of the columns `_CHANGING`."""


def fingerprint_curated(folder: Path) -> str:
    """Tells one `curated/` from another. Raises DataError where there is none."""
    try:
        stat = (folder / "curated" / "decisions.parquet").stat()
    except OSError as exc:
        hint = f"run `damhwa curate {folder}`, or `damhwa build SPEC -o {folder}`, first"
        raise DataError(f"{folder} is not curated: there is no curated/decisions.parquet in it", hint) from exc
    return f"{stat.st_mtime_ns}-{stat.st_size}-{stat.st_ino}"


def sync_run(connection: sa.Connection, folder: Path, source: Source, settings: CurationSettings) -> int:
    """Bring the database up to what `curated/` says, and return the run's number; nothing where it is up to it.

    Raises UsageError where the folder is a copy of another one in the same database.
    """
    key, fingerprint = make_key(folder), fingerprint_curated(folder)
    query = sa.select(RUNS.c.run, RUNS.c.imported, RUNS.c.folder).where(RUNS.c.key == key)
    found = connection.execute(query).one_or_none()
    if found is not None:
        _check_copy(folder, Path(found.folder), key)
    if found is None or found.imported != fingerprint:
        _hold_others(connection)
        found = connection.execute(query).one_or_none()
    values = {"name": folder.resolve().name, "folder": str(folder.resolve()), "imported": fingerprint}
    if found is None:
        insert = sa.insert(RUNS).values(key=key, **values).returning(RUNS.c.run)
        run = connection.execute(insert).scalar_one()
    else:
        run = found.run
        if found.imported == fingerprint:
            return int(run)
        connection.execute(sa.update(RUNS).where(RUNS.c.run == run).values(**values))
    lots = _write_lots(connection, run, folder, source)
    known = _read_known(connection, run)
    _write_samples(connection, run, known, _list_samples(folder, settings, lots))
    _write_codes(connection, run, folder)
    count_anew(connection, run)
    keep_facets(connection, run)
    weigh_tables(connection)
    return int(run)


def _check_copy(folder: Path, known: Path, key: str) -> None:
    if known != folder.resolve() and known.is_dir() and read_key(known) == key:
        found = f"{folder} is a copy of {known}: both have the mark {key} in the review database"
        raise UsageError(found, f"delete {folder / KEY_FILE} to review the copy by itself")


def _hold_others(connection: sa.Connection) -> None:
    """Let decisions and claims wait: one that commits while its sample is counted anew would be counted wrongly.

    SQLite has one writer at a time anyway; PostgreSQL goes on reading.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text(f"LOCK TABLE {SAMPLES.name} IN EXCLUSIVE MODE"))


def _read(path: Path, columns: list[str]) -> pa.Table:
    try:
        return pq.read_table(path, columns=columns)
    except (OSError, pa.ArrowException) as exc:
        raise DataError(f"{path} cannot be read: {exc}", _HINT) from exc


def _write_lots(connection: sa.Connection, run: int, folder: Path, source: Source) -> dict[str, Lot]:
    """Topics with category and quota; returns where each stands."""
    decisions = _read(folder / "curated" / "decisions.parquet", ["topic", "category"])
    topics = {
        row["topic"]: row["category"] for row in decisions.group_by(["topic", "category"]).aggregate([]).to_pylist()
    }
    quotas: Mapping[str, tuple[str, int]] = source.quotas or {}
    topics |= {topic: category for topic, (category, _) in quotas.items()}
    query = sa.select(LOTS.c.topic, LOTS.c.round, LOTS.c.disposition).where(LOTS.c.run == run)
    lots = {row.topic: Lot(row.round, row.disposition) for row in connection.execute(query)}
    for topic, category in topics.items():
        quota = quotas[topic][1] if topic in quotas else None
        if topic in lots:
            change = sa.update(LOTS).where(LOTS.c.run == run, LOTS.c.topic == topic)
            connection.execute(change.values(category=category, quota=quota))
        else:
            connection.execute(sa.insert(LOTS).values(run=run, topic=topic, category=category, quota=quota))
    return {topic: lots.get(topic, Lot()) for topic in topics}


def _read_known(connection: sa.Connection, run: int) -> dict[str, Known]:
    columns = [SAMPLES.c.id, SAMPLES.c.sample, SAMPLES.c.pool, SAMPLES.c.verdict, EVENTS.c.mode]
    query = sa.select(*columns, *(SAMPLES.c[name] for name in _CHANGING)).where(SAMPLES.c.run == run)
    rows = connection.execute(query.outerjoin_from(SAMPLES, EVENTS, EVENTS.c.event == SAMPLES.c.event))
    return {row[0]: Known(row[1], row[2], row[3], row[4], tuple(row[5:])) for row in rows}


def _list_samples(folder: Path, settings: CurationSettings, lots: Mapping[str, Lot]) -> Iterator[dict[str, Any]]:
    """A row a dialogue that may be reviewed, as the database has it but for the rank, which is that of triage."""
    curated = folder / "curated"
    decisions = _read(curated / "decisions.parquet", ["id", "topic", "persona", "model", "status"])
    seen, limits = _read_findings(curated / "findings.parquet"), list_limits(settings)
    clusters = _read(curated / "clusters.parquet", ["id", "cluster", "keeper"]).to_pylist()
    cluster = {each["id"]: each["cluster"] for each in clusters}
    keepers = {each["keeper"] for each in clusters}
    places, sizes = locate_texts(folder), _count_lots(decisions)
    for batch in decisions.to_batches(max_chunksize=_CHUNK):
        for row in batch.to_pylist():
            id_, status = row["id"], row["status"]
            if id_ not in places or not (status in _TRIAGED or id_ in cluster):
                continue
            is_lot, turn = status in LOT, draw_turn(id_)
            triage = place_in_triage(status, seen.get(id_, ()), limits, id_ in keepers, turn)
            pool = "triage" if status in _TRIAGED else "none"
            lot = lots[row["topic"]]
            if is_lot and lot.disposition is not None:
                pool, triage = place_by_disposition(lot.disposition, status, triage, turn)
            elif is_lot and is_audited(turn, sizes[row["topic"]]):
                pool = "audit"
            file, number = places[id_]
            yield {
                **row,
                "cluster": cluster.get(id_),
                "file": file,
                "row": number,
                "is_lot": is_lot,
                "round": lot.round,
                "pool": pool,
                "rank": triage.rank,
                "why": triage.why,
                "score": triage.score,
            }


def _count_lots(decisions: pa.Table) -> Counter[str]:
    """Topic → how many of its dialogues would be published."""
    rows = zip(decisions["topic"].to_pylist(), decisions["status"].to_pylist(), strict=True)
    return Counter(topic for topic, status in rows if status in LOT)


def list_limits(settings: CurationSettings) -> Limits:
    """Code and rule, as findings.parquet spells them, → limit."""
    limits: Limits = {}
    blocks = [(each.code, settings.filters[each.code]) for each in FILTERS]
    asked = (("judge", settings.judge), ("contradiction", settings.contradiction), ("opening", settings.opening))
    blocks += [(code, block) for code, block in asked if block]
    for code, block in blocks:
        limits |= {(code, rule.replace("_", "-")): limit for rule, limit in block.list_limits().items()}
    return limits


def _read_findings(path: Path) -> dict[str, list[Seen]]:
    found: dict[str, list[Seen]] = {}
    for row in _read(path, ["id", "code", "rule", "score", "threshold", "verdict"]).to_pylist():
        found.setdefault(row.pop("id"), []).append(Seen(**row))
    return found


def locate_texts(folder: Path) -> dict[str, tuple[str, int]]:
    """Id → file in `.curation/measured` and row in it, of the first that has the id."""
    places: dict[str, tuple[str, int]] = {}
    for path in sorted((folder / ".curation" / "measured").glob("*.parquet")):
        for number, id_ in enumerate(_read(path, ["id"]).column("id").to_pylist()):
            places.setdefault(id_, (path.name, number))
    return places


def _write_samples(
    connection: sa.Connection, run: int, known: dict[str, Known], rows: Iterable[dict[str, Any]]
) -> None:
    change = sa.update(SAMPLES).where(SAMPLES.c.sample == sa.bindparam("known"))
    change = change.values({name: sa.bindparam(f"new_{name}") for name in _CHANGING})
    for batch in _chunk(rows, _CHUNK):
        fresh, changed = [], []
        for row in batch:
            before = known.pop(row["id"], None)
            if before is None:
                fresh.append({"run": run, **_rank(row)})
                continue
            row = _rank(_keep_pool(row, before))
            if tuple(row[name] for name in _CHANGING) != before.values:
                changed.append({"known": before.sample} | {f"new_{name}": row[name] for name in _CHANGING})
        if fresh:
            connection.execute(sa.insert(SAMPLES), fresh)
        if changed:
            connection.execute(change, changed)
    _write_gone(connection, known)


def _keep_pool(row: dict[str, Any], before: Known) -> dict[str, Any]:
    """In the pool that it has, or was decided in before it went.

    What is undecided leaves the audit with the lot, and triage where curation no longer asks. What was in none, or
    dropped and is in the lot now, is drawn like the rest: else the audit would say nothing of it.
    """
    is_new_in_lot = row["is_lot"] and before.values[_CHANGING.index("status")] not in LOT
    if before.verdict is None and (before.pool == "none" or is_new_in_lot):
        return row
    is_left = not row["is_lot"] if before.pool == "audit" else row["pool"] == "none"
    if before.verdict is None and is_left:
        return row | {"pool": "none"}
    pool = before.mode if before.values[_CHANGING.index("status")] == "gone" else before.pool
    return row | {"pool": pool}


def _rank(row: dict[str, Any]) -> dict[str, Any]:
    """In the audit nothing but the draw decides who comes first."""
    return row | {"rank": float(draw_turn(row["id"]))} if row["pool"] == "audit" else row


def _write_gone(connection: sa.Connection, left: Mapping[str, Known]) -> None:
    for batch in _chunk((each.sample for each in left.values()), 500):
        change = sa.update(SAMPLES).where(SAMPLES.c.sample.in_(batch))
        connection.execute(change.values(status="gone", is_lot=False, pool="none"))


def _write_codes(connection: sa.Connection, run: int, folder: Path) -> None:
    connection.execute(sa.delete(CODES).where(CODES.c.run == run))
    query = sa.select(SAMPLES.c.id, SAMPLES.c.sample).where(SAMPLES.c.run == run)
    found = _read(folder / "curated" / "findings.parquet", ["id", "code"]).group_by(["id", "code"]).aggregate([])
    wanted = set(found.column("id").to_pylist())
    samples = {row.id: row.sample for row in connection.execute(query) if row.id in wanted}
    rows = (
        {"run": run, "code": row["code"], "sample": samples[row["id"]]}
        for row in found.to_pylist()
        if row["id"] in samples
    )
    for batch in _chunk(rows, _CHUNK):
        connection.execute(sa.insert(CODES), batch)


def count_anew(connection: sa.Connection, run: int) -> None:
    """Make the tallies of a run from its samples."""
    columns = [SAMPLES.c[name] for name in Facts.__slots__]
    query = sa.select(SAMPLES.c.topic, sa.func.count(), *columns).where(SAMPLES.c.run == run)
    tallies: Counter[tuple[str, str]] = Counter()
    for topic, count, *facts in connection.execute(query.group_by(SAMPLES.c.topic, *columns)):
        for name in list_tallies(Facts(*facts)):
            tallies[topic, name] += count
    connection.execute(sa.delete(TALLIES).where(TALLIES.c.run == run))
    rows = [{"run": run, "topic": topic, "name": name, "count": count} for (topic, name), count in tallies.items()]
    if rows:
        connection.execute(sa.insert(TALLIES), rows)


def _chunk(rows: Iterable[Item], size: int) -> Iterator[list[Item]]:
    rows = iter(rows)
    while chunk := list(islice(rows, size)):
        yield chunk
