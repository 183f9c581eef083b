"""Prompt templates of strangers: they see what they are given, and every mistake in one is told."""

from pathlib import Path

import pytest

from datagen.check import sample_prompts
from datagen.errors import SpecError
from datagen.spec_file import load_spec


@pytest.mark.parametrize(
    "template",
    [
        "{{ scenario.exchanges + '번' }}",
        "{{ topic.nothing }}",
        "{{ examples[99] }}",
        "{{ 1 // 0 }}",
        "{% for each in range(10 ** 9) %}가{% endfor %}",
        "{{ topic.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{% set _ = examples.append('가') %}",
        "{% if %}",
    ],
)
def test_a_template_that_goes_wrong_or_too_far_is_told(spec: Path, template: str) -> None:
    prompts = spec.parent / "prompts"
    prompts.mkdir()
    (prompts / "user.md").write_text(f"첫 줄\n{template}\n", encoding="utf-8")
    with pytest.raises(SpecError, match="a prompt template is wrong"):
        list(sample_prompts(load_spec(spec), 1))
