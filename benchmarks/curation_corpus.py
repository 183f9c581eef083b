"""Dialogues for the figures of curation: the simulator's, people's, and a million that are no copies of one another.

The simulator's are composed over all topics and personas of both specs, and a share of them is spoilt as models spoil
theirs. People's are pairs of question and answer (songys/Chatbot_data, MIT), two to a dialogue. The million splices the
simulator's lines and people's, since the grammar alone would repeat itself long before.
"""

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path

from benchmarks.corpus import read_pairs
from curation.source import Source
from curation.subject import PersonaSheet
from datagen.record import Dialogue, Message, clean_text
from datagen.simulator.compose import Request, compose
from datagen.simulator.slips import SLIPS, Slip, draw_slip
from datagen.spec_file import load_spec
from datagen.store import write_shard

SPECS = ("exa-data", "gf-persona-data")
HUMAN_PERSONA = PersonaSheet("songys", "상담이", "jondaetmal")
"""The answers of the songys pairs are polite throughout, with a few exceptions."""
SHARD_ROWS = 25_000

_DIRECTION = re.compile(r"\*[^*\n]+\*")
_CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def list_personas() -> dict[str, PersonaSheet]:
    """Those of both specs, and the one who answers people's questions."""
    personas = [persona for name in SPECS for persona in load_spec(name).personas]
    sheets = [
        PersonaSheet(each.id, each.name, each.speech_level, each.user_placeholder, each.system_prompt)
        for each in personas
    ]
    return {each.id: each for each in (*sheets, HUMAN_PERSONA)}


def list_requests() -> list[tuple[str, str, Request]]:
    """Category, persona and request, of every topic and persona of both specs."""
    requests = []
    for name in SPECS:
        loaded = load_spec(name)
        for topic in loaded.spec.topics:
            for persona in loaded.personas:
                level = persona.speech_level or "banmal"
                request = Request(topic.name, 2, level, persona.name, topic.situations[0])
                requests.append((topic.category, persona.id, request))
    return requests


def compose_dialogues(seed: int = 0, slip_share: float = 0.0) -> Iterator[Dialogue]:
    """The simulator's dialogues without end, of 2 to 5 exchanges; a share of them, 0..1, has a slip."""
    rng = random.Random(seed)
    requests = list_requests()
    before: dict[str, tuple[Message, ...]] = {}
    number = 0
    while True:
        category, persona, request = rng.choice(requests)
        request = replace(request, exchanges=rng.randint(2, 5))
        messages = compose(request, rng)
        if rng.random() < slip_share:
            _, messages = draw_slip(Slip(messages, request, rng, before.get(request.topic)))
        before[request.topic] = messages
        yield make_dialogue(f"sim-{seed}-{number:07d}", messages, request.topic, category, persona)
        number += 1


def compose_slips(name: str, count: int, seed: int = 0) -> Iterator[Dialogue]:
    """Dialogues of the simulator that all have this slip."""
    rng = random.Random(f"{seed}/{name}")
    requests = list_requests()
    for number in range(count):
        category, persona, request = rng.choice(requests)
        request = replace(request, exchanges=rng.randint(2, 5))
        before = compose(request, rng)
        messages = SLIPS[name](Slip(compose(request, rng), request, rng, before))
        yield make_dialogue(f"{name}-{number:05d}", messages, request.topic, category, persona)


def pair_dialogues(seed: int = 0) -> Iterator[Dialogue]:
    """People's dialogues without end: two pairs each. Every pair once before one comes again."""
    rng = random.Random(seed)
    pairs = read_pairs()
    number = 0
    while True:
        rng.shuffle(pairs)
        for (question, answer), (then, reply) in zip(pairs[::2], pairs[1::2], strict=False):
            texts = [question, answer, then, reply]
            messages = tuple(
                Message("assistant" if at % 2 else "user", clean_text(text)) for at, text in enumerate(texts)
            )
            yield make_dialogue(f"songys-{seed}-{number:07d}", messages, "일상", "", HUMAN_PERSONA.id)
            number += 1


def splice_dialogues(seed: int = 0) -> Iterator[Dialogue]:
    """Dialogues without end: each turn is made of the halves of lines that were said like that, so few share one.

    A stage direction stays whole and in its place, and who is polite stays so. Every 40th is the one before it with
    another beginning.
    """
    rng = random.Random(seed)
    known = list(islice(compose_dialogues(seed), 20_000))
    questions = [question for question, _ in read_pairs()]
    asked = _Halves([each.content for dialogue in known for each in dialogue.messages[::2]])
    levels = {each.id: each.speech_level for each in list_personas().values()}
    lines: dict[str | None, list[tuple[str, str]]] = {"banmal": [], "jondaetmal": []}
    for dialogue in known:
        lines[levels[dialogue.persona]] += [_cut_direction(each.content) for each in dialogue.messages[1::2]]
    said = {level: _Halves([words for _, words in each]) for level, each in lines.items()}
    asked.firsts = _Halves(questions).firsts
    before: tuple[Dialogue, list[Message]] | None = None
    for number, model in enumerate(cycle(known)):
        level, turns = levels[model.persona], list[Message]()
        for _ in model.messages[::2]:
            turns.append(Message("user", asked.splice(rng)))
            direction, _ = rng.choice(lines[level])
            words = f"{said[level].splice(rng)} {said[level].splice(rng)}"
            turns.append(Message("assistant", f"{direction} {words}".strip()))
        if before is not None and number % 40 == 0:
            model, turns = before[0], [turns[0], *before[1][1:]]
        before = model, turns
        id_ = f"spliced-{seed}-{number:07d}"
        yield make_dialogue(id_, tuple(turns), model.topic, model.category, model.persona)


class _Halves:
    """The first and the second halves of many lines, by words."""

    def __init__(self, lines: Iterable[str]) -> None:
        words = [line.split() for line in lines]
        self.firsts = [" ".join(each[: (len(each) + 1) // 2]) for each in words]
        self.seconds = [" ".join(each[len(each) // 2 :]) for each in words]

    def splice(self, rng: random.Random) -> str:
        return f"{rng.choice(self.firsts)} {rng.choice(self.seconds)}"


def _cut_direction(text: str) -> tuple[str, str]:
    """The first stage direction of an answer, and its words without any."""
    found = _DIRECTION.search(text)
    return (found[0] if found else ""), _DIRECTION.sub(" ", text).strip()


def make_dialogue(id_: str, messages: tuple[Message, ...], topic: str, category: str, persona: str) -> Dialogue:
    return Dialogue(
        id=id_,
        dataset="bench-data",
        topic=topic,
        category=category,
        persona=persona,
        messages=messages,
        scenario="{}",
        model="",
        provider="",
        prompt_sha256="",
        attempt_id="",
        prompt_tokens=None,
        completion_tokens=None,
        cost_usd=None,
        created_at=_CREATED,
    )


def write_source(folder: Path, dialogues: Iterable[Dialogue]) -> Source:
    """Write dialogues in shards, and open them as curation does."""
    rows = iter(dialogues)
    files = []
    for number in range(1_000_000):
        path = folder / f"part-{number:05d}.parquet"
        if write_shard(path, islice(rows, SHARD_ROWS)) == 0:
            path.unlink()
            break
        files.append(path)
    return Source(folder, tuple(files), "bench-data", list_personas())
