"""Ask for contradictions: one request a long dialogue, one more where the answer is not in form or quotes falsely."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from curation.finding import Finding
from curation.opinions.ask import Asker
from curation.opinions.contradiction import (
    CODE,
    ContradictionSettings,
    Reading,
    list_findings,
    read_contradictions,
)
from curation.opinions.in_form import ask_in_form
from curation.opinions.judge_calls import read_packaged, write_prompt
from curation.opinions.material import Material
from datagen.record import Dialogue

PROMPT_FILE = f"prompts/{CODE}.md"


@dataclass(slots=True)
class ContradictionOpinion:
    """What was found in the rows that were asked about."""

    findings: list[tuple[int, Finding]] = field(default_factory=list)
    read: int = 0
    unread: int = 0
    """Dialogues without an answer: refused, or twice answered out of form."""

    def summarise(self) -> Reading:
        return Reading(self.read, self.unread, len({row for row, _ in self.findings}))


async def ask_contradictions(asker: Asker, settings: ContradictionSettings, material: Material) -> ContradictionOpinion:
    """Read all readable dialogues that are long enough. Raises what `Asker.ask` raises."""
    template = settings.prompt or read_packaged(PROMPT_FILE)
    opinion = ContradictionOpinion()
    for chunk in material.read_chunks():
        long = [(row, each) for row, each in chunk if len(each.messages) >= settings.least_messages]
        texts = [_list_texts(each) for _, each in long]
        prompts = [write_prompt(template, each, material.personas.get(each.persona)) for _, each in long]
        reads = [partial(read_contradictions, messages=each) for each in texts]
        for (row, _), messages, found in zip(long, texts, await ask_in_form(asker, prompts, reads), strict=True):
            if found is None:
                opinion.unread += 1
                continue
            opinion.read += 1
            opinion.findings += [(row, finding) for finding in list_findings(found, messages, settings)]
    return opinion


def _list_texts(dialogue: Dialogue) -> Sequence[str]:
    return [each.content for each in dialogue.messages]
