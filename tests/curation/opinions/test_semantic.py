"""Likeness in meaning: exact pairs of cosines, embeddings over real HTTP kept in the ledger, notes or drops."""

import json
import sys
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from curation.curate import CurateRequest, curate
from curation.duplicates.pairs import Kind, Pairs
from curation.opinions import semantic
from curation.opinions.desk import Desk
from curation.opinions.embeddings import pack_vector, unpack_vector
from curation.opinions.gather import gather_opinions
from curation.opinions.semantic import SemanticPairs, add_pairs, find_pairs, list_notes, select_new
from datagen.errors import BudgetSpentError, DataError, UsageError
from datagen.simulator.server import Simulator
from tests.curation.opinions.opinion_world import (
    TALKS,
    OpinionServer,
    give_vectors,
    make_settings,
    open_material,
    refuse,
    write_talks,
)

AGAIN = (
    "면접 보고 왔는데 결과가 안 좋대ㅠ",
    "*등을 쓸어 주며* 많이 서운하지? 오늘 밤은 그냥 쉬자.",
    "네 주나 매달렸는데 다 날아간 기분이야",
    "쌓은 건 그대로 남아. 다음 기회엔 분명히 붙어!",
)
"""What the first of the talks says, in other words."""
POLAR = {"면접": 0.0, "김치찌개": 40.0, "운동": 80.0, "양자": 120.0, "이사": 160.0}
"""A word of each talk → degrees."""


@pytest.fixture
def server() -> OpinionServer:
    return OpinionServer(embed=lambda body: give_vectors([point(text) for text in body["input"]]))


@pytest.fixture
def url(server: OpinionServer) -> Iterator[str]:
    with server.serve() as url:
        yield url


def point(text: str) -> list[float]:
    degrees = next((value for word, value in POLAR.items() if word in text), 200.0)
    degrees += 5 if text.startswith(AGAIN[0]) else 0
    return [3 * float(np.cos(np.radians(degrees))), 3 * float(np.sin(np.radians(degrees)))]


def compare(tmp_path: Path, url: str, talks: Any = (*TALKS, AGAIN), **options: Any) -> SemanticPairs:
    provider = {"model": "e-1", "base_url": url, **options.pop("provider", {})}
    settings = make_settings(semantic={"provider": provider, **options})
    pairs = gather_opinions(Desk(tmp_path / "out"), settings, open_material(tmp_path, talks)).semantic
    assert pairs is not None
    return pairs


matrices = st_numpy.arrays(
    np.float32, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=st.floats(-1, 1, width=16)
)


@given(matrices, st.sampled_from([0.3, 0.7, 0.95, 1.0]), st.integers(1, 5))
def test_pairs_are_those_that_all_against_all_finds(matrix: Any, threshold: float, block: int) -> None:
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    vectors = np.divide(matrix, lengths, out=np.zeros_like(matrix), where=lengths > 0)
    rows = np.arange(len(vectors)) * 3
    pairs = find_pairs(vectors, rows, threshold, block)
    cosines = vectors @ vectors.T
    sure = {(3 * a, 3 * b) for a, b in combinations(range(len(rows)), 2) if cosines[a, b] >= threshold}
    at_most = {(3 * a, 3 * b) for a, b in combinations(range(len(rows)), 2) if cosines[a, b] >= threshold - 1e-5}
    found = list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    assert sure <= set(found) <= at_most
    assert found == sorted(set(found))
    assert (pairs.cosine <= 1).all()


def test_a_threshold_that_pairs_everything_with_everything_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(semantic, "MAX_PAIRS", 100)
    with pytest.raises(UsageError, match=r"more than 100 pairs have a cosine of 0\.9 or more"):
        find_pairs(np.ones((40, 1), dtype=np.float32), np.arange(40), 0.9, block=8)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_a_packed_vector_comes_back_with_length_one(values: list[float]) -> None:
    vector = unpack_vector(pack_vector(values))
    length = np.linalg.norm(np.asarray(values))
    assert vector == pytest.approx(np.asarray(values) / (length or 1), abs=1e-6)


def test_a_damaged_vector_is_named() -> None:
    with pytest.raises(DataError, match="embedding that cannot be read"):
        unpack_vector("가나다")


def test_dialogues_are_embedded_once_by_their_turns_alone(tmp_path: Path, server: OpinionServer, url: str) -> None:
    pairs = compare(tmp_path, url, (*TALKS, AGAIN, TALKS[1]))
    assert [len(body["input"]) for body in server.asked] == [6]
    assert server.asked[0]["input"][0] == "\n".join(TALKS[0])
    assert [(pairs.left.tolist(), pairs.right.tolist())] == [([0], [5])]
    assert pairs.cosine.tolist() == pytest.approx([np.cos(np.radians(5))], abs=1e-5)
    again = compare(tmp_path, "http://127.0.0.1:9/v1", (*TALKS, AGAIN, TALKS[1]), threshold=0.7)
    assert server.counts["embeddings"] == 1
    assert list(zip(again.left.tolist(), again.right.tolist(), strict=True)) == [
        (0, 1), (0, 5), (1, 2), (1, 5), (2, 3), (3, 4)
    ]  # fmt: skip


def test_a_busy_or_confused_endpoint_is_asked_again(tmp_path: Path, server: OpinionServer, url: str) -> None:
    nan = web.Response(text='{"data": [{"index": 0, "embedding": [NaN]}]}', content_type="application/json")
    server.first = [refuse(429, retry_after="0.05"), nan]
    assert len(compare(tmp_path, url)) == 1
    assert server.counts["embeddings"] == 3


def test_a_spent_budget_keeps_the_embeddings_that_were_paid_for(
    tmp_path: Path, server: OpinionServer, url: str
) -> None:
    server.embed = lambda body: give_vectors([[1.0, 0.0]] * len(body["input"]), tokens=5_000)
    talks = [(f"{number}일째 비가 와 " * 500, "우산 챙겼어?") for number in range(60)]
    with pytest.raises(BudgetSpentError, match="semantic: the budget"):
        compare(tmp_path, url, talks, provider={"budget_tokens": 150_000, "concurrency": 1})
    assert server.counts["embeddings"] == 1
    compare(tmp_path, url, talks)
    sent = [text for body in server.asked for text in body["input"]]
    assert len(sent) == len(set(sent)) == 60
    assert max(map(len, sent)) <= 6_000


def test_another_model_behind_the_same_name_is_told(tmp_path: Path, server: OpinionServer, url: str) -> None:
    compare(tmp_path, url, TALKS[:2])
    server.embed = lambda body: give_vectors([[1.0, 0.0, 0.0]] * len(body["input"]))
    with pytest.raises(DataError, match="vectors of 2 and of 3 values"):
        compare(tmp_path, url)


def test_what_is_a_duplicate_by_its_letters_is_not_told_twice() -> None:
    found = SemanticPairs(np.array([0, 0, 2, 4]), np.array([1, 3, 3, 5]), np.array([0.97, 0.96, 0.99, 0.98]))
    known = Pairs(np.array([0, 0]), np.array([1, 3]), np.array([0.8, 0.45]), np.array([1, 1], dtype=np.uint8))
    representatives = np.array([0, 1, 2, 3, 4, 4])  # row 5 is row 4 in other spacing
    new = select_new(found, known, representatives, 0.5)
    assert list(zip(new.left.tolist(), new.right.tolist(), strict=True)) == [(0, 3), (2, 3)]
    added = add_pairs(known, new, representatives)
    assert added.left.tolist() == [0, 0, 2]
    assert added.right.tolist() == [1, 3, 3]
    assert added.similarity.tolist() == [0.8, 0.96, 0.99]
    assert added.kind.tolist() == [Kind.NEAR, Kind.SEMANTIC, Kind.SEMANTIC]


def test_a_note_names_the_nearest_and_counts_the_others() -> None:
    pairs = SemanticPairs(np.array([0, 0]), np.array([1, 2]), np.array([0.96, 0.98]))
    notes = dict(list_notes(pairs, ["a", "b", "c"], 0.95))
    assert notes[0].evidence == "뜻이 거의 같은 대화가 있음: c 말고도 1편 (코사인 0.980)"
    assert notes[1].evidence == "뜻이 거의 같은 대화가 있음: a (코사인 0.960)"
    assert (notes[2].verdict, notes[2].score, notes[2].threshold) == ("note", 0.98, 0.95)


def run_curate(folder: Path, block: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    write_talks(folder / "talks", (*TALKS, AGAIN))
    (folder / "curation.yaml").write_text(json.dumps({"semantic": block}), encoding="utf-8")
    curate(CurateRequest(folder / "talks", folder / "out", settings=folder / "curation.yaml"))
    names = ("decisions", "findings", "clusters", "semantic")
    return {name: pq.read_table(folder / "out" / "curated" / f"{name}.parquet").to_pylist() for name in names}


def test_pairs_are_noted_and_listed_and_drop_nothing_by_default(tmp_path: Path, url: str) -> None:
    tables = run_curate(tmp_path, {"provider": {"model": "e-1", "base_url": url}})
    assert {each["status"] for each in tables["decisions"]} == {"accepted"}
    assert [(each["id"], each["verdict"]) for each in tables["findings"] if each["code"] == "semantic"] == [
        ("t0", "note"),
        ("t5", "note"),
    ]
    assert tables["clusters"] == []
    (pair,) = tables["semantic"]
    assert (pair["left"], pair["right"]) == ("t0", "t5")
    assert pair["cosine"] == pytest.approx(0.9962, abs=1e-4)


def test_pairs_that_drop_are_a_cluster_of_their_kind(tmp_path: Path, url: str) -> None:
    tables = run_curate(tmp_path, {"provider": {"model": "e-1", "base_url": url}, "drop": True})
    status = {each["id"]: (each["status"], each["keeper"]) for each in tables["decisions"]}
    dropped, kept = ("t0", "t5") if status["t0"][0] == "duplicate" else ("t5", "t0")
    assert status[dropped] == ("duplicate", kept)
    assert status[kept] == ("accepted", None)
    clusters = {each["id"]: each for each in tables["clusters"]}
    assert clusters.keys() == {"t0", "t5"}
    assert clusters[dropped]["kind"] == "semantic"
    assert clusters[dropped]["similarity"] == pytest.approx(0.9962, abs=1e-4)
    assert not [each for each in tables["findings"] if each["code"] == "semantic"]


def test_the_simulator_embeds(tmp_path: Path, start_simulator: Callable[..., tuple[str, Simulator]]) -> None:
    url, simulator = start_simulator(server_error=0.0, rate_limited=0.3, retry_after_s=0.01)
    twisted = (*TALKS[0][:3], TALKS[0][3] + " 알았지?")
    pairs = compare(tmp_path, url, (*TALKS, twisted), threshold=0.9)
    assert list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)) == [(0, 5)]
    assert simulator.counts["texts"] == len(TALKS) + 1


def compare_locally(tmp_path: Path, folder: Path, **options: Any) -> SemanticPairs | None:
    settings = make_settings(semantic={"folder": str(folder), **options})
    talks = (*TALKS, AGAIN)
    return gather_opinions(Desk(tmp_path / "out"), settings, open_material(tmp_path, talks)).semantic


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere is no folder"):
        compare_locally(tmp_path, tmp_path / "nowhere")


STAND_IN = '''
from pathlib import Path

class SentenceTransformer:
    """Stands in for the real one, which brings torch: a word's place in the list is its direction."""

    def __init__(self, folder, local_files_only):
        assert local_files_only
        self.words = Path(folder, "words.txt").read_text(encoding="utf-8").split()

    def encode(self, texts, show_progress_bar):
        assert not show_progress_bar
        return [[float(word in text) for word in self.words] for text in texts]
'''


def test_a_model_on_disk_embeds_without_a_network_and_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "words.txt").write_text("면접 김치찌개 운동 양자 이사", encoding="utf-8")
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "sentence_transformers", None)
        with pytest.raises(UsageError, match="sentence-transformers is not installed"):
            compare_locally(tmp_path, model)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sentence_transformers.py").write_text(STAND_IN, encoding="utf-8")
    with monkeypatch.context() as installed:
        installed.syspath_prepend(tmp_path / "site")
        installed.delitem(sys.modules, "sentence_transformers", raising=False)
        pairs = compare_locally(tmp_path, model)
        sys.modules.pop("sentence_transformers")
    assert pairs is not None
    assert list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)) == [(0, 5)]
    remembered = compare_locally(tmp_path, model, threshold=0.9)
    assert remembered is not None
    assert remembered.left.tolist() == [0]
