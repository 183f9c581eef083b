"""The report of a curated dataset as one JSON document: what was asked, what came, and why the rest did not.

report = build_report(data)                    report.json
page.render_report(report)                     report.html
card.render_card(report, "cc-by-4.0")          README.md, the dataset card
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.report import diversity, examples, figures
from curation.report.document import VERSION, Bin, Diversity, Duplicates, Figure, LeakageFigures, Map, Report, ShownPair
from curation.report.input import Pair, ReportInput
from curation.report.map import LONGEST, place_texts
from curation.schemas import CLUSTERS, DECISIONS, FINDINGS
from datagen.record import Dialogue

MAPPED = 3_000
"""Dialogues on the map, and read for the other figures of the text: a sample of all rows, the same each time."""

_SEED = 20250101
_LINE = 80  # characters of a first line that the map shows
_NAMED = 50  # providers, models and personas that are told by name


def build_report(data: ReportInput) -> Report:
    """All figures of the report. Deterministic but for `created_at`; reads at most about 3,200 dialogues."""
    data = _conform(data)
    sample = _draw_sample(data.decisions)
    choice = examples.choose_examples(data, _SEED)
    pairs = examples.choose_pairs(data)
    dialogues = _load(data, sample["id"].to_pylist(), choice.all_ids, pairs)
    topics = figures.tell_topics(data)
    accepted = data.decisions.filter(pc.equal(data.decisions["status"], "accepted"))
    measured = accepted if accepted.num_rows else data.decisions
    return Report(
        version=VERSION,
        dataset=data.dataset,
        source=data.source,
        created_at=data.created_at.astimezone(UTC).isoformat(timespec="seconds"),
        versions=dict(data.versions),
        providers=_keep_most(figures.count_values(data.decisions["provider"])),
        models=_keep_most(figures.count_values(data.decisions["model"])),
        personas=_keep_most(figures.count_values(data.decisions["persona"])),
        simulated=pc.sum(pc.equal(measured["provider"], figures.SIMULATOR)).as_py() or 0,
        headline=figures.tell_headline(data, topics),
        topics=topics,
        splits=figures.tell_splits(data.decisions),
        reasons=figures.tell_reasons(data, topics),
        rules=figures.tell_rules(data.findings),
        characters=figures.describe(_to_numbers(measured["characters"])),
        turns=figures.describe_turns(_to_numbers(measured["turns"])),
        speech=figures.tell_speech(data),
        diversity=_tell_diversity(data, sample, dialogues),
        leakage=_tell_leakage(data),
        map=_draw_map(sample, dialogues),
        duplicates=_tell_duplicates(data, examples.tell_pairs(pairs, dialogues)),
        examples=examples.tell_examples(data, choice, dialogues),
        judge=_flatten(data.judge or {}),
        reviews=None if data.reviews is None else dict(data.reviews),
        settings=data.settings_text,
    )


def _conform(data: ReportInput) -> ReportInput:
    return replace(
        data,
        decisions=data.decisions.select(DECISIONS.names).cast(DECISIONS),
        findings=data.findings.select(FINDINGS.names).cast(FINDINGS),
        clusters=data.clusters.select(CLUSTERS.names).cast(CLUSTERS),
    )


def _load(
    data: ReportInput, sample: Sequence[str], chosen: Sequence[str], pairs: Sequence[Pair]
) -> dict[str, Dialogue]:
    """The sample, the examples with their keepers, and both sides of the pairs, by id; all asked for at once."""
    sides = [id_ for pair in pairs for id_ in (pair["left"], pair["right"])]
    wanted = dict.fromkeys([*sample, *chosen, *examples.list_keepers(data, chosen), *sides])
    return {each.id: each for each in data.load(list(wanted))}


def _draw_sample(decisions: pa.Table) -> pa.Table:
    """Rows at random, in random order: any beginning of it is a sample too."""
    chosen = np.random.default_rng(_SEED).permutation(decisions.num_rows)[:MAPPED]
    return decisions.select(["id", "topic", "status", "split"]).take(chosen)


def _to_numbers(column: pa.ChunkedArray) -> "np.typing.NDArray[np.int64]":
    return np.asarray(pc.drop_null(column).to_numpy(), dtype=np.int64)


def _keep_most(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(list(counts.items())[:_NAMED])


def _tell_diversity(data: ReportInput, sample: pa.Table, dialogues: Mapping[str, Dialogue]) -> Diversity:
    rows = [
        (dialogues[id_], status)
        for id_, status in zip(*_list_columns(sample, "id", "status"), strict=True)
        if id_ in dialogues
    ]
    every = [dialogue for dialogue, _ in rows]
    accepted = [dialogue for dialogue, status in rows if status == "accepted"] or every
    baseline = data.baseline or ()
    count = min(len(accepted), diversity.SAMPLE, len(baseline) or diversity.SAMPLE)
    threshold = data.bands["threshold"]
    plain = baseline[:count]
    return Diversity(
        this=diversity.measure_diversity(accepted[:count], every[:count], threshold) if count else None,
        baseline=diversity.measure_diversity(plain, plain, threshold) if plain else None,
        threshold=threshold,
        coverage=diversity.tell_coverage(accepted, every, data),
    )


def _tell_leakage(data: ReportInput) -> LeakageFigures:
    found = data.leakage
    return LeakageFigures(
        highest=None if found["highest"] is None else round(found["highest"], 4),
        threshold=found["threshold"],
        pair=list(found["pair"]) if found["pair"] else None,
        compared=found["compared"],
        passed=found["highest"] is None or found["highest"] < found["threshold"],
    )


def _list_columns(table: pa.Table, *names: str) -> list[list[str]]:
    return [table[name].to_pylist() for name in names]


def _draw_map(sample: pa.Table, dialogues: Mapping[str, Dialogue]) -> Map:
    rows = [row for row in sample.to_pylist() if row["id"] in dialogues]
    found = [dialogues[row["id"]] for row in rows]
    places = place_texts([_join(each) for each in found], _SEED)
    topics = list(figures.count_values(sample["topic"]))[: figures.TOPICS_TOLD]
    numbers = {topic: number for number, topic in enumerate(topics)}
    return Map(
        topics=topics,
        x=[round(float(x), 3) for x in places[:, 0]],
        y=[round(float(y), 3) for y in places[:, 1]],
        id=[row["id"] for row in rows],
        line=[_first_line(each) for each in found],
        topic=[numbers.get(row["topic"] or "", -1) for row in rows],
        status=[row["status"] for row in rows],
        split=[row["split"] for row in rows],
    )


def _join(dialogue: Dialogue) -> str:
    return "\n".join(message.content for message in dialogue.messages[:LONGEST])[:LONGEST]


def _first_line(dialogue: Dialogue) -> str:
    text = " ".join(dialogue.messages[0].content[: 4 * _LINE].split()) if dialogue.messages else ""
    return text if len(text) <= _LINE else f"{text[:_LINE]}…"


def _tell_duplicates(data: ReportInput, pairs: list[ShownPair]) -> Duplicates:
    sizes = pc.value_counts(data.clusters["cluster"]).field("counts")
    largest = pc.max(sizes).as_py() or 0
    total = data.decisions.num_rows
    others = data.clusters.filter(pc.not_equal(data.clusters["id"], data.clusters["keeper"]))
    places = np.floor(_to_floats(others["similarity"]) * 50 + 1e-9).astype(np.int64)  # 0.82 is no 0.8199…
    counts = np.bincount(np.clip(places, 0, 49), minlength=50)
    return Duplicates(
        removed=pc.sum(pc.equal(data.decisions["status"], "duplicate")).as_py() or 0,
        kinds=figures.count_values(others["kind"]),
        largest=largest,
        largest_share=round(largest / total, 4) if total else 0.0,
        bands=data.bands["bands"],
        rows=data.bands["rows"],
        threshold=data.bands["threshold"],
        curve=[[round(float(s), 4), round(float(p), 5)] for s, p in data.bands["curve"]],
        similarities=[
            Bin(start=at / 50, end=(at + 1) / 50, count=int(count)) for at, count in enumerate(counts) if count
        ],
        pairs=pairs,
    )


def _to_floats(column: pa.ChunkedArray) -> "np.typing.NDArray[np.float64]":
    return np.asarray(pc.drop_null(column).to_numpy(), dtype=np.float64)


def _flatten(figures_: Mapping[str, object], prefix: str = "") -> list[Figure]:
    """Nested figures as lines; numbers with at most four significant decimals."""
    lines: list[Figure] = []
    for name, value in figures_.items():
        if isinstance(value, Mapping):
            lines += _flatten(value, f"{prefix}{name}/")
        else:
            text = (
                f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
            )
            lines.append(Figure(name=f"{prefix}{name}", value=text))
    return lines
