"""From a model back to its data, and from a row to the attempt that made it."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.build import BuildOptions, build
from datagen.endpoint_options import ProviderOptions
from datagen.errors import DataError, UsageError
from tests.conftest import write_spec
from tests.datagen.duet_world import make_duet
from train.conversations import read_split
from train.lineage import draw, trace_model, trace_row
from train.recipe import load_recipe
from train.stage import StageResult
from train.train import describe

RECIPE = """\
name: tiny
base:
  tiny: {layers: 1, hidden: 32, heads: 2, vocabulary: 420, steps: 1}
  licence: {name: Apache-2.0, url: "https://www.apache.org/licenses/LICENSE-2.0", commercial: true}
lora: {r: 4, alpha: 4, targets: [q_proj]}
persona: exa.yaml
stages:
  - {name: exa-data, data: RUN, epochs: 1, batch: 1, accumulation: 4, learning_rate: 1.0e-3, schedule: constant}
"""


@dataclass(frozen=True, slots=True)
class Trained:
    folder: Path
    run: Path
    ids: list[str]


@pytest.fixture
def trained(tmp_path: Path, built_run: Path) -> Trained:
    return train_on(built_run, built_run.parent / "specs", tmp_path)


def train_on(built: Path, specs: Path, tmp_path: Path) -> Trained:
    """What a training on a copy of a real run leaves, but for the weights."""
    run, folder = tmp_path / "runs" / "exa-data", tmp_path / "models" / "tiny"
    shutil.copytree(built, run)
    shutil.copy(specs / "personas" / "exa.yaml", tmp_path / "exa.yaml")
    (tmp_path / "tiny.yaml").write_text(RECIPE.replace("RUN", str(run)), encoding="utf-8")
    loaded = load_recipe(tmp_path / "tiny.yaml")
    splits = [read_split(str(run), name, loaded.persona) for name in ("train", "validation")]
    ids = [each.id for each in splits[0].conversations]
    result = StageResult(
        name="exa-data",
        method="sft",
        data=str(run),
        fingerprint=splits[0].fingerprint,
        held_out_fingerprint=splits[1].fingerprint,
        is_simulated=True,
        rows=len(ids),
        cut=1,
        left_out=1,
        tokens=100 * len(ids),
        steps=7,
        seconds=1.0,
        held_out_loss_before=5.0,
        held_out_loss_after=4.0,
        adapter_sha256="0" * 64,
    )
    (folder / "1-exa-data").mkdir(parents=True)
    manifest = json.dumps(describe(loaded, [result]), ensure_ascii=False)
    (folder / "manifest.json").write_text(manifest, encoding="utf-8")
    tokens = pa.array([None] + [100] * (len(ids) - 1), pa.int32())
    rows = {"id": ids, "split": ["train"] * len(ids), "tokens": tokens, "is_cut": [False] * len(ids)}
    pq.write_table(pa.table(rows), folder / "1-exa-data" / "rows.parquet")
    return Trained(folder, run, ids)


def merge(trained: Trained, out: Path, **more: str) -> Path:
    """A merged model's `lineage.json`: the manifest, and more."""
    out.mkdir(parents=True)
    manifest = json.loads((trained.folder / "manifest.json").read_text(encoding="utf-8"))
    text = json.dumps({**manifest, **more, "weights": {"model.safetensors": "0" * 64}}, ensure_ascii=False)
    (out / "lineage.json").write_text(text, encoding="utf-8")
    return out


def test_a_merged_model_leads_back_to_recipe_base_licence_and_data(trained: Trained) -> None:
    facts = trace_model(merge(trained, trained.folder / "merged"))
    assert facts["recipe"] == "tiny"
    assert facts["persona"] == "exa"
    assert facts["base"]["licence"]["name"] == "Apache-2.0"
    (stage,) = facts["stages"]
    assert stage["data"] == str(trained.run)
    assert stage["data_now"] == "unchanged"
    assert facts["trained_in"] == str(trained.folder)
    assert "[bold]stages[/]" in "\n".join(draw(facts))


def test_data_that_is_no_longer_what_was_trained_on_is_told(trained: Trained) -> None:
    shard = next((trained.run / "curated" / "train").glob("*.parquet"))
    table = pq.read_table(shard)
    pq.write_table(table.slice(1), shard)
    assert trace_model(trained.folder)["stages"][0]["data_now"] == "changed"
    shutil.rmtree(trained.run)
    assert trace_model(trained.folder)["stages"][0]["data_now"] == "not there"


def test_while_it_is_trained_a_model_tells_of_the_stages_that_have_begun(trained: Trained) -> None:
    path = trained.folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    stages = [{**manifest["recipe"]["stages"][0], "name": name} for name in ("not-begun", "exa-data")]
    manifest |= {"stages": [], "recipe": {**manifest["recipe"], "stages": stages}}
    path.write_text(json.dumps(manifest), encoding="utf-8")
    (trained.folder / "1-exa-data").rename(trained.folder / "2-exa-data")
    assert trace_model(trained.folder)["stages"] == []
    assert trace_row(trained.folder, trained.ids[3])["stage"] == "2-exa-data"


def test_each_row_leads_to_the_attempt_that_made_it(trained: Trained) -> None:
    merged = merge(trained, trained.folder / "merged")
    shard = pq.read_table(trained.run / "curated" / "train", columns=["id", "prompt_sha256", "topic"])
    for row in shard.to_pylist()[:10]:
        facts = trace_row(merged, row["id"])
        assert facts["stage"] == "1-exa-data"
        assert facts["split"] == "train"
        assert facts["attempt"]["prompt_sha256"] == row["prompt_sha256"]
        assert facts["attempt"]["topic"] == row["topic"]
        assert facts["attempt"]["seq"] == int(row["id"].rpartition("-")[2])
        assert facts["attempt"]["model"] == "damhwa-simulator"
        assert json.dumps(facts)


def test_a_row_of_a_duet_leads_to_all_the_requests_that_made_it(tmp_path: Path) -> None:
    spec = make_duet(write_spec(tmp_path / "specs"), quota=8)
    shares = "splits:\n  shares: {train: 0.6, validation: 0.3, test: 0.1}\n"
    (spec.parent / "curation.yaml").write_text(shares, encoding="utf-8")
    build(str(spec), tmp_path / "built", BuildOptions(ProviderOptions(offline=True), baseline=0))
    trained = train_on(tmp_path / "built", spec.parent, tmp_path)
    for dialogue in read_split(str(trained.run), "train", load_recipe(tmp_path / "tiny.yaml").persona).conversations:
        attempt = trace_row(trained.folder, dialogue.id)["attempt"]
        told = attempt["duet"]
        assert told["user"] + told["persona"] == sum(each["role"] != "system" for each in dialogue.messages)
        assert told["prompt_tokens"] == attempt["prompt_tokens"]
        assert told["completion_tokens"] == attempt["completion_tokens"] > 0
        assert "duet" in "\n".join(draw(attempt))


def test_a_row_that_was_left_out_as_too_long_is_found_too(trained: Trained) -> None:
    assert trace_row(trained.folder, trained.ids[0])["tokens"] is None


def test_an_unknown_id_is_answered_with_the_nearest(trained: Trained) -> None:
    wrong = trained.ids[5] + "x"
    with pytest.raises(UsageError, match=f"trained on a row '{wrong}'") as error:
        trace_row(trained.folder, wrong)
    assert trained.ids[5] in str(error.value.hint)
    with pytest.raises(UsageError) as error:
        trace_row(trained.folder, trained.ids[5][-6:])
    assert trained.ids[5] in str(error.value.hint)


def test_a_run_that_moved_is_told_with_the_place_where_it_was(trained: Trained) -> None:
    trained.run.rename(trained.run.with_name("elsewhere"))
    with pytest.raises(UsageError, match=r"its run .*exa-data is not there"):
        trace_row(trained.folder, trained.ids[3])


def test_data_that_no_run_of_ours_made_has_no_ledger_to_ask(trained: Trained) -> None:
    (trained.run / "ledger.db").unlink()
    with pytest.raises(UsageError, match="has no ledger"):
        trace_row(trained.folder, trained.ids[3])


def test_the_ledger_of_another_run_is_not_believed(trained: Trained) -> None:
    rows = trained.folder / "1-exa-data" / "rows.parquet"
    other = "test-data-00000000-000003"
    pq.write_table(pa.table({"id": [other], "split": ["train"], "tokens": [9], "is_cut": [False]}), rows)
    with pytest.raises(DataError, match="another run's"):
        trace_row(trained.folder, other)


def test_a_merged_model_that_was_taken_away_has_no_rows_beside_it(trained: Trained, tmp_path: Path) -> None:
    away = merge(trained, tmp_path / "away" / "merged")
    assert trace_model(away)["recipe"] == "tiny"
    with pytest.raises(UsageError, match=r"rows\.parquet"):
        trace_row(away, trained.ids[3])


def test_a_model_that_was_merged_elsewhere_leads_back_to_where_it_was_trained(trained: Trained, tmp_path: Path) -> None:
    away = merge(trained, tmp_path / "away" / "merged", trained_in=str(trained.folder))
    assert trace_model(away)["trained_in"] == str(trained.folder)
    assert trace_row(away, trained.ids[3])["stage"] == "1-exa-data"


def test_a_trained_folder_that_moved_with_its_merged_model_in_it_is_found_around_it(trained: Trained) -> None:
    merge(trained, trained.folder / "merged", trained_in=str(trained.folder))
    moved = trained.folder.rename(trained.folder.with_name("moved"))
    assert trace_row(moved / "merged", trained.ids[3])["stage"] == "1-exa-data"


def test_a_folder_that_is_no_model_and_a_torn_manifest_are_refused(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no model of ours"):
        trace_model(tmp_path)
    merged = merge(trained, trained.folder / "merged")
    (trained.folder / "manifest.json").write_text('{"recipe": {', encoding="utf-8")
    with pytest.raises(DataError, match=r"manifest\.json"):
        trace_model(trained.folder)
    (trained.folder / "1-exa-data" / "rows.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(DataError, match=r"rows\.parquet"):
        trace_row(merged, trained.ids[0])
