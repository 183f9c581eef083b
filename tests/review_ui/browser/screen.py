"""A reviewer's window: what is on the screen and since when, keys and buttons, and what its console complains of."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from playwright.sync_api import BrowserContext, CDPSession, ConsoleMessage, Locator, Page, Request, expect
from playwright.sync_api import Error as PlaywrightError

from tests.review_ui.browser.station import PATIENCE_S

ALIVE_MS = 270
"""After a card was drawn, keys do nothing for 250 ms."""
NETWORK = "Failed to load resource"
WATCH = """
  window.shown = [];
  window.presses = [];
  window.violations = [];
  addEventListener("securitypolicyviolation", ({ violatedDirective }) => violations.push(violatedDirective));
  addEventListener("DOMContentLoaded", () => {
    const main = document.getElementById("main"), see = () => shown.push({
      id: main.dataset.id, revision: main.dataset.revision, at: performance.now(),
      text: document.querySelector("#turns .bubble")?.textContent ?? "" });
    if (main) new MutationObserver(see).observe(main, { attributes: true, attributeFilter: ["data-id"] });
  });
  addEventListener("keydown", (event) => presses.push({
    ...shown.at(-1), code: event.code, at: performance.now(), since: shown.at(-1)?.at }), true);
"""
"""What was shown when, told by the page itself beside its own script: a test never has to trust that script's clock."""

Result = TypeVar("Result")


@dataclass
class Screen:
    """`forgiven`: beginnings of console errors that the test means to cause; `told`: what the API answered."""

    page: Page
    url: str
    forgiven: tuple[str, ...] = ()
    complaints: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, context: BrowserContext, url: str) -> "Screen":
        page = context.new_page()
        screen = cls(page, url)
        page.add_init_script(WATCH)
        page.on("console", screen._listen)
        page.on("requestfinished", screen._overhear)
        page.on("pageerror", lambda error: screen.complaints.append(str(error)))
        return screen

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _overhear(self, request: Request) -> None:
        if "/api/" in request.url and (answer := request.response()) is not None:
            with suppress(PlaywrightError):  # the page was left, and the answer with it
                self.told.append(answer.text())

    def check(self) -> None:
        """That nothing went wrong behind the screen. Raises AssertionError."""
        assert [each for each in self.complaints if not each.startswith(self.forgiven or "\0")] == []
        assert self.page.evaluate("window.violations ?? []") == []

    def visit(self, where: str = "") -> str:
        """Load the page and wait for the first card; returns its id."""
        self.page.goto(f"{self.url}/{where}")
        return self.wait_for_card()

    def log_in(self, name: str, token: str) -> None:
        self.page.goto(self.url)
        self.page.get_by_label("이름").fill(name)
        self.page.get_by_label("토큰").fill(token)
        self.page.get_by_role("button", name="로그인").click()

    @property
    def id(self) -> str:
        return self.page.locator("#main").get_attribute("data-id") or ""

    def wait_for_card(self, besides: str = "") -> str:
        """The id of a card that is on the screen and can be decided about; of another one than `besides`."""
        self.wait_until(lambda: self.id not in ("", besides))
        self.page.wait_for_timeout(ALIVE_MS)
        return self.id

    def wait_until(self, is_met: Callable[[], Result]) -> Result:
        """Raises AssertionError where it is not met in time."""
        end = time.monotonic() + PATIENCE_S
        while not (met := is_met()):
            assert time.monotonic() < end, f"waited in vain, the screen says: {self.page.locator('body').inner_text()}"
            self.page.wait_for_timeout(20)
        return met

    def press(self, *codes: str) -> None:
        for code in codes:
            self.page.keyboard.press(code)

    def decide(self, *codes: str) -> str:
        """Press the keys that decide about the card on the screen, and wait for the next; returns the decided id."""
        decided = self.id
        self.press(*codes)
        self.wait_for_card(besides=decided)
        return decided

    def button(self, name: str) -> Locator:
        return self.page.get_by_test_id(name)

    @property
    def field(self) -> Locator:
        """Where a turn is edited."""
        return self.page.locator("#edit-text")

    @property
    def message(self) -> Locator:
        return self.page.locator("#message")

    def expect_saved(self, state: str = "saved", text: str = "") -> None:
        saved = self.page.locator("#saved")
        expect(saved).to_have_attribute("data-state", state, timeout=PATIENCE_S * 1_000)
        expect(saved).to_contain_text(text)

    def wait_for_log(self, list_events: Callable[[], list[Any]], count: int) -> list[Any]:
        """The log, once it has so many decisions and nothing more is on its way."""
        self.wait_until(lambda: len(list_events()) >= count)
        self.expect_saved()
        return list_events()

    def open_devtools(self) -> CDPSession:
        """To send what a real keyboard, layout or input method sends."""
        return self.page.context.new_cdp_session(self.page)

    def read(self, script: str) -> Any:
        return self.page.evaluate(script)
