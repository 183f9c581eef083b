"""An edit that is sent again, because its answer got lost on the way, is the same edit."""

import shutil
from pathlib import Path
from typing import Any

import requests

from review_ui.access.loopback import LoopbackAccess
from review_ui.app import build_app
from review_ui.reviewed_run import ReviewedRun, ReviewOptions
from review_ui.service import Service
from tests.conftest import serve_in_thread

KEY = "an-edit-0001"


def test_an_edit_sent_again_is_stored_once_and_answered_the_same(built_run: Path, tmp_path: Path) -> None:
    run = ReviewedRun.open(shutil.copytree(built_run, tmp_path / "exa-data"), ReviewOptions())
    with serve_in_thread(build_app(Service({run.name: run}), LoopbackAccess("reviewer-a"))) as url:
        api = url.removesuffix("/v1") + "/api/v1"
        headers = {"X-CSRF-Token": requests.get(f"{api}/me", timeout=10).json()["csrf"]}

        def post(path: str, body: dict[str, Any]) -> requests.Response:
            return requests.post(f"{api}/runs/{run.name}/{path}", json=body, headers=headers, timeout=30)

        card = post("claims", {"mode": "audit"}).json()["cards"][0]
        edit: dict[str, Any] = {
            "key": KEY,
            "id": card["id"],
            "revision": 1,
            "kind": "edit",
            "mode": "audit",
            "looked_ms": 4_000,
        }
        edit |= {"decided_at": 1.0, "screen": {"mode": "audit"}}
        edit |= {"edits": [{"turn": 1, "content": "어서 와, 오늘 하루는 어땠어?"}]}
        first, again = post("decisions", edit), post("decisions", edit)
        assert (first.status_code, again.status_code) == (200, 200)
        assert (first.json()["is_new"], again.json()["is_new"]) == (True, False)
        for name in ("revision", "state", "verdict", "findings"):
            assert again.json()[name] == first.json()[name]
        assert first.json()["revision"] == 2
        other = post("decisions", edit | {"key": "an-edit-0002"})
        assert (other.status_code, other.json()["code"]) == (409, "stale")
