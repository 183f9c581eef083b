"""Ask the judge: one request a dialogue, one more where the reply is not in form, and some dialogues twice over."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from curation.finding import Finding
from curation.opinions.ask import Asker
from curation.opinions.in_form import ask_in_form
from curation.opinions.judge import (
    DISAGREEMENT,
    PERSONA_PLACE,
    Judgements,
    JudgeSettings,
    Scores,
    list_findings,
    read_scores,
)
from curation.opinions.material import Material
from curation.subject import PersonaSheet
from datagen.errors import DataError
from datagen.packaged import find_packaged
from datagen.prompt import Prompt
from datagen.record import Dialogue

RUBRIC_FILE = "prompts/judge.md"


@dataclass(slots=True)
class JudgeOpinion:
    """What the judge said of n rows."""

    scores: npt.NDArray[np.float64]
    """[n] The mean of a row's scores; NaN where it was not judged."""
    findings: list[tuple[int, Finding]] = field(default_factory=list)
    first: list[Scores] = field(default_factory=list)
    twice: list[tuple[Scores, Scores]] = field(default_factory=list)
    unjudged: int = 0

    def summarise(self) -> Judgements:
        disagreements = sum(finding.rule == DISAGREEMENT for _, finding in self.findings)
        return Judgements(self.first, self.twice, self.unjudged, disagreements)


async def ask_judge(asker: Asker, settings: JudgeSettings, material: Material) -> JudgeOpinion:
    """Judge all readable dialogues, also those that filters dropped: where the two disagree, people should look.

    Raises what `Asker.ask` raises.
    """
    rubric = settings.rubric or read_rubric()
    opinion = JudgeOpinion(np.full(len(material.rows), np.nan))
    for chunk in material.read_chunks():
        prompts = [write_prompt(rubric, each, material.personas.get(each.persona)) for _, each in chunk]
        first = await ask_in_form(asker, prompts, [read_scores] * len(prompts))
        drawn = [at for at, prompt in enumerate(prompts) if first[at] and is_drawn(prompt, settings.repeat)]
        second = await ask_in_form(asker, [prompts[at] for at in drawn], [read_scores] * len(drawn), 1)
        for (row, _), scores in zip(chunk, first, strict=True):
            if scores is None:
                opinion.unjudged += 1
                continue
            opinion.first.append(scores)
            opinion.scores[row] = scores.mean
            found = list_findings(scores, settings, bool(material.dropped[row]), bool(material.settled[row]))
            opinion.findings += [(row, finding) for finding in found]
        opinion.twice += _pair(first, drawn, second)
    return opinion


def _pair(
    first: Sequence[Scores | None], drawn: Sequence[int], second: Sequence[Scores | None]
) -> Iterator[tuple[Scores, Scores]]:
    for at, other in zip(drawn, second, strict=True):
        if (one := first[at]) is not None and other is not None:
            yield one, other


def is_drawn(prompt: Prompt, share: float) -> bool:
    """Whether a dialogue is one of those that are judged twice; that follows from what is asked alone."""
    return int(prompt.sha256[:8], 16) < share * 2**32


def read_rubric() -> str:
    """The packaged rubric."""
    return read_packaged(RUBRIC_FILE)


def read_packaged(name: str) -> str:
    """A packaged system message. Raises DataError where it is gone."""
    path = find_packaged(name)
    if path is None:
        raise DataError(f"the packaged {name} is gone", "install damhwa again, or write your own into the block")
    return path.read_text(encoding="utf-8")


def write_prompt(rubric: str, dialogue: Dialogue, persona: PersonaSheet | None) -> Prompt:
    """The request for one dialogue. The persona's sheet stands in the system message, which caches can serve."""
    sheet = persona.system_prompt.strip() if persona else ""
    name = persona.name if persona else "페르소나"
    lines = [
        f"{number}. {'유저' if each.role == 'user' else name}: {each.content}"
        for number, each in enumerate(dialogue.messages, 1)
    ]
    situation = read_situation(dialogue.scenario) or "(알려지지 않음)"
    head = f"[주제] {dialogue.topic or '(알려지지 않음)'}\n[상황] {situation}\n\n[대화]\n"
    return Prompt(rubric.replace(PERSONA_PLACE, sheet or "(알려지지 않음)"), head + "\n".join(lines))


def read_situation(scenario: str) -> str:
    """The situation in a row's scenario; empty where there is none."""
    try:
        value = json.loads(scenario or "{}")
    except (ValueError, RecursionError):
        return ""
    return str(value.get("situation") or "") if isinstance(value, dict) else ""
