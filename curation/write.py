"""Write an examined data set into a folder: splits, findings, clusters, decisions, report, dataset card."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curation.duplicates.bands import draw_recall_curve
from curation.duplicates.pairs import sample_pairs
from curation.edits import list_edits
from curation.examination import Examination
from curation.memory import release_memory
from curation.outputs import list_unreadable, write_splits
from curation.recordings import Recordings
from curation.release.curated_set import CuratedSet
from curation.release.shown import carry_all, count_media
from curation.report.build import build_report
from curation.report.card import render_card
from curation.report.document import Report
from curation.report.input import Bands, Leakage, Pair, ReportInput
from curation.report.page import render_report
from curation.settling.settlement import Status
from curation.source import BASELINE_FOLDER
from curation.tables import list_clusters, list_decisions, list_semantic
from datagen.ledger import Ledger
from datagen.record import Dialogue
from datagen.store import read_dialogues

PAIRS_SHOWN = 40
_VERSIONS = ("damhwa", "kiwipiepy", "numpy", "scipy", "pyarrow")


def write_curated(examination: Examination, folder: Path) -> dict[str, int]:
    """Write everything, and return split → number of dialogues."""
    rows, settlement = examination.rows, examination.settlement
    published = settlement.split.copy()
    published[settlement.status != Status.ACCEPTED] = -1
    work = examination.work
    counts = write_splits(folder, rows, published, Recordings.read(work.folder).keep_whole(work.folder))
    tables = {
        "findings": examination.findings.to_table(rows.ids, rows.is_readable),
        "clusters": list_clusters(examination),
        "decisions": list_decisions(examination),
        "edits": list_edits(rows, examination.reviews),
        "unreadable": list_unreadable(rows.unreadable),
    }
    if examination.similar.semantic is not None:
        tables["semantic"] = list_semantic(examination, examination.similar.semantic)
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    release_memory()
    report = build_report(_gather(examination, tables))
    text = json.dumps(report, ensure_ascii=False, indent=1)
    (folder / "report.json").write_text(text, encoding="utf-8")
    (folder / "report.html").write_text(render_report(report), encoding="utf-8")
    write_card(folder, report, counts, work.settings.licence)
    return counts


def write_card(folder: Path, report: Report, counts: dict[str, int], licence: str | None) -> None:
    """Write the dataset card, which counts what the splits show and say. `counts`: split → dialogues."""
    media = count_media(CuratedSet(folder, counts).read_media(), carry_all)
    card = render_card(report, licence, media, _fingerprint_splits(folder, counts))
    (folder / "README.md").write_text(card, encoding="utf-8")


def _fingerprint_splits(folder: Path, splits: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for split in splits for path in (folder / split).glob("*.parquet")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256 {digest.hexdigest()[:16]}"


def _gather(examination: Examination, tables: Mapping[str, pa.Table]) -> ReportInput:
    work, rows = examination.work, examination.rows
    number = {id_: row for row, id_ in enumerate(rows.ids) if rows.is_readable[row]}

    def load(ids: Sequence[str]) -> list[Dialogue]:
        return rows.load([number[each] for each in ids])

    rejected, drafts = _read_ledger(work.folder)
    return ReportInput(
        dataset=work.source.dataset,
        source=str(work.folder),
        quotas=work.source.quotas,
        decisions=tables["decisions"],
        findings=tables["findings"],
        clusters=tables["clusters"],
        load=load,
        persona_levels={each.id: each.speech_level for each in work.source.personas.values()},
        leakage=_describe_leakage(examination),
        bands=_describe_bands(examination),
        rejected=rejected,
        drafts=drafts,
        baseline=list(read_dialogues(work.folder / BASELINE_FOLDER)) or None,
        settings_text=work.settings.to_yaml(),
        created_at=datetime.now(UTC),
        versions={name: version(name) for name in _VERSIONS},
        judge=examination.opinions.judge,
        reviews=_count_reviews(examination),
        declared=work.source.declared,
    )


def _read_ledger(folder: Path) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float | None]]]:
    """What was rejected before it became a dialogue, and what was paid, by topic; empty where there is no ledger."""
    if not (folder / "ledger.db").is_file():
        return {}, {}
    ledger = Ledger.open_to_read(folder / "ledger.db")
    try:
        tallies = ledger.tallies()
        drafts: dict[str, dict[str, float | None]] = {
            topic: {
                "drafts": each.accepted + each.rejected,
                "cost_usd": None if each.unpriced else each.cost_usd,
                "tokens": each.prompt_tokens + each.completion_tokens,
            }
            for topic, each in tallies.items()
        }
        return ledger.rejections(), drafts
    finally:
        ledger.close()


def _describe_leakage(examination: Examination) -> Leakage:
    leakage, rows = examination.leakage, examination.rows
    pair = (rows.ids[leakage.rows[0]], rows.ids[leakage.rows[1]]) if leakage.rows else None
    threshold = examination.work.settings.splits.threshold
    return {
        "highest": leakage.highest,
        "threshold": threshold,
        "pair": pair,
        "compared": examination.compared,
    }


def _describe_bands(examination: Examination) -> Bands:
    similar, rows, duplicates = examination.similar, examination.rows, examination.work.settings.duplicates
    bands = similar.index.bands
    shown = sample_pairs(similar.pairs, duplicates.threshold, PAIRS_SHOWN, seed=0)
    ends = (similar.pairs.left[shown].tolist(), similar.pairs.right[shown].tolist())
    pairs: list[Pair] = [
        {"left": rows.ids[left], "right": rows.ids[right], "similarity": similarity}
        for left, right, similarity in zip(*ends, similar.pairs.similarity[shown].tolist(), strict=True)
        if rows.is_readable[left] and rows.is_readable[right]
    ]
    return {
        "bands": bands.bands,
        "rows": bands.rows,
        "threshold": duplicates.threshold,
        "curve": draw_recall_curve(bands, 51),
        "pairs": pairs,
    }


def _count_reviews(examination: Examination) -> dict[str, int] | None:
    verdicts = [review.verdict for review in examination.reviews.by_id.values()]
    if not verdicts:
        return None
    return {
        "reviewed": len(verdicts),
        "accepted": verdicts.count("accept"),
        "flagged": verdicts.count("flag"),
        "edited": verdicts.count("edit"),
    }
