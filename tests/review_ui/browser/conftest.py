"""Chromium, services to review in, and windows into them; what a console complains about fails its test."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from review_ui.reviewed_run import ReviewOptions
from tests.review_ui.browser.dialogues import curate_dialogues, list_dialogues
from tests.review_ui.browser.screen import Screen
from tests.review_ui.browser.station import PATIENCE_S, Ledger, Station, choose_options


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    # one a module, not one a session: while playwright is open, no test of another folder could run a loop
    expect.set_options(timeout=PATIENCE_S * 1_000)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def curated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Curated dialogues. Copy them to review them."""
    return curate_dialogues(tmp_path_factory.mktemp("curated"), list_dialogues())


@pytest.fixture
def folder(curated: Path, tmp_path: Path) -> Path:
    """Dialogues to review."""
    return shutil.copytree(curated.parent, tmp_path / "data") / curated.name


@pytest.fixture
def open_station() -> Iterator[Callable[..., Station]]:
    with ExitStack() as stack:

        def start(folder: Path, review: ReviewOptions | None = None, **values: Any) -> Station:
            station = Station(folder, review or choose_options(folder), **values)
            stack.callback(station.stop)
            station.start()
            return station

        yield start


@pytest.fixture
def station(folder: Path, open_station: Callable[..., Station]) -> Station:
    """A service on loopback, without a log-in."""
    return open_station(folder)


@pytest.fixture
def ledger(folder: Path) -> Iterator[Ledger]:
    opened = Ledger.open(folder)
    yield opened
    opened.database.close()


@pytest.fixture
def open_screen(browser: Browser) -> Iterator[Callable[..., Screen]]:
    """Open a window in a browser profile of its own: `open_screen(station, has_touch=True)`."""
    opened: list[Screen] = []
    with ExitStack() as stack:

        def open_one(station: Station, **options: Any) -> Screen:
            context = browser.new_context(**({"locale": "ko-KR", "viewport": {"width": 1440, "height": 900}} | options))
            context.set_default_timeout(PATIENCE_S * 1_000)
            stack.callback(context.close)
            opened.append(Screen.open(context, station.url))
            return opened[-1]

        yield open_one
        for each in opened:
            each.check()


@pytest.fixture
def screen(station: Station, open_screen: Callable[..., Screen]) -> Screen:
    """One reviewer's window, with nothing loaded yet."""
    return open_screen(station)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser takes its time: all of these are slow together, if not each."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.slow)
