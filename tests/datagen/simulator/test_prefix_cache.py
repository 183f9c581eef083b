"""The simulator's prompt cache, by itself and over HTTP."""

from collections.abc import Callable

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.simulator.prefix_cache import LEAST_TOKENS, STEP_TOKENS, PrefixCache
from datagen.simulator.server import Simulator

StartSimulator = Callable[..., tuple[str, Simulator]]


def test_a_prompt_below_the_least_length_is_never_cached() -> None:
    cache = PrefixCache(1.0)
    cache.store("가" * 1023)
    assert cache.measure("가" * 1023) == 0
    cache.store("가" * 1024)
    assert cache.measure("가" * 5000) == 1024


@given(st.integers(0, 3000), st.integers(0, 500), st.integers(0, 500))
def test_as_much_is_cached_as_two_prompts_share_rounded_down_to_a_step(shared: int, one: int, two: int) -> None:
    cache = PrefixCache(1.0)
    cache.store("공" * shared + "가" * one)
    found = cache.measure("공" * shared + "나" * two)
    steps = (shared - LEAST_TOKENS) // STEP_TOKENS
    assert found == (LEAST_TOKENS + steps * STEP_TOKENS if shared >= LEAST_TOKENS else 0)


def test_what_was_not_read_for_the_longest_time_is_forgotten() -> None:
    cache = PrefixCache(1.0, capacity=3)
    texts = [letter * 1024 for letter in "가나다라"]
    for text in texts[:3]:
        cache.store(text)
    assert cache.measure(texts[0]) == 1024
    cache.store(texts[3])
    assert [cache.measure(text) for text in texts] == [1024, 0, 1024, 1024]


def ask(url: str, *texts: str) -> int:
    with openai.OpenAI(api_key="none", base_url=url, max_retries=0) as client:
        messages = [{"role": "system", "content": texts[0]}, *({"role": "user", "content": text} for text in texts[1:])]
        reply = client.chat.completions.create(model="any", messages=messages)  # type: ignore[arg-type]
    assert reply.usage is not None
    assert reply.usage.prompt_tokens_details is not None
    return reply.usage.prompt_tokens_details.cached_tokens or 0


@pytest.mark.parametrize(("length", "expected"), [(1000, 0), (2000, 1536)])
def test_the_bill_tells_the_tokens_of_a_beginning_that_was_read_before(
    start_simulator: StartSimulator, length: int, expected: int
) -> None:
    url, _ = start_simulator()
    assert ask(url, "규칙" * (length // 2), "- 주제: 일상 대화") == 0
    assert ask(url, "규칙" * (length // 2), "- 주제: 농담") == expected
    assert ask(url, "다른 규칙" * (length // 5), "- 주제: 농담") == 0
