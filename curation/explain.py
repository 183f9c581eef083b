"""`damhwa explain`: all there is about one dialogue, from the request that paid for it to the split that it is in."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from curation.lookup import compare_texts, find_rows, load_originals, load_texts, read_table, suggest_ids
from curation.reviewing.read import read_all_reviews
from curation.reviews import AS_GENERATED, Review
from curation.schemas import CLUSTERS, DECISIONS, FINDINGS
from datagen.console import format_money
from datagen.duet_telling import describe, draw_utterances, summarise, tell_duet
from datagen.errors import UsageError
from datagen.ledger import Attempt, Ledger
from datagen.ledger_duets import Utterance
from datagen.record import Dialogue

NEIGHBOURS_SHOWN = 10
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
    """With the text that was judged: that of an edit where there is one."""
    original: Dialogue
    """As it was generated."""
    decision: dict[str, Any]
    findings: list[dict[str, Any]]
    cluster: dict[str, Any] | None
    neighbours: tuple[Neighbour, ...]
    attempt: Attempt | None
    review: Review | None
    utterances: tuple[Utterance, ...] = ()
    """Of a duet every request, in order."""

    @property
    def is_edited(self) -> bool:
        return self.dialogue.messages != self.original.messages

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        dialogue, attempt = self.dialogue, self.attempt
        paid = {} if attempt is None else _describe_attempt(attempt)
        if self.utterances:
            paid["duet"] = summarise(self.utterances)
            paid["utterances"] = [describe(each) for each in self.utterances]
        return {
            **self.decision,
            "scenario": _read_scenario(dialogue),
            "messages": _list_messages(dialogue),
            **({"media": [asdict(each) for each in dialogue.media]} if dialogue.media else {}),
            "original_messages": _list_messages(self.original) if self.is_edited else None,
            "attempt": paid,
            "findings": self.findings,
            "cluster": self.cluster,
            "neighbours": [
                {"id": each.id, "status": each.status, "similarity": round(each.similarity, 4)}
                for each in self.neighbours
            ],
            "review": self.review.model_dump(mode="json", exclude_none=True) if self.review else None,
        }


def explain(folder: Path, id_: str) -> Explanation:
    """All there is about a dialogue of a curated folder.

    Raises UsageError where the folder is not curated or has no such dialogue, naming the nearest ids.
    """
    curated = folder / "curated"
    if not (curated / "decisions.parquet").is_file():
        raise UsageError(f"{folder} is not curated: there is no curated/ in it", f"run `damhwa curate {folder}` first")
    decisions = read_table(curated / "decisions.parquet", DECISIONS.names)
    found = find_rows(decisions, id_)
    if not found:
        raise UsageError(f"{folder} has no dialogue '{id_}'", suggest_ids(decisions, id_))
    clusters = read_table(curated / "clusters.parquet", CLUSTERS.names)
    cluster = next(iter(find_rows(clusters, id_)), None)
    dialogue = load_texts(folder, [id_])[id_]
    attempt, utterances = _find_attempt(folder, dialogue)
    return Explanation(
        dialogue=dialogue,
        original=load_originals(folder, [id_])[id_],
        decision=found[0],
        findings=find_rows(read_table(curated / "findings.parquet", FINDINGS.names), id_),
        cluster=cluster,
        neighbours=_find_neighbours(folder, dialogue, cluster, clusters, decisions) if cluster else (),
        attempt=attempt,
        utterances=utterances,
        review=read_all_reviews(folder).by_id.get(id_),
    )


def _find_neighbours(
    folder: Path, dialogue: Dialogue, cluster: dict[str, Any], clusters: pa.Table, decisions: pa.Table
) -> tuple[Neighbour, ...]:
    members = clusters.filter(pc.equal(clusters.column("cluster"), cluster["cluster"])).column("id").to_pylist()
    others = [each for each in members if each != dialogue.id][: 20 * NEIGHBOURS_SHOWN]
    loaded = load_texts(folder, others)
    mask = pc.is_in(decisions.column("id"), value_set=pa.array(others, pa.string()))
    known = decisions.filter(mask)
    status = dict(zip(known.column("id").to_pylist(), known.column("status").to_pylist(), strict=True))
    similarities = compare_texts(dialogue, [loaded[each] for each in others])
    found = [Neighbour(each, status.get(each, "–"), value) for each, value in zip(others, similarities, strict=True)]
    found.sort(key=lambda each: (-each.similarity, each.id))
    return tuple(found[:NEIGHBOURS_SHOWN])


def _find_attempt(folder: Path, dialogue: Dialogue) -> tuple[Attempt | None, tuple[Utterance, ...]]:
    """The attempt that made it, and the requests of that attempt where it was a duet."""
    path, seq = folder / "ledger.db", dialogue.attempt_id.rpartition("-")[2]
    if not path.is_file() or not seq.isdigit():
        return None, ()
    ledger = Ledger.open_to_read(path)
    try:
        return ledger.find_attempt(int(seq)), tuple(ledger.utterances_of_attempt(int(seq)))
    finally:
        ledger.close()


def _list_messages(dialogue: Dialogue) -> list[dict[str, str]]:
    return [{"role": each.role, "content": each.content} for each in dialogue.messages]


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


def draw_explanation(explanation: Explanation, tells_utterances: bool = False) -> Iterator[Table | Text | str]:
    """The explanation for reading on a terminal; on demand with every request of a duet."""
    decision, dialogue = explanation.decision, explanation.dialogue
    yield f"[bold]{escape(dialogue.id)}[/] · {escape(dialogue.topic)} · {escape(dialogue.persona)}"
    yield _describe_decision(decision)
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    for name, value in _list_facts(explanation):
        facts.add_row(Text(name), Text(value))
    yield facts
    yield from _draw_turns(explanation)
    if tells_utterances:
        yield ""
        yield from draw_utterances(explanation.utterances)
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
    for name in ("user", "situation", "opening", "exchanges"):
        if scenario.get(name):
            yield name, str(scenario[name])
    facets = scenario.get("facets")
    for name, value in facets.items() if isinstance(facets, dict) else ():
        yield name, str(value)
    picture = scenario.get("picture")
    if isinstance(picture, dict):
        yield "picture", str(picture.get("name", ""))
    for medium in explanation.dialogue.media:
        kind = "shows" if medium.kind == "image" else "is spoken in"
        told = f"{medium.path} · {medium.media_type} · {medium.size:,} bytes · sha256 {medium.sha256}"
        yield f"turn {medium.message + 1}", f"{kind} {told}"
    attempt = explanation.attempt
    if attempt is not None:
        tokens = f"{attempt.prompt_tokens or 0:,} + {attempt.completion_tokens or 0:,} tokens"
        again = f", after {attempt.tries} rejected drafts" if attempt.tries else ""
        yield "attempt", f"{attempt.seq} for slot {attempt.slot}{again} · {attempt.model} at {attempt.endpoint}"
        requests = f"{attempt.requests} {'request' if attempt.requests == 1 else 'requests'}"
        yield "cost", f"{format_money(attempt.cost_usd)} · {tokens} · {requests}"
        if explanation.utterances:
            yield "duet", tell_duet(explanation.utterances)
        yield "made", f"{datetime.fromisoformat(attempt.finished_at):%Y-%m-%d %H:%M:%S} UTC"
    if explanation.review is not None:
        yield from _list_verdict(explanation.review)
    if explanation.is_edited:
        yield "", "below: the edited text, which curated/ holds; under a changed turn the one that was generated"


def _list_verdict(review: Review) -> Iterator[tuple[str, str]]:
    place = "" if review.turn is None else f" at turn {review.turn + 1}"
    yield "review", f"{review.verdict}{place} by {review.reviewer}, {review.at.isoformat(timespec='seconds')}"
    facts = {"reason": review.reason, "note": review.note, "event": review.event}
    if (review.revision or AS_GENERATED) != AS_GENERATED:
        facts["revision"] = review.revision
    for name, value in facts.items():
        if value is not None:
            yield f"  {name}", str(value)


def _draw_turns(explanation: Explanation) -> Iterator[Text]:
    """Every turn, and under one that somebody edited what stood there before."""
    edited, original = explanation.dialogue.messages, explanation.original.messages
    for index in range(max(len(edited), len(original))):
        was = original[index] if index < len(original) else None
        if index < len(edited):
            own = [each for each in explanation.findings if each["message"] == index]
            yield _draw_message(index, edited[index].role, edited[index].content, own)
            if was != edited[index]:
                yield Text(f"  처음 글  {was.content if was else '(없던 말)'}", style="dim")
        elif was is not None:
            yield Text(f"\n{index + 1} (지운 말)  {was.content}", style="dim strike")


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
