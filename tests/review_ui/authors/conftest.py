"""Studios to come into, and a window."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Page, async_playwright

from tests.review_ui.authors.studio import Studio, open_studio

Edit = Callable[[Path, str, str], None]


@pytest.fixture
async def studio(spec: Path, tmp_path: Path, edit: Edit) -> AsyncIterator[Studio]:
    """Without a log-in; the spec has a comment to lose, and nothing is built yet."""
    edit(spec, "quota: 12\n", "quota: 12  # 열두 편이면 충분함\n")
    async with open_studio(tmp_path, spec) as opened:
        yield opened


@pytest.fixture
async def client(studio: Studio) -> AsyncIterator[aiohttp.ClientSession]:
    async with studio.enter() as opened:
        yield opened


@pytest.fixture
async def page(chromium: Path) -> AsyncIterator[Page]:
    """A window; whatever its console complains about fails the test, but for answers that are refusals."""
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = await browser.new_page(locale="ko-KR")
        opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        yield opened
        await browser.close()
    assert [each for each in complaints if "status of 4" not in each] == []
