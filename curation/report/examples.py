"""Dialogues that a person should look at: a few of each kind of drop, and pairs around the duplicate threshold.

A dialogue is quoted only as far as it helps: the messages around the findings, and of a long message the part around
its first mark, so that a book among the dialogues does not end up in the report.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.report.document import Evidence, Example, ExampleGroup, Excerpt, Mark, Quote, ShownPair
from curation.report.input import REJECTING, Pair, ReportInput
from datagen.record import Dialogue

PER_CODE = 3
CODES = 40
PAIRS = 8

_MESSAGES = 10
_CHARACTERS = 480
_LEAD = 160  # characters before the first mark of a shortened message
_EVIDENCE = 6
_LOOKED_AT = 200  # findings of a code among which rules are told apart


@dataclass(frozen=True, slots=True)
class Choice:
    """Which dialogues to show: code → ids, and how many dialogues that code dropped."""

    ids: Mapping[str, Sequence[str]]
    totals: Mapping[str, int]

    @property
    def all_ids(self) -> list[str]:
        return [id_ for ids in self.ids.values() for id_ in ids]


def choose_examples(data: ReportInput, seed: int) -> Choice:
    """A few dialogues for each code that dropped any, of as many different rules as there are."""
    generator = np.random.default_rng(seed)
    drops = data.findings.filter(pc.equal(data.findings["verdict"], "drop"))
    totals = {
        row["code"]: row["id_count_distinct"]
        for row in drops.group_by("code").aggregate([("id", "count_distinct")]).to_pylist()
    }
    ids = {code: _pick(drops.filter(pc.equal(drops["code"], code)), "rule", generator) for code in totals}
    rejected = data.decisions.filter(pc.is_in(data.decisions["status"], value_set=pa.array(REJECTING)))
    reasons = pc.fill_null(rejected["reason"], "")
    for row in rejected.group_by("reason").aggregate([([], "count_all")]).to_pylist():
        reason = row["reason"] or ""
        if reason not in totals:
            totals[reason] = row["count_all"]
            chosen = rejected.filter(pc.equal(reasons, reason))
            chosen = chosen.append_column("tenth", pc.round(chosen["similarity"], 1))
            ids[reason] = _pick(chosen, "tenth", generator)
    ordered = sorted(ids, key=lambda code: (-totals[code], code))[:CODES]
    return Choice({code: ids[code] for code in ordered}, {code: totals[code] for code in ordered})


def _pick(rows: pa.Table, kind: str, generator: np.random.Generator) -> list[str]:
    """Some ids, each time of the kind (a rule, a degree of similarity) that was picked least so far."""
    looked_at = rows.take(generator.permutation(rows.num_rows)[:_LOOKED_AT])
    waiting = dict(zip(looked_at["id"].to_pylist(), looked_at[kind].to_pylist(), strict=True))
    picked: list[str] = []
    seen: dict[object, int] = {}
    while waiting and len(picked) < PER_CODE:
        id_ = min(waiting, key=lambda each: seen.get(waiting[each], 0))
        value = waiting.pop(id_)
        seen[value] = seen.get(value, 0) + 1
        picked.append(id_)
    return picked


def choose_pairs(data: ReportInput) -> list[Pair]:
    """The pairs nearest to the threshold, half of them below it where there are enough, the most similar first."""
    threshold = data.bands["threshold"]
    nearest = sorted(data.bands["pairs"], key=lambda pair: abs(pair["similarity"] - threshold))
    below = [pair for pair in nearest if pair["similarity"] < threshold]
    above = [pair for pair in nearest if pair["similarity"] >= threshold]
    wanted = max(PAIRS // 2, PAIRS - len(below))
    chosen = above[:wanted] + below[: PAIRS - len(above[:wanted])]
    return sorted(chosen, key=lambda pair: -pair["similarity"])


def tell_examples(data: ReportInput, choice: Choice, dialogues: Mapping[str, Dialogue]) -> list[ExampleGroup]:
    ids = pa.array(choice.all_ids, pa.string())
    findings: dict[str, list[dict[str, object]]] = {}
    for row in data.findings.filter(pc.is_in(data.findings["id"], value_set=ids)).to_pylist():
        findings.setdefault(row["id"], []).append(row)
    decided = {
        row["id"]: row for row in data.decisions.filter(pc.is_in(data.decisions["id"], value_set=ids)).to_pylist()
    }
    groups = []
    for code, chosen in choice.ids.items():
        shown = [id_ for id_ in chosen if id_ in dialogues and id_ in decided]
        examples = [_tell_example(code, dialogues, decided[id_], findings.get(id_, [])) for id_ in shown]
        groups.append(ExampleGroup(code=code, dialogues=choice.totals[code], examples=examples))
    return groups


def list_keepers(data: ReportInput, ids: Sequence[str]) -> list[str]:
    rows = data.decisions.filter(pc.is_in(data.decisions["id"], value_set=pa.array(ids, pa.string())))
    return [id_ for id_ in rows["keeper"].to_pylist() if id_]


def _tell_example(
    code: str, dialogues: Mapping[str, Dialogue], decided: Mapping[str, str], findings: list[dict[str, object]]
) -> Example:
    """`code`'s own findings come first: they are what the example is of."""
    dialogue = dialogues[decided["id"]]
    ranked = sorted(findings, key=lambda row: (row["code"] != code, row["verdict"] != "drop"))
    told = [_to_evidence(row) for row in ranked[:_EVIDENCE]]
    keeper = dialogues.get(decided["keeper"] or "")
    similarity = decided["similarity"]
    return Example(
        topic=dialogue.topic,
        persona=dialogue.persona,
        quote=quote(dialogue, ranked),
        findings=told,
        keeper=quote(keeper) if keeper else None,
        similarity=None if similarity is None else round(float(similarity), 4),
    )


def _to_evidence(row: Mapping[str, object]) -> Evidence:
    evidence: Evidence = Evidence(**{key: row[key] for key in Evidence.__annotations__})  # type: ignore[typeddict-item]
    evidence["evidence"] = evidence["evidence"][:_CHARACTERS]
    evidence["score"], evidence["threshold"] = round(evidence["score"], 4), round(evidence["threshold"], 4)
    return evidence


def tell_pairs(pairs: Iterable[Pair], dialogues: Mapping[str, Dialogue]) -> list[ShownPair]:
    return [
        ShownPair(
            left=quote(dialogues[pair["left"]]),
            right=quote(dialogues[pair["right"]]),
            similarity=round(pair["similarity"], 4),
        )
        for pair in pairs
        if pair["left"] in dialogues and pair["right"] in dialogues
    ]


def quote(dialogue: Dialogue, findings: Sequence[Mapping[str, object]] = ()) -> Quote:
    """The dialogue, or of a long one the messages around its findings (its beginning where there is none)."""
    places: dict[int, list[Mapping[str, object]]] = {}
    for row in findings:
        if isinstance(message := row["message"], int):
            places.setdefault(message, []).append(row)
    shown = [_cut(dialogue, index, places.get(index, [])) for index in _choose_messages(dialogue.turns, list(places))]
    return Quote(id=dialogue.id, turns=dialogue.turns, messages=shown)


def _choose_messages(turns: int, places: Sequence[int]) -> list[int]:
    if turns <= _MESSAGES:
        return list(range(turns))
    wanted = [near for place in places for near in (place - 1, place, place + 1)] or range(_MESSAGES)
    chosen = list(dict.fromkeys(index for index in wanted if 0 <= index < turns))[:_MESSAGES]
    return sorted(chosen)


def _cut(dialogue: Dialogue, index: int, findings: Sequence[Mapping[str, object]]) -> Excerpt:
    message = dialogue.messages[index]
    spans = [(row["start"], row["end"], str(row["verdict"])) for row in findings]
    marked = [(a, b, verdict) for a, b, verdict in spans if isinstance(a, int) and isinstance(b, int) and a < b]
    start, end = 0, len(message.content)
    if end > _CHARACTERS:
        start = max(0, min((a for a, _, _ in marked), default=0) - _LEAD)
        end = min(end, start + _CHARACTERS)
    return Excerpt(
        index=index,
        role=message.role,
        text=message.content[start:end],
        cut_before=start > 0,
        cut_after=end < len(message.content),
        flagged=len(marked) < len(spans),
        marks=[
            Mark(start=max(a, start) - start, end=min(b, end) - start, verdict=verdict)
            for a, b, verdict in marked
            if a < end and b > start
        ],
    )
