"""`damhwa explain`: all there is about one dialogue, from the request that paid for it to the split that it is in."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from curation.duplicates.grams import make_gram_sets, read_turns
from curation.normal_form import fold
from curation.reviews import REVIEWS_FILE, read_reviews
from curation.schemas import CLUSTERS, DECISIONS, FINDINGS
from datagen.console import format_money
from datagen.errors import DataError, UsageError
from datagen.ledger import Attempt, Ledger
from datagen.record import Dialogue
from datagen.store import SCHEMA, from_row

NEIGHBOURS_SHOWN = 10
GRAM_CHARACTERS = 3
_HINT = "run `damhwa curate` again: it makes curated/ anew"
_DROP, _NOTE = "black on red", "black on yellow"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another dialogue of the same cluster. `similarity`: true Jaccard of the two, taken now."""

    id: str
    status: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """One dialogue; `decision`, `findings`, `cluster` are rows of the files in `curated/`."""

    dialogue: Dialogue
    decision: dict[str, Any]
    findings: list[dict[str, Any]]
    cluster: dict[str, Any] | None
    neighbours: tuple[Neighbour, ...]
    attempt: Attempt | None
    review: dict[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        dialogue, attempt = self.dialogue, self.attempt
        paid = {} if attempt is None else _describe_attempt(attempt)
        return {
            **self.decision,
            "scenario": _read_scenario(dialogue),
            "messages": [{"role": each.role, "content": each.content} for each in dialogue.messages],
            "attempt": paid,
            "findings": self.findings,
            "cluster": self.cluster,
            "neighbours": [
                {"id": each.id, "status": each.status, "similarity": round(each.similarity, 4)}
                for each in self.neighbours
            ],
            "review": self.review,
        }


def explain(folder: Path, id_: str) -> Explanation:
    """All there is about a dialogue of a curated folder.

    Raises UsageError where the folder is not curated or has no such dialogue, naming the nearest ids.
    """
    curated = folder / "curated"
    if not (curated / "decisions.parquet").is_file():
        raise UsageError(f"{folder} is not curated: there is no curated/ in it", f"run `damhwa curate {folder}` first")
    decisions = _read(curated / "decisions.parquet", DECISIONS.names)
    found = _filter(decisions, id_)
    if not found:
        raise UsageError(f"{folder} has no dialogue '{id_}'", _suggest(decisions, id_))
    clusters = _read(curated / "clusters.parquet", CLUSTERS.names)
    cluster = next(iter(_filter(clusters, id_)), None)
    dialogue = _load(folder, [id_])[id_]
    return Explanation(
        dialogue=dialogue,
        decision=found[0],
        findings=_filter(_read(curated / "findings.parquet", FINDINGS.names), id_),
        cluster=cluster,
        neighbours=_find_neighbours(folder, dialogue, cluster, clusters, decisions) if cluster else (),
        attempt=_find_attempt(folder, dialogue),
        review=_find_review(folder, id_),
    )


def _read(path: Path, columns: Sequence[str]) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            if missing := [name for name in columns if name not in file.schema_arrow.names]:
                raise DataError(f"{path} has no column {', '.join(missing)}", _HINT)
            return file.read(columns)
    except (OSError, pa.ArrowException) as exc:
        raise DataError(f"{path} cannot be read: {exc}", _HINT) from exc


def _filter(table: pa.Table, id_: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.filter(pc.equal(table.column("id"), id_)).to_pylist()
    return rows


def _suggest(decisions: pa.Table, id_: str) -> str:
    ends = decisions.filter(pc.match_substring(decisions.column("id"), id_)).column("id").slice(0, 3).to_pylist()
    examples = ends or decisions.column("id").slice(0, 3).to_pylist()
    return f"{'did you mean' if ends else 'ids look like'} {', '.join(examples)}; all are in curated/decisions.parquet"


def _load(folder: Path, ids: list[str]) -> dict[str, Dialogue]:
    """Dialogues by id, from the measured files."""
    found: dict[str, Dialogue] = {}
    for path in sorted((folder / ".curation" / "measured").glob("*.parquet")):
        column = _read(path, ["id"]).column("id")
        mask = pc.is_in(column, value_set=pa.array(ids))
        if pc.any(mask).as_py():
            for row in _read(path, SCHEMA.names).filter(mask).to_pylist():
                found.setdefault(row["id"], from_row(row))
    if missing := [each for each in ids if each not in found]:
        raise DataError(f"the text of {missing[0]} is not in {folder}/.curation", f"run `damhwa curate {folder}` again")
    return found


def _find_neighbours(
    folder: Path, dialogue: Dialogue, cluster: dict[str, Any], clusters: pa.Table, decisions: pa.Table
) -> tuple[Neighbour, ...]:
    members = clusters.filter(pc.equal(clusters.column("cluster"), cluster["cluster"])).column("id").to_pylist()
    others = [each for each in members if each != dialogue.id][: 20 * NEIGHBOURS_SHOWN]
    loaded = _load(folder, others)
    mask = pc.is_in(decisions.column("id"), value_set=pa.array(others, pa.string()))
    known = decisions.filter(mask)
    status = dict(zip(known.column("id").to_pylist(), known.column("status").to_pylist(), strict=True))
    similarities = _compare(dialogue, [loaded[each] for each in others])
    found = [Neighbour(each, status.get(each, "–"), value) for each, value in zip(others, similarities, strict=True)]
    found.sort(key=lambda each: (-each.similarity, each.id))
    return tuple(found[:NEIGHBOURS_SHOWN])


def _compare(dialogue: Dialogue, others: list[Dialogue]) -> list[float]:
    """The true Jaccard similarity of a dialogue to each of the others."""
    folded = [[fold(message.content) for message in each.messages] for each in (dialogue, *others)]
    grams = make_gram_sets(read_turns(pa.array(folded, pa.list_(pa.string()))), GRAM_CHARACTERS).sets
    ends = grams.offsets.tolist()
    sets = [set(grams.values[start:end].tolist()) for start, end in pairwise(ends)]
    return [len(sets[0] & each) / max(1, len(sets[0] | each)) for each in sets[1:]]


def _find_attempt(folder: Path, dialogue: Dialogue) -> Attempt | None:
    path, seq = folder / "ledger.db", dialogue.attempt_id.rpartition("-")[2]
    if not path.is_file() or not seq.isdigit():
        return None
    ledger = Ledger.open_to_read(path)
    try:
        return ledger.find_attempt(int(seq))
    finally:
        ledger.close()


def _find_review(folder: Path, id_: str) -> dict[str, Any] | None:
    review = read_reviews(folder / REVIEWS_FILE).by_id.get(id_)
    return review.model_dump(mode="json", exclude_none=True) if review else None


def _describe_attempt(attempt: Attempt) -> dict[str, Any]:
    names = ("seq", "slot", "tries", "model", "provider", "endpoint", "prompt_tokens", "completion_tokens")
    described = {name: getattr(attempt, name) for name in names}
    return {**described, "cost_usd": attempt.cost_usd, "requests": attempt.requests, "finished_at": attempt.finished_at}


def _read_scenario(dialogue: Dialogue) -> dict[str, Any]:
    """What was sampled for it; empty where a row has nothing of ours there."""
    try:
        scenario = json.loads(dialogue.scenario or "{}")
    except (ValueError, RecursionError):
        return {}
    return scenario if isinstance(scenario, dict) else {}


def draw_explanation(explanation: Explanation) -> Iterator[Table | Text | str]:
    """The explanation for reading on a terminal."""
    decision, dialogue = explanation.decision, explanation.dialogue
    yield f"[bold]{escape(dialogue.id)}[/] · {escape(dialogue.topic)} · {escape(dialogue.persona)}"
    yield _describe_decision(decision)
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    for name, value in _list_facts(explanation):
        facts.add_row(Text(name), Text(value))
    yield facts
    for index, message in enumerate(dialogue.messages):
        own = [each for each in explanation.findings if each["message"] == index]
        yield _draw_message(index, message.role, message.content, own)
    if explanation.findings:
        yield ""
        yield _draw_findings(explanation.findings)
    if explanation.cluster:
        yield ""
        yield _draw_neighbours(explanation)


def _describe_decision(decision: dict[str, Any]) -> str:
    colour = {"accepted": "green", "reserve": "cyan", "waiting": "yellow"}.get(decision["status"], "red")
    text = f"[bold {colour}]{decision['status']}[/]"
    if decision["reason"] not in (None, decision["status"]):
        text += f", because of {escape(decision['reason'])}"
    if decision["keeper"]:
        text += f": {escape(decision['keeper'])} is kept in its place (similarity {decision['similarity']:.2f})"
    return f"{text}, split {decision['split']}" if decision["split"] else text


def _list_facts(explanation: Explanation) -> Iterator[tuple[str, str]]:
    scenario = _read_scenario(explanation.dialogue)
    for name in ("situation", "opening", "exchanges"):
        if scenario.get(name):
            yield name, str(scenario[name])
    facets = scenario.get("facets")
    for name, value in facets.items() if isinstance(facets, dict) else ():
        yield name, str(value)
    attempt = explanation.attempt
    if attempt is not None:
        tokens = f"{attempt.prompt_tokens or 0:,} + {attempt.completion_tokens or 0:,} tokens"
        again = f", after {attempt.tries} rejected drafts" if attempt.tries else ""
        yield "attempt", f"{attempt.seq} for slot {attempt.slot}{again} · {attempt.model} at {attempt.endpoint}"
        requests = f"{attempt.requests} {'request' if attempt.requests == 1 else 'requests'}"
        yield "cost", f"{format_money(attempt.cost_usd)} · {tokens} · {requests}"
        yield "made", attempt.finished_at
    if explanation.review is not None:
        review = explanation.review
        told = " · ".join(str(review[name]) for name in ("reason", "note") if review.get(name))
        yield "review", f"{review['verdict']} by {review['reviewer']}{': ' + told if told else ''}"
        if review["verdict"] == "edit":
            yield "", "below: the text as it was made; curated/ holds the edited one"


def _draw_message(index: int, role: str, content: str, findings: list[dict[str, Any]]) -> Text:
    label = "유저" if role == "user" else "페르소나"
    text = Text(f"\n{index + 1} {label}  ", style="bold cyan" if role == "user" else "bold magenta")
    body = Text(content, style="default not bold")
    for each in findings:
        if each["start"] is not None:
            body.stylize(_DROP if each["verdict"] == "drop" else _NOTE, each["start"], each["end"])
    return text + body


def _draw_findings(findings: list[dict[str, Any]]) -> Table:
    table = Table(
        box=None, pad_edge=False, header_style="bold", title="findings", title_justify="left", title_style="bold"
    )
    for name in ("verdict", "code", "rule", "turn"):
        table.add_column(name, no_wrap=True)
    table.add_column("score / limit", justify="right", no_wrap=True)
    table.add_column("evidence", overflow="fold")
    for each in findings:
        turn = "–" if each["message"] is None else str(each["message"] + 1)
        style = "red" if each["verdict"] == "drop" else "yellow"
        scores = f"{each['score']:.3g} / {each['threshold']:.3g}"
        table.add_row(
            f"[{style}]{each['verdict']}[/]",
            escape(each["code"]),
            escape(each["rule"]),
            turn,
            scores,
            Text(each["evidence"]),
        )
    return table


def _draw_neighbours(explanation: Explanation) -> Table:
    assert explanation.cluster is not None
    title = Text(f"cluster {explanation.cluster['cluster']}")
    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left", title_style="bold")
    table.add_column("neighbour", no_wrap=True)
    table.add_column("similarity", justify="right")
    table.add_column("status")
    for each in explanation.neighbours:
        table.add_row(Text(each.id), f"{each.similarity:.3f}", each.status)
    return table
