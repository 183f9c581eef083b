"""What a spec's duets will take: a dialogue played through without a model, its requests counted as they would be sent.

Each request carries the dialogue so far, so tokens grow with the square of the length until summaries hold them down.
"""

import os.path
from collections.abc import Iterator
from dataclasses import dataclass

from datagen.budget import TOKENS_PER_CHARACTER
from datagen.duet import Duet, Terms
from datagen.duet_prompt import DuetWriter
from datagen.ledger_duets import Kind
from datagen.prices import Tokens
from datagen.prompt import Prompt
from datagen.scenario import Scenario
from datagen.spec import LoadedSpec

USER_SHARE = 0.25
"""Of an exchange's characters; the persona says the rest."""
SUMMARY_CHARACTERS = 400
"""`duet_summary.md` asks for 600 at most."""
LEAST_CACHED_TOKENS = 1024
"""The shortest beginning of a prompt that OpenAI's cache serves (platform.openai.com, guide on prompt caching)."""


@dataclass(frozen=True, slots=True)
class DuetForecast:
    """What one dialogue takes, without a reply that is asked for again. Cached: if the endpoint caches all it can."""

    requests: int
    tokens: Tokens


def forecast_duet(loaded: LoadedSpec, scenario: Scenario, exchanges: int, exchange_characters: float) -> DuetForecast:
    """Play a dialogue of so many exchanges."""
    prompts = list(_play(loaded, scenario, exchanges, exchange_characters))
    prompt = completion = cached = 0.0
    before: dict[Kind, str] = {}
    for kind, sent, reply in prompts:
        text = "\0".join(message["content"] for message in sent.messages)
        begins_alike = os.path.commonprefix([text, before.get(kind, "")])  # noqa: RUF071 - by character is meant
        same = len(begins_alike) * TOKENS_PER_CHARACTER
        cached += same if same >= LEAST_CACHED_TOKENS else 0.0
        prompt += sent.characters * TOKENS_PER_CHARACTER
        completion += reply * TOKENS_PER_CHARACTER
        before[kind] = text
    return DuetForecast(len(prompts), Tokens(round(prompt), round(completion), round(cached)))


def list_first_prompts(loaded: LoadedSpec, scenario: Scenario) -> Iterator[Prompt]:
    """The requests for the first exchange: the user's, and the persona's with a stand-in for what the user said."""
    writer = DuetWriter(loaded)
    duet = Duet(_read_terms(loaded, scenario.exchanges))
    yield writer.write(scenario, duet, "user", 0)
    yield writer.write(scenario, duet.add("user", 0, "(유저의 첫 말)"), "persona", 1)


def _play(
    loaded: LoadedSpec, scenario: Scenario, exchanges: int, exchange_characters: float
) -> Iterator[tuple[Kind, Prompt, int]]:
    """Kind, prompt, and characters of the reply, request by request."""
    shares = {"user": USER_SHARE, "persona": 1 - USER_SHARE}
    writer, duet = DuetWriter(loaded), Duet(_read_terms(loaded, exchanges))
    while (step := duet.find_next()) is not None:
        kind, number = step
        length = SUMMARY_CHARACTERS if kind == "summary" else round(shares[kind] * exchange_characters)
        yield kind, writer.write(scenario, duet, kind, number), length
        duet = duet.add(kind, number, f"{number}".ljust(length, "가"), has_mark=duet.exchange >= exchanges)


def _read_terms(loaded: LoadedSpec, aim: int) -> Terms:
    spec = loaded.spec
    return Terms(spec.exchanges.min, spec.exchanges.max, aim, spec.context_tokens)
