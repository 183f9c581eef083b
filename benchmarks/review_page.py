"""The review page in real Chromium: how soon the next card is drawn, and what a hasty finger does.

A card is drawn when the frame after the change has been put together: the change of `data-id` is observed, the next
animation frame awaited, and a message posted in it, which comes after layout and paint. The clock starts at the
keydown's own time stamp, when the browser got the key. The added round trip is a TCP proxy that holds back every
piece by 30 ms in either direction, and leaves the connection's set-up as it is.
"""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.review_service import percentile

CHROMIUM = Path("/usr/bin/chromium")
ROUND_TRIP_S = 0.06
PRESSES, HASTY, HASTY_S = 60, 20, 0.06
READ_S = 0.4
"""Between keys that are measured: longer than the 250 ms for which a new card takes none."""
ALIVE_MS = 250
_WATCH = """
  window.drawn = []; window.presses = [];
  addEventListener("DOMContentLoaded", () => {
    const main = document.getElementById("main");
    new MutationObserver(() => {
      const card = { id: main.dataset.id, changed: performance.now() };
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => drawn.push({ ...card, at: performance.now() });
        port2.postMessage(0);
      });
    }).observe(main, { attributes: true, attributeFilter: ["data-id"] });
  });
  addEventListener("keydown", (event) => presses.push({ at: event.timeStamp,
    id: document.getElementById("main").dataset.id }), true);
"""


@dataclass(slots=True)
class PageFigures:
    """Milliseconds, and kB on the wire. `decided`, `blind`, `lost`: of the hasty presses."""

    next_card_ms: list[float] = field(default_factory=list)
    cold_ms: list[float] = field(default_factory=list)
    cold_kb: list[float] = field(default_factory=list)
    decided: int = 0
    blind: int = 0
    lost: int = 0

    def tell(self) -> str:
        seconds = [each / 1_000 for each in self.next_card_ms]
        return (
            f"next card p50 {percentile(seconds, 0.5):.1f} ms, p95 {percentile(seconds, 0.95):.1f} ms; "
            f"cold page {percentile([each / 1_000 for each in self.cold_ms], 0.5):.0f} ms, {max(self.cold_kb):.1f} kB; "
            f"{HASTY} presses: {self.decided} decided, {self.blind} blind, {self.lost} lost"
        )


def watch_page(url: str, presses: int = PRESSES, visits: int = 5) -> PageFigures:
    """Figures of the page of a service without a log-in."""
    figures = PageFigures()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for _ in range(visits):
            _visit_cold(browser, url, figures)
        page = _open(browser, url)
        _press(page, presses, READ_S)
        figures.next_card_ms = _match(page)
        _press_hastily(page, figures)
        browser.close()
    return figures


def _open(browser: Browser, url: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.add_init_script(_WATCH)
    page.goto(url)
    _wait(page, "window.drawn.some((each) => each.id)")
    return page


def _visit_cold(browser: Browser, url: str, figures: PageFigures) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    received: list[float] = []
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    page.add_init_script(_WATCH)
    page.goto(url)
    _wait(page, "window.drawn.some((each) => each.id)")
    figures.cold_ms.append(page.evaluate("window.drawn.find((each) => each.id).at"))
    page.wait_for_load_state("networkidle")
    figures.cold_kb.append(sum(received) / 1_000)
    context.close()


def _wait(page: Page, claim: str) -> None:
    """Asked from outside: the page's own policy forbids what waits inside."""
    end = time.monotonic() + 30
    while not page.evaluate(claim):
        if time.monotonic() > end:
            raise TimeoutError(claim)
        page.wait_for_timeout(20)


def _press(page: Page, count: int, pause_s: float) -> None:
    page.evaluate("() => { drawn.length = 0; presses.length = 0; }")
    page.wait_for_timeout(READ_S * 1_000)
    due = time.perf_counter()
    for _ in range(count):
        page.keyboard.press("KeyA")
        due += pause_s
        page.wait_for_timeout(max(0.0, due - time.perf_counter()) * 1_000)
    page.wait_for_timeout(1_000)


def _match(page: Page) -> list[float]:
    """From each key to the first card that was drawn after it, where it is another one."""
    presses: list[dict[str, Any]] = page.evaluate("presses")
    drawn: list[dict[str, Any]] = page.evaluate("drawn")
    found = []
    for number, press in enumerate(presses):
        end = presses[number + 1]["at"] if number + 1 < len(presses) else float("inf")
        after = [each for each in drawn if press["at"] < each["changed"] < end and each["id"] not in ("", press["id"])]
        if after:
            found.append(after[0]["at"] - press["at"])
    return found


def _press_hastily(page: Page, figures: PageFigures) -> None:
    first = page.evaluate("document.getElementById('main').dataset.id")
    _press(page, HASTY, HASTY_S)
    presses, drawn = page.evaluate("presses"), page.evaluate("drawn")
    _wait(page, "!Object.keys(localStorage).some((name) => name.includes(':out:'))")
    stored = page.evaluate(
        "async () => (await (await fetch(`/api/v1/runs/${page.runs[0]}/decisions`)).json()).decisions.map((d) => d.id)"
    )
    left = [first, *(each["id"] for each in drawn if each["id"])][:-1]
    since = {each["id"]: each["changed"] for each in drawn}
    for id_ in left:
        last = max(each["at"] for each in presses if each["id"] == id_)
        figures.blind += last - since.get(id_, float("-inf")) < ALIVE_MS
    figures.decided, figures.lost = len(left), len(set(left) - set(stored))


@contextmanager
def slow_down(url: str, round_trip_s: float = ROUND_TRIP_S) -> Iterator[str]:
    """The URL of a proxy that adds this round trip."""
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    loop = asyncio.new_event_loop()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            loop.call_later(round_trip_s / 2, writer.write, data)
        loop.call_later(round_trip_s / 2, writer.close)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(host, int(port))
        await asyncio.gather(carry(reader, forth), carry(back, writer), return_exceptions=True)

    server = loop.run_until_complete(asyncio.start_server(pass_on, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
