"""What a run's prompts have in common, and in what they differ."""

from collections import Counter
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path

import pytest

from datagen.endpoint_options import ProviderOptions
from datagen.errors import UsageError
from datagen.ledger import Ledger
from datagen.packaged import find_packaged
from datagen.prompt import Prompt, PromptWriter
from datagen.scenario import list_dimensions, plan_scenarios
from datagen.simulator.server import Simulator
from datagen.spec import LoadedSpec
from datagen.spec_file import load_spec
from datagen.start import generate

StartSimulator = Callable[..., tuple[str, Simulator]]
Edit = Callable[[Path, str, str], None]


def write_prompts(loaded: LoadedSpec, per_topic: int) -> dict[str, list[Prompt]]:
    """Topic → the prompts of its first slots."""
    writer, personas = PromptWriter(loaded), tuple(persona.id for persona in loaded.personas)
    return {
        topic.name: [
            writer.write(scenario, slot, 0)
            for slot, scenario in enumerate(
                islice(plan_scenarios(list_dimensions(loaded.spec, topic, personas)), per_topic)
            )
        ]
        for topic in loaded.spec.topics
    }


def find_prefix(texts: list[str]) -> str:
    """The beginning that all of them share."""
    first, last = min(texts), max(texts)
    length = next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
    return first[:length]


def find_examples(loaded: LoadedSpec, prompt: Prompt) -> tuple[str, ...]:
    return tuple(text for text in loaded.examples["exa"] if text in prompt.user)


def test_the_rules_stand_before_everything_that_differs_between_personas() -> None:
    prompts = write_prompts(load_spec("gf-persona-data"), 14)
    systems = {prompt.system for each in prompts.values() for prompt in each}
    assert len(systems) == 14
    shared = find_prefix(list(systems))
    assert shared.rstrip().endswith("# 인물\n- 이름:")
    assert "성적인 내용은 쓰지 않는다" in shared


def test_prompts_with_the_same_examples_are_the_same_up_to_the_topic() -> None:
    loaded = load_spec("exa-data")
    by_examples: dict[tuple[str, ...], list[str]] = {}
    for each in write_prompts(loaded, 16).values():
        for prompt in each:
            by_examples.setdefault(find_examples(loaded, prompt), []).append(prompt.system + prompt.user)
    assert len(by_examples) == len(loaded.examples["exa"]) == 8
    for texts in by_examples.values():
        assert find_prefix(texts).rstrip().endswith("- 주제:")


def test_every_topic_shows_every_example_equally_often_and_never_the_same_ones_in_a_row() -> None:
    loaded = load_spec("exa-data")
    for prompts in write_prompts(loaded, 16).values():
        shown = [find_examples(loaded, prompt) for prompt in prompts]
        assert set(Counter(text for texts in shown for text in texts).values()) == {4}
        assert all(len(texts) == 2 for texts in shown)
        assert all(before != after for before, after in pairwise(shown))


def test_another_try_shows_other_examples() -> None:
    loaded = load_spec("exa-data")
    scenario = next(plan_scenarios(list_dimensions(loaded.spec, loaded.spec.topics[0], ("exa",))))
    writer = PromptWriter(loaded)
    assert len({find_examples(loaded, writer.write(scenario, 3, tries)) for tries in range(3)}) == 3


def test_topics_begin_with_different_examples() -> None:
    loaded = load_spec("exa-data")
    firsts = {find_examples(loaded, prompts[0]) for prompts in write_prompts(loaded, 1).values()}
    assert len(firsts) >= 5


def forget_templates(run: Path) -> str:
    """Have the run say that it was made with an earlier version's templates, and give the system message's."""
    ledger = Ledger.create_or_open(run / "ledger.db")
    packaged = find_packaged("prompts/system.md")
    assert packaged is not None
    request = ledger.read_setting("request") or ""
    earlier = request.replace("너는 한국어 역할극 대화 데이터를 쓰는 작가야.", "너는 예전에 부르던 작가야.")
    assert earlier != request
    ledger.write_settings(request=earlier)
    ledger.close()
    (run / "spec.yaml").unlink()
    return "너는 예전에 부르던 작가야."


def test_a_run_goes_on_with_the_templates_that_it_began_with(
    spec: Path, tmp_path: Path, edit: Edit, start_simulator: StartSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    url, simulator = start_simulator()
    generate(str(spec), tmp_path / "run", ProviderOptions((url,)))
    assert "templates" not in capsys.readouterr().err
    earlier = forget_templates(tmp_path / "run")
    edit(spec, "quota: 12", "quota: 14")
    generate(str(spec), tmp_path / "run", ProviderOptions((url,)))
    assert "goes on with those" in " ".join(capsys.readouterr().err.split())
    assert simulator.counts["paid"] == 22
    assert earlier in (tmp_path / "run" / "spec.yaml").read_text(encoding="utf-8")


def test_templates_of_the_specs_own_are_checked_as_ever(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, _ = start_simulator()
    packaged = find_packaged("prompts/system.md")
    assert packaged is not None
    own = spec.parent / "prompts" / "system.md"
    own.parent.mkdir()
    own.write_text(packaged.read_text(encoding="utf-8"), encoding="utf-8")
    generate(str(spec), tmp_path / "run", ProviderOptions((url,)))
    own.write_text(f"{packaged.read_text(encoding='utf-8')}\n더 짧게 쓴다.", encoding="utf-8")
    with pytest.raises(UsageError, match="더 짧게 쓴다"):
        generate(str(spec), tmp_path / "run", ProviderOptions((url,)))


def test_packaged_specs_have_the_packaged_templates() -> None:
    assert load_spec("exa-data").own_prompts == frozenset()
