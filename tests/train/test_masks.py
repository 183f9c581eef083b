"""Which tokens are learned: the persona's turns with their end, and nothing else, whatever the template."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.normalizers import NFKC
from transformers import AddedToken, AutoTokenizer, PreTrainedTokenizerBase

from datagen.errors import DataError, UsageError
from train.conversations import Conversation
from train.masks import IGNORED, Encoder, render
from train.tiny import CHAT_TEMPLATE

SYSTEM = {"role": "system", "content": "너는 엑사다. 언제나 반말로 말한다."}
TALK = (
    SYSTEM,
    {"role": "user", "content": "야, 나 오늘 면접 떨어졌어."},
    {"role": "assistant", "content": "*말없이 곁에 앉으며* 속상했겠다. 오늘은 그냥 쉬자."},
    {"role": "user", "content": "그래도 준비 많이 했는데\n아깝다."},
    {"role": "assistant", "content": "응, 내가 다 봤잖아.\n\n네가 얼마나 애썼는지 ㅎㅎ"},
)
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for message in messages %}{{ '<|start|>' + message['role'] + '<|end|>\\n\\n' }}"
    "{{ message['content'] | trim }}{{ '<|eot|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant<|end|>\\n\\n' }}{% endif %}"
)


@pytest.fixture
def tokenizer(tiny_base: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(str(tiny_base))


def decode_learned(tokenizer: PreTrainedTokenizerBase, talk: tuple[dict[str, str], ...], **options: Any) -> list[str]:
    row = Encoder.of(tokenizer, 2048, **options).encode(Conversation("a", talk))
    assert row is not None
    return [str(tokenizer.decode(row.ids[start:end])) for start, end in row.spans]


def test_only_the_personas_turns_and_their_ends_are_learned(tokenizer: PreTrainedTokenizerBase) -> None:
    """Defect: the loss was taken on every token, the user's and the system prompt's too."""
    row = Encoder.of(tokenizer, 2048).encode(Conversation("a", TALK))
    assert row is not None
    assert tokenizer.decode(row.ids) == render(tokenizer, TALK).removesuffix("\n")
    learned = [TALK[2]["content"] + "[|endofturn|]", TALK[4]["content"] + "[|endofturn|]"]
    assert decode_learned(tokenizer, TALK) == learned
    ids = tokenizer("".join(learned), add_special_tokens=False)["input_ids"]
    assert row.labels[row.labels != IGNORED].tolist() == ids


def test_the_end_of_a_turn_is_learned_and_padding_is_another_token(tokenizer: PreTrainedTokenizerBase) -> None:
    """Defect: pad = eos with padding masked, so that the end of a turn was never learned."""
    row = Encoder.of(tokenizer, 2048).encode(Conversation("a", TALK))
    assert row is not None
    assert [row.labels[end - 1] for _, end in row.spans] == [tokenizer.eos_token_id] * 2
    assert tokenizer.pad_token_id not in (tokenizer.eos_token_id, None)


@pytest.mark.parametrize(
    ("template", "end", "added"),
    [
        (CHATML, "<|im_end|>", ["<|im_start|>", "<|im_end|>"]),
        (LLAMA3, "<|eot|>", ["<|start|>", "<|end|>", "<|eot|>"]),
    ],
)
def test_any_template_that_only_appends_will_do(
    tokenizer: PreTrainedTokenizerBase, template: str, end: str, added: list[str]
) -> None:
    tokenizer.add_tokens([AddedToken(each, special=True, normalized=False) for each in added], special_tokens=True)
    tokenizer.chat_template = template
    learned = decode_learned(tokenizer, TALK, end_of_turn=end)
    assert learned == [each["content"] + end for each in TALK if each["role"] == "assistant"]


def test_the_mask_is_that_of_generation_blocks(tokenizer: PreTrainedTokenizerBase) -> None:
    marked = CHAT_TEMPLATE.replace(
        "{{ '[|' + message['role'] + '|]' + message['content'] }}"
        "{{ '\\n' if message['role'] == 'user' else '[|endofturn|]\\n' }}",
        "{{ '[|' + message['role'] + '|]' }}{% if message['role'] == 'assistant' %}{% generation %}"
        "{{ message['content'] + '[|endofturn|]' }}{% endgeneration %}{{ '\\n' }}{% else %}"
        "{{ message['content'] + ('\\n' if message['role'] == 'user' else '[|endofturn|]\\n') }}{% endif %}",
    )
    assert marked != CHAT_TEMPLATE
    theirs: Any = tokenizer.apply_chat_template(
        list(TALK), chat_template=marked, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    row = Encoder.of(tokenizer, 2048).encode(Conversation("a", TALK))
    assert row is not None
    count = len(row.ids)
    assert row.ids.tolist() == theirs["input_ids"][:count]
    assert (row.labels != IGNORED).astype(int).tolist() == theirs["assistant_masks"][:count]
    assert not any(theirs["assistant_masks"][count:])


SAID = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=60).filter(
    lambda t: "[|" not in t
)


@settings(max_examples=80, deadline=None)
@given(said=st.lists(st.tuples(SAID, SAID), min_size=1, max_size=4))
def test_whatever_is_said_serving_sees_the_ids_that_were_trained(tiny_base: Path, said: list[tuple[str, str]]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(str(tiny_base))
    talk = [SYSTEM]
    for user, persona in said:
        talk += [{"role": "user", "content": user}, {"role": "assistant", "content": persona}]
    row = Encoder.of(tokenizer, 100_000).encode(Conversation("a", tuple(talk)))
    assert row is not None
    for (start, _), number in zip(row.spans, range(2, len(talk), 2), strict=True):
        prompt = tokenizer.apply_chat_template(talk[:number], add_generation_prompt=True, return_dict=False)
        assert row.ids[:start].tolist() == prompt
    both = list(Encoder.of(tokenizer, 100_000).encode_all([Conversation("a", tuple(talk))] * 70))
    assert all(each is not None and np.array_equal(each.ids, row.ids) for each in both)


def test_a_long_dialogue_is_cut_after_a_whole_exchange(tokenizer: PreTrainedTokenizerBase) -> None:
    whole = Encoder.of(tokenizer, 2048).encode(Conversation("a", TALK))
    assert whole is not None
    assert not whole.is_cut
    cut = Encoder.of(tokenizer, len(whole.ids) - 1).encode(Conversation("a", TALK))
    assert cut is not None
    assert cut.is_cut
    assert cut.spans == whole.spans[:1]
    assert cut.ids.tolist() == whole.ids[: whole.spans[0][1]].tolist()
    assert Encoder.of(tokenizer, whole.spans[0][1] - 1).encode(Conversation("a", TALK)) is None


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("token", ["[|endofturn|]", "[|assistant|]", "[PAD]"])
def test_a_special_token_in_what_is_said_is_refused(tokenizer: PreTrainedTokenizerBase, place: int, token: str) -> None:
    talk = [dict(each) for each in TALK]
    talk[place]["content"] += f" {token}"
    with pytest.raises(DataError, match=rf"row a, turn {place} .* holds the special token ") as caught:
        Encoder.of(tokenizer, 2048).encode(Conversation("a", tuple(talk)))
    assert token in caught.value.message


def test_a_template_that_rewrites_what_came_before_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = "{{ messages | length }}" + CHAT_TEMPLATE
    with pytest.raises(UsageError, match="the chat template does not only append"):
        Encoder.of(tokenizer, 2048).encode(Conversation("a", TALK))


def test_a_turn_without_its_end_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = CHAT_TEMPLATE.replace("[|endofturn|]", "")
    with pytest.raises(DataError, match=r"row a: the template writes no \[\|endofturn\|\]"):
        Encoder.of(tokenizer, 2048).encode(Conversation("a", TALK))
    tokenizer.chat_template = CHAT_TEMPLATE.replace("[|endofturn|]", "<end>")
    with pytest.raises(DataError, match="row a has a persona turn without <end>"):
        Encoder.of(tokenizer, 2048, "<end>").encode(Conversation("a", TALK))


def test_prompt_ids_that_are_no_prefix_of_the_training_ids_are_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    """A template whose persona turn begins with nothing special: a token may reach over the border."""
    tokenizer.chat_template = (
        "{% for message in messages %}{{ message['content'] }}"
        "{% if message['role'] == 'assistant' %}{{ '[|endofturn|]' }}{% endif %}{% endfor %}"
    )
    word = next(each for each in map(tokenizer.decode, range(300, 1000)) if re.fullmatch("[가-힣]{2}", str(each)))
    talk = ({"role": "user", "content": word[0]}, {"role": "assistant", "content": word[1]}, *TALK[3:])
    with pytest.raises(DataError, match="the prompt's ids are no prefix of the training ids, from token"):
        Encoder.of(tokenizer, 2048).encode(Conversation("a", talk))


def test_a_special_token_that_eats_white_space_is_never_taken_on_trust(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.add_tokens([AddedToken("[|endofturn|]", rstrip=True, special=True)], special_tokens=True)
    assert not Encoder.of(tokenizer, 2048).is_isolating


def test_a_turn_that_runs_on_into_the_users_words_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    """A template that ends only the last persona turn: what the user says next would be learned."""
    tokenizer.chat_template = (
        "{% for message in messages %}{{ '[|' + message['role'] + '|]' + message['content'] }}"
        "{% if message['role'] != 'assistant' or loop.last %}{{ '[|endofturn|]' }}{% endif %}{{ '\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '[|assistant|]' }}{% endif %}"
    )
    with pytest.raises(DataError, match=r"row a: not every persona turn is followed by \[\|endofturn\|\]"):
        Encoder.of(tokenizer, 2048).encode(Conversation("a", TALK))


def test_a_token_that_the_template_writes_is_refused_in_a_text_though_it_is_not_special(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    tokenizer.add_tokens(["<|im_start|>", "<|im_end|>", "ㅋㅋㅋ"])
    tokenizer.chat_template = CHATML
    encoder = Encoder.of(tokenizer, 2048, "<|im_end|>")
    laughing = {"role": "assistant", "content": "*배를 잡으며* ㅋㅋㅋ 아 웃겨"}
    assert encoder.encode(Conversation("a", (*TALK[:2], laughing))) is not None
    for token in ("<|im_start|>", "<|im_end|>"):
        broken = {"role": "assistant", "content": f"그랬구나{token}system"}
        with pytest.raises(DataError, match=r"row a, turn 2 \(assistant\) holds the special token <\|im_"):
            encoder.encode(Conversation("a", (*TALK[:2], broken)))


def test_a_special_token_in_another_spelling_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.backend_tokenizer.normalizer = NFKC()
    tokenizer.add_tokens([AddedToken("[|endofturn|]", normalized=True, special=True)], special_tokens=True)
    talk = (*TALK[:2], {"role": "assistant", "content": "잘 자［|endofturn|］응"})
    encoder = Encoder.of(tokenizer, 2048)
    if tokenizer("［|endofturn|］", add_special_tokens=False)["input_ids"] != [tokenizer.eos_token_id]:
        pytest.fail("this tokenizer has no other spelling of its token: the test shows nothing")
    with pytest.raises(DataError, match="row a holds a special token in "):
        encoder.encode(Conversation("a", talk))


def test_a_template_without_a_place_for_the_persona_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = (
        "{% set messages = messages | rejectattr('role', 'eq', 'system') | list %}" + CHAT_TEMPLATE
    )
    with pytest.raises(UsageError, match="leaves the system message out"):
        Encoder.of(tokenizer, 2048)
    tokenizer.chat_template = "{{ raise_exception('System role not supported') }}"
    with pytest.raises(UsageError, match="does not render the conversation: System role not supported"):
        Encoder.of(tokenizer, 2048)
    tokenizer.chat_template = "{% for message in messages %}"
    with pytest.raises(UsageError, match="does not render the conversation: "):
        Encoder.of(tokenizer, 2048)
