"""The plain prompt: the same request again and again, as datasets used to be made, to compare the diversity with.

Each topic is asked for with its brief alone: no situation, no facets, no opening. The replies are kept in the ledger,
the dialogues in `RUN/baseline/`, where every later report finds them.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from curation.opinions.ask import Asker, Question, estimate_tokens
from curation.source import BASELINE_FOLDER
from datagen.console import err
from datagen.draft import read_reply
from datagen.errors import DamhwaError
from datagen.pace import Pace
from datagen.prompt import PromptWriter
from datagen.provider import Call, open_provider
from datagen.record import Dialogue, Message
from datagen.scenario import Scenario
from datagen.spec import Topic
from datagen.start import OpenRun
from datagen.store import write_shard
from datagen.transcript import Transcript


def ask_baseline(run: OpenRun, count: int) -> None:
    """Have about `count` dialogues of plain prompts, spread over the topics by their quotas; those of before, if any.

    A failure here costs the comparison, not the data set: it is told, and nothing is raised.
    """
    if count <= 0 or list((run.folder / BASELINE_FOLDER).glob("*.parquet")):
        return
    try:
        write_shard(run.folder / BASELINE_FOLDER / "part-00001.parquet", asyncio.run(_ask(run, count)))
    except DamhwaError as exc:
        err.print(f"note: no comparison with a plain prompt: {exc.message}", markup=False)


async def _ask(run: OpenRun, count: int) -> list[Dialogue]:
    settings = run.loaded.spec.provider
    pace = Pace(settings.rpm, settings.tpm)
    connect = partial(open_provider, settings, run.access.base_urls, run.access.api_key, pace)
    asker = Asker("baseline", settings, connect, run.ledger, run.budget, run.prices)
    writer = PromptWriter(run.loaded)
    scenarios = [_make_scenario(run, topic) for topic in _spread(run.loaded.spec.topics, count)]
    questions = []
    for number, scenario in enumerate(scenarios):
        prompt = writer.write(scenario, 0, 0)
        key = hashlib.sha256(f"baseline/{settings.model}/{prompt.sha256}/{number}".encode()).hexdigest()
        call = Call(prompt, estimate_tokens(prompt.characters))
        questions.append(Question((key,), call, prompt.characters))
    try:
        replies = await asker.ask(questions)
    finally:
        await asker.aclose()
    dialogues = []
    for number, (question, scenario) in enumerate(zip(questions, scenarios, strict=True), 1):
        if (messages := _read(run, replies.get(question.keys[0]))) is not None:
            dialogues.append(_make_dialogue(run, scenario, number, messages))
    return dialogues


def _spread(topics: Sequence[Topic], count: int) -> list[Topic]:
    """`count` topics, as often each as its quota says."""
    pool = [topic for topic in topics for _ in range(topic.quota)]
    step = max(1.0, len(pool) / count)
    return [pool[int(at * step)] for at in range(min(count, len(pool)))]


def _make_scenario(run: OpenRun, topic: Topic) -> Scenario:
    exchanges = run.loaded.spec.exchanges
    middle = (exchanges.min + exchanges.max) // 2
    return Scenario(topic.name, run.loaded.personas[0].id, topic.brief, (), None, middle)


def _read(run: OpenRun, reply: str | None) -> tuple[Message, ...] | None:
    result = read_reply(reply or "", run.loaded.spec)
    return result.messages if isinstance(result, Transcript) else None


def _make_dialogue(run: OpenRun, scenario: Scenario, number: int, messages: tuple[Message, ...]) -> Dialogue:
    return Dialogue(
        id=f"baseline-{number:06d}",
        dataset=run.loaded.spec.dataset,
        topic=scenario.topic,
        category="",
        persona=scenario.persona,
        messages=messages,
        scenario=scenario.to_json(),
        model=run.loaded.spec.provider.model,
        provider="",
        prompt_sha256="",
        attempt_id="",
        prompt_tokens=None,
        completion_tokens=None,
        cost_usd=None,
        created_at=datetime.now(UTC),
    )
