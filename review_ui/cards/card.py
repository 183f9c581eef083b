"""A card: everything that the page shows of one dialogue, in one answer, so that the next one can lie ready.

In the audit nothing that curation thought is told before the reviewer decided: not in the card, so not in the page.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.schemas import CLUSTERS, FINDINGS
from curation.subject import PersonaSheet, Utterance
from datagen.errors import DataError
from datagen.record import Dialogue, Medium, Message
from review_ui.api.forms import (
    FindingView,
    MediumView,
    PersonaView,
    ScenarioItem,
    TurnView,
    WhyView,
)
from review_ui.queue.order import Limits, Seen, find_line
from review_ui.words import Language, label_code, say

_SCENARIO = ("user", "situation", "opening", "exchanges")
FINDINGS_SHOWN = 300
"""Of a dialogue: a flood of emoji has thousands, which a browser draws for seconds and nobody reads."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """What curation wrote beside the dialogues, ready to be looked up by id."""

    findings: pa.Table
    clusters: pa.Table
    _first: Mapping[str, int]
    _last: Mapping[str, int]

    @classmethod
    def open(cls, folder: Path) -> "Shelf":
        """Read `curated/` of a folder. Raises DataError where a file is torn."""
        findings = _read(folder / "curated" / "findings.parquet", FINDINGS)
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        for row, id_ in enumerate(findings.column("id").to_pylist()):
            first.setdefault(id_, row)
            last[id_] = row
        return cls(findings, _read(folder / "curated" / "clusters.parquet", CLUSTERS), first, last)

    def list_findings(self, id_: str) -> list[dict[str, Any]]:
        """Rows of findings.parquet, in its order (they lie together by dialogue)."""
        if id_ not in self._first:
            return []
        first = self._first[id_]
        rows = self.findings.slice(first, self._last[id_] - first + 1).to_pylist()
        return [row for row in rows if row["id"] == id_]

    def list_cluster(self, cluster: str) -> list[str]:
        """Ids of a cluster's members."""
        members: list[str] = self.clusters.filter(pc.equal(self.clusters.column("cluster"), cluster))["id"].to_pylist()
        return members


def _read(path: Path, schema: pa.Schema) -> pa.Table:
    try:
        return pq.read_table(path, columns=schema.names)
    except (OSError, pa.ArrowException) as exc:
        raise DataError(f"{path} cannot be read: {exc}", "run `damhwa curate` again: it makes curated/ anew") from exc


def view_dialogue(dialogue: Dialogue) -> tuple[TurnView, ...]:
    """Its turns, with what they show and how they sound."""
    turns = list(view_turns(dialogue.messages))
    names = name_picture(read_scenario(dialogue)) if dialogue.media else {}
    for medium in dialogue.media:
        seen = view_medium(medium, names.get(medium.sha256, ""))
        turn = turns[medium.message]
        turns[medium.message] = turn.model_copy(update={"media": (*turn.media, seen)})
    return tuple(turns)


def view_medium(medium: Medium, about: str) -> MediumView:
    values = {name: getattr(medium, name) for name in ("kind", "sha256", "media_type", "size")}
    return MediumView(**values, about=about)


def view_turns(messages: Iterable[Message]) -> tuple[TurnView, ...]:
    """Turns with their stage directions set apart."""
    seen = (Utterance.of(each.content, each.role, number) for number, each in enumerate(messages))
    return tuple(
        TurnView(
            role=each.role,
            content=each.text,
            directions=tuple((span.start, span.end) for span in each.directions),
        )
        for each in seen
    )


def view_findings(rows: Sequence[Mapping[str, Any]], limits: Limits, language: Language) -> tuple[FindingView, ...]:
    """Rows for reading, in their order: of very many those that drop, and the first others, up to `FINDINGS_SHOWN`."""
    ranked = sorted(range(len(rows)), key=lambda at: (rows[at]["verdict"] != "drop", at))
    return tuple(view_finding(rows[at], limits, language) for at in sorted(ranked[:FINDINGS_SHOWN]))


def view_finding(row: Mapping[str, Any], limits: Limits, language: Language) -> FindingView:
    """A row of findings.parquet, or the values of a Finding, for reading."""
    limit = limits.get((row["code"], row["rule"]))
    values = {name: row[name] for name in FindingView.model_fields if name in row}
    return FindingView(**values, label=label_code(row["code"], language), line=limit.drop if limit else None)


def view_persona(id_: str, sheet: PersonaSheet | None) -> PersonaView:
    if sheet is None:
        return PersonaView(id=id_, name=id_, speech_level=None, system_prompt="")
    return PersonaView(
        id=id_, name=sheet.name, speech_level=sheet.speech_level, system_prompt=sheet.system_prompt.strip()
    )


def read_scenario(dialogue: Dialogue) -> dict[str, Any]:
    """Empty where a row has nothing of ours there."""
    try:
        scenario = json.loads(dialogue.scenario or "{}")
    except (ValueError, RecursionError):
        return {}
    return scenario if isinstance(scenario, dict) else {}


def name_picture(scenario: Mapping[str, Any]) -> dict[str, str]:
    """Hash of the picture that the dialogue is about → the name that its author gave the file, for reading."""
    picture = scenario.get("picture")
    if not isinstance(picture, dict):
        return {}
    stem = PurePath(str(picture.get("name") or "")).stem
    return {str(picture.get("sha256")): " ".join(re.split(r"[\s_]+", stem[:200])).strip()}


def view_scenario(dialogue: Dialogue) -> tuple[ScenarioItem, ...]:
    """What was sampled for the dialogue, as far as a reviewer needs it."""
    scenario = read_scenario(dialogue)
    facets = scenario.get("facets")
    items = [(name, scenario[name]) for name in _SCENARIO if scenario.get(name)]
    items += list(facets.items()) if isinstance(facets, dict) else []
    return tuple(ScenarioItem(name=str(name)[:200], value=str(value)[:2_000]) for name, value in items[:30])


def explain_why(why: str, rows: Sequence[Mapping[str, Any]], limits: Limits, language: Language) -> WhyView:
    """Why triage shows a dialogue; `rows`: its findings."""
    values: dict[str, object] = {}
    if why == "threshold":
        seen = [Seen(row["code"], row["rule"], row["score"], row["threshold"], row["verdict"]) for row in rows]
        nearest = min(
            (each for each in seen if not each.score.is_integer()),
            key=lambda each: abs(each.score - find_line(each, limits)),
            default=None,
        )
        if nearest is None:
            return WhyView(code=why, text=say("why.rest", language))
        line = find_line(nearest, limits)
        values = {"code": label_code(nearest.code, language), "score": f"{nearest.score:.3g}", "line": f"{line:.3g}"}
    elif why == "dropped":
        dropping = next((row["code"] for row in rows if row["verdict"] == "drop"), "")
        values = {"code": label_code(dropping, language)}
    return WhyView(code=why, text=say(f"why.{why}", language, **values))
