"""The pictures of the documentation, made from the simulator's data: `python docs/screenshots.py RUN`.

A copy of the run is reviewed by a seeded hand through the HTTP API, then looked at in Debian's Chromium.
"""

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import APIRequestContext, Browser, sync_playwright

HERE = Path(__file__).parent
REASONS = ("persona", "speech-level", "broken")
PLAN = (
    ("일상 대화", 60, 0.01),
    ("챗봇 질의응답", 30, 0.0),
    ("학술적 대화", 44, 0.05),
    ("진로 고민", 52, 0.02),
    ("정서적 위로", 36, 0.03),
    ("농담", 24, 0.2),
    ("연애 고민", 12, 0.0),
)
"""Topic, dialogues to decide about, share of them that is flagged."""


@contextmanager
def serve(run: Path, reviewer: str) -> Iterator[str]:
    """The review service of a run on a free port; gives its address."""
    command = [sys.executable, "-m", "damhwa", "review", str(run), "--port", "0", "--reviewer", reviewer]
    with subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8", cwd=HERE.parent) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if found := re.search(r"http://\S+", line):
                    yield found[0]
                    break
        finally:
            process.terminate()


def review(api: APIRequestContext, run: str, seed: int) -> None:
    """Decide about some hundred dialogues."""
    token = api.get("/api/v1/me").json()["csrf"]
    draw = random.Random(seed)

    def post(path: str, body: dict[str, Any]) -> Any:
        return api.post(f"/api/v1/runs/{run}/{path}", data=body, headers={"X-CSRF-Token": token}).json()

    for number, (topic, share) in enumerate((topic, share) for topic, count, share in PLAN for _ in range(count)):
        cards = post("claims", {"mode": "audit", "topic": topic, "count": 1})["cards"]
        if not cards or (seed > 1 and number % 8):
            continue
        card, is_flag = cards[0], draw.random() < share
        body = {"key": f"picture-{seed}-{number:06d}", "id": card["id"], "revision": card["revision"], "mode": "audit"}
        body |= {"kind": "flag", "reason": draw.choice(REASONS)} if is_flag else {"kind": "accept"}
        body |= {"looked_ms": draw.randint(4_000, 22_000), "decided_at": 0, "screen": {"mode": "audit"}}
        post("decisions", body)


def take(browser: Browser, address: str, run: str) -> None:
    """All pictures."""
    triage, audit = f"{address}/#run={run}&mode=triage", f"{address}/#run={run}&mode=audit"
    for name, url, size, scheme in (
        ("review", triage, (1440, 820), "light"),
        ("review-dark", audit, (1440, 820), "dark"),
        ("review-phone", triage, (390, 844), "light"),
        ("dashboard", f"{address}/dashboard?run={run}", (1440, 900), "light"),
    ):
        page = browser.new_page(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,  # type: ignore[arg-type] # one of the two above
            locale="ko-KR",
        )
        page.goto(url)
        page.wait_for_timeout(1_500)
        page.screenshot(path=HERE / f"{name}.png")
        page.close()


def main(source: Path) -> None:
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        run = Path(place) / source.resolve().name
        shutil.copytree(source, run)
        os.environ.pop("DAMHWA_DATABASE", None)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for seed in (1, 2):
            with serve(run, f"검수자 {seed}") as address:
                review(playwright.request.new_context(base_url=address), run.name, seed)
        with serve(run, "검수자 1") as address:
            take(browser, address, run.name)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
