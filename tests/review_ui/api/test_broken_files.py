"""Files that break while the service runs: told with what to do, decisions go on, and all is well when they are."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from review_ui.access.loopback import LoopbackAccess
from review_ui.app import build_app
from review_ui.reviewed_run import ReviewedRun, ReviewOptions
from review_ui.service import Service
from tests.conftest import serve_in_thread

Post = Callable[..., requests.Response]


@pytest.fixture
def folder(built_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built_run, tmp_path / "exa-data"))


@pytest.fixture
def post(folder: Path) -> Iterator[Post]:
    run = ReviewedRun.open(folder, ReviewOptions())
    with serve_in_thread(build_app(Service({run.name: run}), LoopbackAccess("검수자-1"))) as url:
        api = url.removesuffix("/v1") + "/api/v1"
        headers = {"X-CSRF-Token": requests.get(f"{api}/me", timeout=10).json()["csrf"]}

        def send(path: str, **body: Any) -> requests.Response:
            return requests.post(f"{api}/runs/{run.name}/{path}", json=body, headers=headers, timeout=30)

        yield send


def _decide(post: Post, card: dict[str, Any], key: str) -> int:
    body = {"key": key, "id": card["id"], "revision": 1, "kind": "accept", "mode": "triage", "looked_ms": 900}
    return post("decisions", **body, decided_at=1.0, screen={"mode": "triage"}).status_code


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("curation.yaml", "check indentation"),
        ("spec.yaml", "delete it and run"),
        ("curated/findings.parquet", "run `damhwa curate` again"),
        ("reviews.jsonl", "mend or delete that line"),
    ],
)
def test_a_file_that_breaks_is_told_with_a_hint_and_mended_it_goes_on(
    folder: Path, post: Post, name: str, hint: str
) -> None:
    cards = post("claims", mode="triage", count=2).json()["cards"]
    path, decisions = folder / name, folder / "curated" / "decisions.parquet"
    whole = path.read_bytes() if path.exists() else None
    path.write_bytes(b"a: [\n" * 3)
    os.utime(decisions, ns=(1, 1))  # curation ran again
    answer = post("claims", mode="triage")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert str(path) in answer.json()["message"]
    assert hint in answer.json()["hint"]
    assert _decide(post, cards[0], "while-it-is-broken") == 200
    if whole is None:
        path.unlink()
    else:
        path.write_bytes(whole)
    assert post("claims", mode="triage").status_code == 200


def test_a_folder_that_is_moved_takes_no_decision_until_it_is_back(folder: Path, post: Post) -> None:
    cards = post("claims", mode="triage", count=2).json()["cards"]
    folder.rename(folder.with_name("moved"))
    assert _decide(post, cards[0], "while-it-is-away") == 503
    folder.with_name("moved").rename(folder)
    assert _decide(post, cards[0], "while-it-is-away") == 200
