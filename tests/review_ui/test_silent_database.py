"""A database that is silent: nobody waits for it for ever, and what waits for a thread then is not begun."""

import asyncio
import shutil
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from datagen.errors import DataError
from review_ui.reviewed_run import ReviewedRun, ReviewOptions
from review_ui.service import Service


async def test_a_silent_database_is_told_and_what_waited_for_it_is_left_undone(built_run: Path, tmp_path: Path) -> None:
    run = ReviewedRun.open(shutil.copytree(built_run, tmp_path / "exa-data"), ReviewOptions())
    service = Service({run.name: run}, options=ReviewOptions(patience_s=0.2))
    is_silent, begun = threading.Event(), []

    def wait(_: sa.Connection) -> None:
        begun.append("first")
        is_silent.wait(30)

    def follow(_: sa.Connection) -> None:
        begun.append("second")

    try:
        tasks = [service.write(run, wait), service.write(run, follow)]
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in answers] == [DataError, DataError]
        with pytest.raises(DataError, match=r"did not answer within 0\.2 s"):
            await service.read(run, wait)
    finally:
        is_silent.set()
        await service.write(run, lambda _: begun.append("third"))
        service.close()
    assert begun == ["first", "first", "third"]
