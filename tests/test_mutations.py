"""Whatever stands where something else was expected: it is taken, or told with its place. Nothing else ever comes out.

`DAMHWA_FUZZ=20000 pytest tests/test_mutations.py` tries so many examples a test instead of a few hundred.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from curation.exchange.exchange import ImportOptions, export_reviews, import_reviews
from curation.measure import Ruler, measure_batch
from curation.reviews import list_reviews
from curation.settings import CurationSettings, load_settings
from curation.source import RawBatch, Source, Unreadable, read_batches
from datagen.answer import Answer, read_answer
from datagen.errors import DamhwaError, DataError, SpecError, UsageError
from datagen.prices import PriceList, load_prices
from datagen.retry import BadReplyError
from tests.mutations import BYTES, mutate
from train.recipe import LoadedRecipe, load_recipe

Result = TypeVar("Result")
ROOT = Path(__file__).parent.parent
EXAMPLES = int(os.environ.get("DAMHWA_FUZZ", "250"))
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
OPTIONS = ImportOptions(datetime(2026, 3, 9, 8, 30, tzinfo=UTC))
TURNS = [{"role": "user", "content": "나 오늘 면접 봤어"}, {"role": "assistant", "content": "*눈을 반짝이며* 어땠어?"}]
ROW = {
    "id": "exa-1",
    "topic": "일상 대화",
    "persona": "exa",
    "messages": TURNS,
    "scenario": '{"persona": "exa"}',
    "prompt_tokens": 900,
    "cost_usd": 0.004,
    "media": [
        {"message": 0, "kind": "image", "path": "media/a.png", "sha256": "a", "media_type": "image/png", "size": 3}
    ],
}
PARTS = [
    {"type": "text", "text": "이 사진 봤어?"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}},
]
ROW_OF_PARTS = {"messages": [{"role": "user", "content": PARTS}, TURNS[1]]}
COMPLETION = {
    "id": "x",
    "model": "m-1",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "응", "refusal": None}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 900, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 512}},
}
REVIEW = {
    "id": "exa-1",
    "verdict": "edit",
    "reviewer": "검수자 1",
    "at": "2026-03-02T09:00:00Z",
    "reason": "persona",
    "turn": 1,
    "messages": TURNS,
}


def _read_yaml(name: str) -> Any:
    return YAML(typ="safe").load((ROOT / "specs" / name).read_text(encoding="utf-8"))


@contextmanager
def _saved(name: str, content: bytes | object) -> Iterator[Path]:
    """A file of its own, gone afterwards; what is no bytes is written as YAML, of which JSON is a part."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        path.write_bytes(content)
        yield path


@FUZZ
@given(mutate(COMPLETION).map(lambda value: json.dumps(value).encode()) | BYTES)
def test_any_body_is_an_answer_or_a_bad_reply(body: bytes) -> None:
    try:
        answer = read_answer(body, "127.0.0.1:8000")
    except BadReplyError:
        return
    assert isinstance(answer, Answer)
    assert isinstance(answer.text, str)


@FUZZ
@given(st.lists(mutate(ROW) | mutate(ROW_OF_PARTS), min_size=1, max_size=3))
def test_any_row_of_other_people_is_a_dialogue_or_is_set_aside(rows: list[dict[str, Any]]) -> None:
    ruler = Ruler.of(Source(Path("data"), (), "data"), dict(CurationSettings().filters))
    lines = [json.dumps(row).encode() for row in rows]
    table, unreadable = measure_batch(RawBatch("data/a.jsonl", 1, lines), ruler)
    assert table.num_rows + len(unreadable) == len(rows)
    assert all(each.what for each in unreadable)


@FUZZ
@given(BYTES, st.sampled_from(["a.jsonl", "a.json", "a.parquet"]))
def test_any_file_of_other_people_is_read_or_told(content: bytes, name: str) -> None:
    with _saved(name, content) as path:
        items = list(read_batches(path))
    assert all(isinstance(each, RawBatch) or (isinstance(each, Unreadable) and each.what) for each in items)


def _attempt(kind: type[DamhwaError], call: Callable[..., Result], *arguments: object) -> Result | DamhwaError:
    """What the call gives, or the error of that kind that it raises; any other goes through."""
    try:
        return call(*arguments)
    except kind as exc:
        return exc


@FUZZ
@given(mutate(REVIEW).map(lambda value: json.dumps(value).encode() + b"\n") | BYTES)
def test_any_file_of_reviews_is_read_or_told_with_its_line(content: bytes) -> None:
    with _saved("reviews.jsonl", content) as path:
        found = _attempt(DataError, list_reviews, path)
    is_told = isinstance(found, DamhwaError) and "reviews.jsonl" in found.message
    assert is_told or len(found[0]) <= 1 + content.count(b"\n")  # type: ignore[index]


@FUZZ
@given(mutate(_read_yaml("curation.yaml")) | BYTES)
def test_any_settings_of_curation_are_taken_or_told(content: object) -> None:
    with _saved("curation.yaml", content) as path:
        found = _attempt(SpecError, load_settings, path)
    assert isinstance(found, CurationSettings) or "curation.yaml" in found.message


@FUZZ
@given(mutate(_read_yaml("recipes/tiny.yaml")) | BYTES)
def test_any_recipe_is_taken_or_told(content: object) -> None:
    with _saved("mine.yaml", content) as path:
        found = _attempt(UsageError, load_recipe, str(path))
    assert isinstance(found, LoadedRecipe) or "mine.yaml" in found.message


@FUZZ
@given(mutate(_read_yaml("prices.yaml")) | BYTES)
def test_any_price_list_is_taken_or_told(content: object) -> None:
    with _saved("prices.yaml", content) as path:
        found = _attempt(SpecError, load_prices, path.with_name("spec.yaml"))
    assert isinstance(found, PriceList) or "prices.yaml" in found.message


@pytest.fixture(scope="module", params=["label-studio", "argilla"])
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, built_run: Path
) -> tuple[str, Any]:
    """A format, and what is exported in it."""
    folder = tmp_path_factory.mktemp("exported")
    file = export_reviews(built_run, folder, request.param).files[0]
    return request.param, json.loads(file.read_text(encoding="utf-8"))[:2]


@FUZZ
@given(data=st.data())
def test_any_file_of_another_tool_is_imported_or_told(exported: tuple[str, Any], data: st.DataObject) -> None:
    format_, tasks = exported
    with _saved("export.json", data.draw(mutate(tasks) | BYTES)) as path:
        found = _attempt(DataError, import_reviews, path, format_, OPTIONS)
    told = (found.message,) if isinstance(found, DamhwaError) else found.problems
    assert all("export.json" in each for each in told)
