"""Houses to come into."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.review_ui.access.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """With accounts, and no reviewer yet."""
    async with open_house(tmp_path) as opened:
        yield opened


@pytest.fixture
async def open_door(tmp_path: Path) -> AsyncIterator[House]:
    """On loopback, without a log-in."""
    async with open_house(tmp_path, has_log_in=False) as opened:
        yield opened
