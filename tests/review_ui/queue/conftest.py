"""Rooms to decide in, on both databases."""

from collections.abc import Iterator

import pytest

from tests.review_ui.queue.lot_room import Room, open_room


@pytest.fixture
def room(database_url: str) -> Iterator[Room]:
    """Nobody looks a second time."""
    with open_room(database_url) as opened:
        yield opened


@pytest.fixture
def blind_room(database_url: str) -> Iterator[Room]:
    """All audited dialogues get a second look."""
    with open_room(database_url, share=1.0) as opened:
        yield opened
