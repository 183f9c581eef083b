"""Replies and losses: what a batch says is what its prompts say alone, and loss is counted by hand."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.train.evaluation_world import SPECIALS, make_conversation, make_model
from train.base import LoadedModel
from train.masks import Encoder
from train.replies import Decoding, Prompt, Reply, choose_prompts, generate_replies, measure_losses


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return make_model(seed=4)


GREEDY = Decoding(max_new_tokens=24, batch=4)


def generate(loaded: LoadedModel, prompts: list[Prompt], decoding: Decoding) -> list[Reply]:
    return generate_replies(loaded, prompts, decoding, SPECIALS.index("[|endofturn|]"))


def say_only(loaded: LoadedModel, token: str) -> None:
    """Make it say nothing but this token."""
    head: Any = loaded.model.get_output_embeddings()
    with torch.no_grad():
        head.weight.zero_()
        head.weight[SPECIALS.index(token)] = 1.0
    head.register_forward_pre_hook(lambda _, args: (torch.ones_like(args[0]),))


def test_a_batch_of_prompts_of_different_lengths_says_what_they_say_one_by_one(loaded: LoadedModel) -> None:
    prompts = choose_prompts(loaded, [make_conversation(number, 1 + number % 3) for number in range(7)], 512)
    assert len({len(each.encode(loaded)) for each in prompts}) > 2
    together = generate(loaded, prompts, GREEDY)
    assert together == generate(loaded, prompts, replace(GREEDY, batch=1))
    assert [each.prompt_id for each in together] == [each.conversation.id for each in prompts]
    assert len({each.text for each in together}) > 2


def test_sampling_follows_its_seed_and_leaves_the_programs_own_randomness_alone(loaded: LoadedModel) -> None:
    prompts = choose_prompts(loaded, [make_conversation(number) for number in range(3)], 512)
    drawn = replace(GREEDY, temperature=1.0, seed=1)
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    first = generate(loaded, prompts, drawn)
    assert (torch.random.get_rng_state() == before).all()
    assert first == generate(loaded, prompts, drawn)
    assert first != generate(loaded, prompts, replace(drawn, seed=2))


def test_a_reply_ends_before_the_end_of_turn_token_or_at_the_limit() -> None:
    loaded = make_model(seed=4)
    (prompt,) = choose_prompts(loaded, [make_conversation(0)], 512)
    assert generate(loaded, [prompt], replace(GREEDY, max_new_tokens=3))[0].tokens == 3
    assert not generate(loaded, [prompt], replace(GREEDY, max_new_tokens=3))[0].is_stopped
    say_only(loaded, "[|endofturn|]")
    assert generate(loaded, [prompt], GREEDY) == [Reply(prompt.conversation.id, "", True, 1)]


def test_special_tokens_that_a_model_says_stay_in_its_text() -> None:
    loaded = make_model(seed=4)
    (prompt,) = choose_prompts(loaded, [make_conversation(0)], 512)
    say_only(loaded, "[|user|]")
    assert generate(loaded, [prompt], replace(GREEDY, max_new_tokens=2))[0].text == "[|user|][|user|]"


def test_a_models_own_generation_settings_do_not_change_the_comparison(loaded: LoadedModel) -> None:
    prompts = choose_prompts(loaded, [make_conversation(number) for number in range(3)], 512)
    plain = generate(loaded, prompts, GREEDY)
    other = make_model(seed=4)
    config: Any = other.model.generation_config
    config.repetition_penalty, config.min_new_tokens, config.no_repeat_ngram_size = 3.0, 20, 1
    config.do_sample, config.temperature, config.max_length, config.suppress_tokens = True, 5.0, 5, [10]
    assert generate(other, prompts, GREEDY) == plain
    assert other.model.generation_config is config


def test_a_prompt_ends_with_the_last_user_turn_that_leaves_room(loaded: LoadedModel) -> None:
    conversation = make_conversation(0, exchanges=3)
    (whole,) = choose_prompts(loaded, [conversation], 512)
    assert whole.turn == 5
    assert whole.reference == conversation.messages[6]["content"]
    (shorter,) = choose_prompts(loaded, [conversation], len(whole.encode(loaded)) - 1)
    assert shorter.turn == 3
    assert whole.messages[:4] == shorter.messages
    assert choose_prompts(loaded, [conversation], 10) == []


def test_perplexity_counts_the_personas_tokens_with_their_end_of_turn(loaded: LoadedModel) -> None:
    rows = [make_conversation(number, number) for number in (1, 2)]
    encoded = [each for each in Encoder.of(loaded.tokenizer, 512).encode_all(rows) if each is not None]
    assert len(encoded) == 2
    found = measure_losses(loaded, encoded)
    assert found.is_log
    for number, row in enumerate(encoded):
        ids, labels = torch.tensor(row.ids[None], dtype=torch.long), torch.tensor(row.labels[None])
        with torch.no_grad():
            loss = loaded.model(input_ids=ids, labels=labels).loss.item()
        assert found.bottoms[number] == (labels != -100).sum().item()
        assert found.tops[number] / found.bottoms[number] == pytest.approx(loss, rel=1e-5)
    assert math.isfinite(found.tops.sum())
