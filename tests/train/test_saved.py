import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import render_jinja_template

from datagen.errors import DataError, UsageError
from tests.train.exaone_world import LLAMA3_SCALING, SMALL, make_tensors, make_tokenizer, write_checkpoint
from tests.train.exaone_world import TEMPLATE as EXAONE
from train.convert import convert
from train.saved import add_default_persona, save_model, writing_whole

CHATML = """\
{%- for message in messages %}
    {%- if loop.first and message.role != 'system' %}
        {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}
    {%- endif %}
    {{- '<|im_start|>' ~ message.role ~ '\\n' ~ message.content ~ '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
LLAMA3 = """\
{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system = '' %}
{%- endif %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday Date: 26 Nov 2026\\n\\n' + system + '<|eot_id|>' }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}
    {{- message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}
"""
LOOSE = """
   {% for message in messages %}
   <{{ message.role }}> {{ message.content }}
   {% generation %}{{ eos_token }}{% endgeneration %}

   {% endfor %}
{# what comes next #}
{% if add_generation_prompt %}<assistant>
{% endif %}
"""
MACRO = (
    "{% macro first() %}({{ messages[0].content }}){% endmacro %}"
    "{{ first() }}{% for each in messages %}{{ each }}{% endfor %}"
)
TEMPLATES = {"exaone": EXAONE, "chatml": CHATML, "llama3": LLAMA3, "loose": LOOSE, "macro": MACRO}
PERSONA = '너는 엑사다.\n별표 안에서는 *{유저}의 어깨를 토닥이며*처럼 적어. "헐" 같은 말은 괜찮아.'
TALK = [
    {"role": "user", "content": "나 오늘 면접 망쳤어…"},
    {"role": "assistant", "content": "*{유저}의 손을 꼭 잡으며* 에이, 끝까지 한 게 어디야!"},
    {"role": "user", "content": "그런가?"},
]

pieces = st.sampled_from(
    [
        "{유저}",
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "\n",
        "\r\n",
        "\\",
        "\\n",
        "\\u0041",
        "'",
        '"',
        " ",
        "엑사",
        "😀",
        "\t",
    ]
)
prompts = st.one_of(st.text(min_size=1), st.lists(pieces, min_size=1).map("".join))
talks = st.integers(0, 3).flatmap(
    lambda count: st.lists(st.text(), min_size=count, max_size=count).map(
        lambda texts: [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]
    )
)


def render(template: str, messages: list[dict[str, str]], *, is_prompt: bool = False) -> str:
    rendered: list[str] = render_jinja_template(
        [messages],
        chat_template=template,
        add_generation_prompt=is_prompt,
        bos_token="<|begin_of_text|>",
        eos_token="[|endofturn|]",
    )[0]  # type: ignore[assignment]
    return rendered[0]


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
@given(prompt=prompts, talk=talks, is_prompt=st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_default_persona_renders_byte_for_byte_what_a_system_message_does(
    template: str, prompt: str, talk: list[dict[str, str]], is_prompt: bool
) -> None:
    wrapped = add_default_persona(template, prompt)
    said = [{"role": "system", "content": prompt}, *talk]
    expected = render(template, said, is_prompt=is_prompt)
    assert render(wrapped, talk, is_prompt=is_prompt) == expected
    assert render(wrapped, said, is_prompt=is_prompt) == expected


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_a_system_message_of_ones_own_takes_the_personas_place(template: str) -> None:
    own = [{"role": "system", "content": "너는 사서다."}, *TALK]
    assert render(add_default_persona(template, PERSONA), own) == render(template, own)


def test_the_wrapped_template_prints_no_line_that_the_base_does_not() -> None:
    rendered = render(add_default_persona(EXAONE, "너는 엑사야."), TALK, is_prompt=True)
    assert rendered == (
        "[|system|]너는 엑사야.[|endofturn|]\n"
        "[|user|]나 오늘 면접 망쳤어…\n"
        "[|assistant|]*{유저}의 손을 꼭 잡으며* 에이, 끝까지 한 게 어디야![|endofturn|]\n"
        "[|user|]그런가?\n"
        "[|assistant|]"
    )


def make_saved(folder: Path, rope: dict[str, Any] | None = None, *, is_tied: bool = False) -> Path:
    torch.manual_seed(0)
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=make_tokenizer(), bos_token="[BOS]", eos_token="[|endofturn|]", pad_token="[PAD]"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": ["[|system|]", "[|user|]", "[|assistant|]"]})
    tokenizer.chat_template = add_default_persona(EXAONE, PERSONA)
    config = LlamaConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=400,
        rope_parameters=rope or {"rope_type": "default", "rope_theta": 500000.0},
        tie_word_embeddings=is_tied,
        eos_token_id=2,
        initializer_range=0.3,
    )
    folder.mkdir(exist_ok=True)
    save_model(folder, LlamaForCausalLM(config).to(torch.bfloat16), tokenizer)  # type: ignore[arg-type]
    return folder


def read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_a_saved_config_names_rope_and_dtype_as_both_versions_do(tmp_path: Path) -> None:
    scaled = read_json(make_saved(tmp_path / "scaled", {**LLAMA3_SCALING, "rope_theta": 1e6}) / "config.json")
    assert (scaled["rope_theta"], scaled["rope_scaling"]) == (1e6, LLAMA3_SCALING)
    assert scaled["rope_parameters"] == {**LLAMA3_SCALING, "rope_theta": 1e6}
    assert scaled["dtype"] == scaled["torch_dtype"] == "bfloat16"

    plain = read_json(make_saved(tmp_path / "plain") / "config.json")
    assert (plain["rope_theta"], plain["rope_scaling"]) == (500000.0, None)


def test_a_saved_model_stops_at_the_end_of_a_turn_and_where_the_base_did(tmp_path: Path) -> None:
    folder = make_saved(tmp_path / "model")
    for name in ("config.json", "generation_config.json"):
        content = read_json(folder / name)
        assert (content["eos_token_id"], content["pad_token_id"]) == ([6, 2], 0)


def test_a_turn_may_end_with_another_token_than_the_tokenizers_eos(tmp_path: Path) -> None:
    folder = make_saved(tmp_path / "model")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    save_model(tmp_path / "again", model, tokenizer, end_of_turn="[|user|]")

    assert read_json(tmp_path / "again/generation_config.json")["eos_token_id"] == [4, 6, 2]
    assert AutoTokenizer.from_pretrained(tmp_path / "again").eos_token == "[|endofturn|]"


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "models/exa"

    def write_half() -> None:
        with writing_whole(out) as folder:
            (folder / "half").write_text("반만", encoding="utf-8")
            assert not out.exists()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert not list((tmp_path / "models").iterdir())

    with writing_whole(out) as folder:
        (folder / "all").write_text("다", encoding="utf-8")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["exa"]
    with pytest.raises(UsageError, match="exists already"), writing_whole(out):
        pass
    assert (out / "all").read_text(encoding="utf-8") == "다"


def test_what_a_killed_attempt_left_does_not_come_along(tmp_path: Path) -> None:
    with writing_whole(tmp_path / "exa") as folder:
        beside = folder
    beside.mkdir()
    (beside / "torn").write_text("반만", encoding="utf-8")

    (tmp_path / "exa").rename(tmp_path / "first")
    with writing_whole(tmp_path / "exa"):
        pass
    assert not list((tmp_path / "exa").iterdir())


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1000000\.0 GB are needed"), writing_whole(tmp_path / "exa", 10**15):
        raise AssertionError("written all the same")
    assert not list(tmp_path.iterdir())


OLDER = ("transformers==4.57.*", "tokenizers>=0.22,<=0.23.0", "huggingface_hub>=0.34,<1.0")
ASK = """
import json, sys, torch, transformers
from transformers import AutoModelForCausalLM, AutoTokenizer
answers = [transformers.__version__]
for folder in sys.argv[2:]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto", attn_implementation="eager")
    talk = json.loads(sys.argv[1])
    text = tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model.to(torch.float32)(torch.tensor([ids])).logits[0, -1].tolist()
        reply = model.generate(torch.tensor([ids]), max_new_tokens=40, do_sample=False)[0].tolist()
    special = [model.generation_config.eos_token_id, model.generation_config.pad_token_id]
    special += [tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token, sorted(tokenizer.all_special_tokens)]
    lone = [tokenizer("2024년 [|user|]")["input_ids"], tokenizer.decode(ids, skip_special_tokens=True)]
    answers.append([text, ids, special, lone, str(model.config.dtype), reply, logits])
print(json.dumps(answers))
"""


def ask(folders: list[Path], packages: Path | None = None) -> list[Any]:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(packages or ""), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", ASK, json.dumps(TALK), *map(str, folders)]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    answers: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return answers


@pytest.mark.slow
def test_transformers_4_and_5_load_the_same_model_from_one_folder(tmp_path: Path) -> None:
    packages = tmp_path / "older"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(packages), *OLDER]
    installed = subprocess.run(install, capture_output=True, encoding="utf-8", timeout=200, check=False)
    if installed.returncode:
        pytest.fail(f"transformers 4.57 cannot be installed here: {installed.stderr[-300:]}")
    folders = [
        make_saved(tmp_path / "plain"),
        make_saved(tmp_path / "scaled", {**LLAMA3_SCALING, "rope_theta": 1e6}, is_tied=True),
        convert(write_checkpoint(tmp_path / "exaone", SMALL, make_tensors(SMALL)), tmp_path / "converted").folder,
    ]

    older, newer = ask(folders, packages), ask(folders)

    assert older[0].startswith("4.57.")
    assert newer[0].startswith("5.")
    for folder, one, other in zip(folders, older[1:], newer[1:], strict=True):
        assert one[:-1] == other[:-1], folder.name
        torch.testing.assert_close(torch.tensor(one[-1]), torch.tensor(other[-1]), rtol=0, atol=1e-5)
