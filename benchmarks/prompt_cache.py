"""The share of prompt tokens that a prefix cache serves, over all prompts of a run in the order they are sent.

`python -m benchmarks.prompt_cache [SPEC …]`; exa-data and gf-persona-data without one. The model is the simulator's
(`datagen.simulator.prefix_cache`); 32 requests are in flight, and one finds only what was answered before it started.
"""

import sys
from collections import Counter, deque
from collections.abc import Iterator

from datagen.budget import TOKENS_PER_CHARACTER
from datagen.prompt import Prompt, PromptWriter
from datagen.quota import SlotQueue, TopicState
from datagen.scenario import list_dimensions
from datagen.simulator.prefix_cache import PrefixCache
from datagen.spec import LoadedSpec
from datagen.spec_file import load_spec

IN_FLIGHT = 32


def list_prompts(loaded: LoadedSpec) -> Iterator[Prompt]:
    """Every prompt of a run whose drafts are all accepted."""
    personas = tuple(persona.id for persona in loaded.personas)
    quotas = {topic.name: topic.quota for topic in loaded.spec.topics}
    queue = SlotQueue.resume(
        [list_dimensions(loaded.spec, topic, personas) for topic in loaded.spec.topics],
        lambda name: TopicState(quotas[name], frozenset(), {}, frozenset(), 0),
        loaded.spec.provider.max_tries,
    )
    writer = PromptWriter(loaded)
    flying: deque[str] = deque()
    while not queue.is_done:
        while len(flying) < IN_FLIGHT and (slot := queue.take()) is not None:
            flying.append(slot.topic)
            yield writer.write(slot.scenario, slot.number, slot.tries)
        queue.topics[flying.popleft()].accept()


def measure(loaded: LoadedSpec, capacity: int) -> tuple[int, int]:
    """Prompt tokens of the run, and those of them that the cache serves."""
    cache = PrefixCache(TOKENS_PER_CHARACTER, capacity)
    flying: deque[str] = deque()
    tokens = cached = 0
    for prompt in list_prompts(loaded):
        text = f"{prompt.system}\n{prompt.user}"
        if len(flying) == IN_FLIGHT:
            cache.store(flying.popleft())
        tokens += int(len(text) * TOKENS_PER_CHARACTER)
        cached += cache.measure(text)
        flying.append(text)
    return tokens, cached


def count_examples(loaded: LoadedSpec) -> tuple[int, int]:
    """Different sets of examples that a run shows, and how far its most and least frequent examples lie apart."""
    shown: Counter[tuple[str, ...]] = Counter()
    for prompt in list_prompts(loaded):
        known = {text for texts in loaded.examples.values() for text in texts}
        shown[tuple(sorted(text for text in known if text in prompt.system + prompt.user))] += 1
    each = Counter(text for texts, count in shown.items() for text in texts for _ in range(count))
    return len(shown), max(each.values()) - min(each.values())


def main(names: list[str]) -> None:
    print("| spec | prompt tokens | from cache | from a cache of 400 steps | sets of examples | spread of examples |")
    print("|---|---|---|---|---|---|")
    for name in names or ("exa-data", "gf-persona-data"):
        loaded = load_spec(name)
        (tokens, cached), (_, small) = measure(loaded, 20_000), measure(loaded, 400)
        sets, spread = count_examples(loaded)
        print(f"| {name} | {tokens:,} | {cached / tokens:.1%} | {small / tokens:.1%} | {sets} | {spread} |")


if __name__ == "__main__":
    main(sys.argv[1:])
