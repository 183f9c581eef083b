"""A run that was spoken: the review page has the recordings, which no row names."""

import shutil
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from curation.recordings import Recordings
from curation.reviewing.tables import SAMPLES
from curation.voicing.voice import VoiceRequest, voice
from datagen.endpoint_options import ProviderOptions
from datagen.simulator.server import Simulator
from review_ui.cards.deal import load_texts
from review_ui.cards.media import StoredFile
from review_ui.reviewed_run import ReviewedRun
from tests.review_ui.browser.station import choose_options


def test_recordings_come_to_an_open_page_and_are_given_out(
    built_run: Path, tmp_path: Path, start_simulator: Callable[..., tuple[str, Simulator]]
) -> None:
    folder = shutil.copytree(built_run, tmp_path / "run")
    run = ReviewedRun.open(folder, choose_options(folder))
    try:
        url, _ = start_simulator()
        options = ProviderOptions(base_urls=(url,), model="tts-1")
        voice(VoiceRequest(folder, ("test",), voice="coral", options=options))
        spoken = Recordings.read(folder)
        query = sa.select(SAMPLES).where(SAMPLES.c.id.in_(list(spoken.by_id)))
        rows = run.database.read(lambda connection: connection.execute(query).all())
        dialogues = load_texts(run, rows)
        assert {each.id for each in dialogues} == set(spoken.by_id)
        for dialogue in dialogues:
            assert [each.message for each in dialogue.media] == list(range(1, dialogue.turns, 2))
            assert all(isinstance(run.look().media.find(each.sha256), StoredFile) for each in dialogue.media)
    finally:
        run.close()
