"""`damhwa check`: what a spec asks for, before anything is paid: quotas, tokens and cost ahead, sample prompts."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from statistics import mean
from typing import Any

from rich.markup import escape
from rich.table import Table

from datagen.budget import TOKENS_PER_CHARACTER
from datagen.console import format_count, format_money
from datagen.duet_forecast import forecast_duet, list_first_prompts
from datagen.prices import Tokens, load_prices
from datagen.prompt import Prompt, PromptWriter
from datagen.scenario import Dimensions, Scenario, list_dimensions, plan_scenarios
from datagen.spec import LoadedSpec, Topic
from datagen.transcript import Transcript, parse_transcript

REJECT_SHARE = 0.05
"""Share of drafts assumed to be rejected: GPT-4-class models keep the format about that well."""
CHARACTERS_PER_EXCHANGE = 160
"""Assumed where no example can be read: a user line of 40 and a persona line of 120 characters."""
PROMPTS_MEASURED = 8
"""Prompts rendered per topic for the estimate."""


@dataclass(frozen=True, slots=True)
class TopicForecast:
    """What a topic will take, rejected drafts included. `cost_usd`: None if the price is unknown."""

    topic: Topic
    combinations: int
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    cached_tokens: int = 0
    """Of the prompt's, where the cost counts on the endpoint's cache: of duets alone."""


def forecast(loaded: LoadedSpec) -> list[TopicForecast]:
    """Estimate every topic from rendered prompts and the length of the examples."""
    if loaded.users:
        return [_forecast_duets(loaded, topic) for topic in loaded.spec.topics]
    writer = PromptWriter(loaded)
    price = load_prices(loaded.path).find(loaded.spec.provider.model)
    exchange = measure_exchange(loaded)
    length = (loaded.spec.exchanges.min + loaded.spec.exchanges.max) / 2
    rows = []
    for topic in loaded.spec.topics:
        dimensions = _list_dimensions(loaded, topic)
        scenarios = islice(plan_scenarios(dimensions), min(PROMPTS_MEASURED, topic.quota))
        characters = mean(writer.write(scenario, slot, 0).characters for slot, scenario in enumerate(scenarios))
        requests = round(topic.quota / (1 - REJECT_SHARE))
        prompt = round(requests * characters * TOKENS_PER_CHARACTER)
        completion = round(requests * length * exchange * TOKENS_PER_CHARACTER)
        cost = price.cost(Tokens(prompt, completion)) if price else None
        rows.append(TopicForecast(topic, dimensions.combinations, requests, prompt, completion, cost))
    return rows


def _forecast_duets(loaded: LoadedSpec, topic: Topic) -> TopicForecast:
    dimensions = _list_dimensions(loaded, topic)
    scenarios = list(islice(plan_scenarios(dimensions), min(PROMPTS_MEASURED, topic.quota)))
    exchange = measure_exchange(loaded)
    dialogues = [forecast_duet(loaded, scenario, scenario.exchanges, exchange) for scenario in scenarios]
    # a reply that is no utterance is asked for again, not the dialogue
    scale = topic.quota / len(dialogues) / (1 - REJECT_SHARE)
    tokens = Tokens(
        prompt=round(scale * sum(each.tokens.prompt for each in dialogues)),
        completion=round(scale * sum(each.tokens.completion for each in dialogues)),
        cached=round(scale * sum(each.tokens.cached for each in dialogues)),
    )
    price = load_prices(loaded.path).find(loaded.spec.provider.model)
    return TopicForecast(
        topic=topic,
        combinations=dimensions.combinations,
        requests=round(scale * sum(each.requests for each in dialogues)),
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.completion,
        cost_usd=price.cost(tokens) if price else None,
        cached_tokens=tokens.cached,
    )


def measure_exchange(loaded: LoadedSpec) -> float:
    """Characters of one exchange, labels included: the mean over the examples that can be read."""
    texts = {text for examples in loaded.examples.values() for text in examples}
    lengths = []
    for text in texts:
        result = parse_transcript(text, (1, 60))
        if isinstance(result, Transcript):
            lengths.append(len(text) / (len(result.messages) / 2))
    return mean(lengths) if lengths else CHARACTERS_PER_EXCHANGE


def sample_prompts(loaded: LoadedSpec, count: int) -> Iterator[tuple[Scenario, Prompt]]:
    """Finished prompts of the first slot of `count` topics spread over the spec."""
    writer = PromptWriter(loaded)
    topics = loaded.spec.topics
    for at in range(count):
        topic = topics[at * len(topics) // count % len(topics)] if count <= len(topics) else topics[at % len(topics)]
        slot = at // len(topics)
        scenario = next(islice(plan_scenarios(_list_dimensions(loaded, topic)), slot, None))
        if loaded.users:
            yield from ((scenario, prompt) for prompt in list_first_prompts(loaded, scenario))
        else:
            yield scenario, writer.write(scenario, slot, 0)


def describe_forecast(loaded: LoadedSpec, rows: list[TopicForecast]) -> dict[str, Any]:
    """The forecast, as `check --json` prints it."""
    return {
        "dataset": loaded.spec.dataset,
        "model": loaded.spec.provider.model,
        "quota": loaded.quota,
        "requests": sum(row.requests for row in rows),
        "prompt_tokens": sum(row.prompt_tokens for row in rows),
        "completion_tokens": sum(row.completion_tokens for row in rows),
        **({"cached_tokens": sum(row.cached_tokens for row in rows)} if loaded.users else {}),
        "cost_usd": _sum_cost(rows),
        "batch_cost_usd": None if loaded.users else _price_batches(loaded, rows),
        "topics": [
            {
                "name": row.topic.name,
                "category": row.topic.category,
                "quota": row.topic.quota,
                "situations": len(row.topic.situations),
                "combinations": row.combinations,
                **({"pictures": len(shown)} if (shown := loaded.pictures.get(row.topic.name)) else {}),
                "requests": row.requests,
                "prompt_tokens": row.prompt_tokens,
                "completion_tokens": row.completion_tokens,
                "cost_usd": row.cost_usd,
            }
            for row in rows
        ],
    }


def draw_forecast(loaded: LoadedSpec, rows: list[TopicForecast]) -> Iterator[Table | str]:
    """The forecast for reading, with the assumptions behind it."""
    spec, model = loaded.spec, loaded.spec.provider.model
    people = f"{len(loaded.personas)} {'persona' if len(loaded.personas) == 1 else 'personas'}"
    yield f"[bold]{escape(spec.dataset)}[/] · {escape(str(loaded.path))} · {people} · {escape(model)}"
    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True, footer_style="bold")
    table.add_column("category", "in all", no_wrap=True)
    table.add_column("topic", f"{len(rows)} {'topic' if len(rows) == 1 else 'topics'}", no_wrap=True)
    table.add_column("quota", f"{loaded.quota:,}", justify="right")
    table.add_column("situations", f"{sum(len(row.topic.situations) for row in rows):,}", justify="right")
    table.add_column("prompt", format_count(sum(row.prompt_tokens for row in rows)), justify="right")
    table.add_column("reply", format_count(sum(row.completion_tokens for row in rows)), justify="right")
    table.add_column("cost", format_money(_sum_cost(rows)), justify="right")
    for row in rows:
        table.add_row(
            escape(row.topic.category),
            escape(row.topic.name),
            f"{row.topic.quota:,}",
            str(len(row.topic.situations)),
            format_count(row.prompt_tokens),
            format_count(row.completion_tokens),
            format_money(row.cost_usd),
        )
    yield table
    yield _describe_categories(rows)
    rejected, cache = f"{REJECT_SHARE:.0%} of the drafts rejected", "no prompt cache"
    if loaded.users:
        rejected, cache = f"{REJECT_SHARE:.0%} of the utterances asked for again", _describe_cache(loaded, rows)
    yield (
        f"Assumed, prompt and reply in tokens: {TOKENS_PER_CHARACTER} tokens a character (o200k_base on Korean), "
        f"{measure_exchange(loaded):.0f} characters an exchange (mean of the examples), "
        f"{(spec.exchanges.min + spec.exchanges.max) / 2:g} exchanges a dialogue, "
        f"{rejected}, {cache}; prices from prices.yaml."
    )
    if loaded.pictures:
        count = len({picture.sha256 for pictures in loaded.pictures.values() for picture in pictures})
        yield (
            f"{count:,} {'picture' if count == 1 else 'pictures'} in {len(loaded.pictures)} of the topics, counted "
            f"into the prompts by OpenAI's rules for '{escape(model)}' at `picture_detail: {spec.picture_detail}`."
        )
    if not loaded.users and (batches := _price_batches(loaded, rows)) is not None:
        yield f"With --batch: {format_money(batches)}, and results within 24 hours instead of minutes."
    if _sum_cost(rows) is None:
        yield f"The price of '{escape(model)}' is unknown: add it to a prices.yaml beside the spec."


def _describe_cache(loaded: LoadedSpec, rows: list[TopicForecast]) -> str:
    """Of duets: requests, how much of the prompts a cache can serve, and the cost where it serves nothing."""
    requests, prompt = sum(row.requests for row in rows), sum(row.prompt_tokens for row in rows)
    told = f"{requests:,} requests that each send the dialogue so far"
    told += f", {sum(row.cached_tokens for row in rows) / max(1, prompt):.0%} of the prompt from the endpoint's cache"
    price = load_prices(loaded.path).find(loaded.spec.provider.model)
    if price is None:
        return told
    uncached = price.cost(Tokens(prompt, sum(row.completion_tokens for row in rows)))
    return f"{told} (without one: {format_money(uncached)})"


def _describe_categories(rows: list[TopicForecast]) -> str:
    quotas: dict[str, int] = {}
    for row in rows:
        quotas[row.topic.category] = quotas.get(row.topic.category, 0) + row.topic.quota
    return " + ".join(f"{quota:,} {escape(category)}" for category, quota in quotas.items())


def _list_dimensions(loaded: LoadedSpec, topic: Topic) -> Dimensions:
    pictures = loaded.pictures.get(topic.name, ())
    return list_dimensions(loaded.spec, topic, loaded.persona_ids, pictures, loaded.user_ids)


def _price_batches(loaded: LoadedSpec, rows: list[TopicForecast]) -> float | None:
    """What `--batch` makes of the cost; None where that is unknown, or nothing can be asked in batches."""
    cost = _sum_cost(rows)
    return None if cost is None or loaded.spec.mode == "duet" else cost * load_prices(loaded.path).batch_share


def _sum_cost(rows: list[TopicForecast]) -> float | None:
    return None if any(row.cost_usd is None for row in rows) else sum(row.cost_usd or 0.0 for row in rows)
