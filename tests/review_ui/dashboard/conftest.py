"""A room to decide in, on both databases; half of the audited dialogues get a second look."""

from collections.abc import Iterator

import pytest

from tests.review_ui.queue.lot_room import Room, open_room


@pytest.fixture
def room(database_url: str) -> Iterator[Room]:
    with open_room(database_url, share=0.5) as opened:
        yield opened
