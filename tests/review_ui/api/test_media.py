"""Pictures and recordings over HTTP: by their hash, to who may see dialogues, of their own type, never by a path."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from yarl import URL

from curation.recordings import Recording, Recordings, spell_out, write_recordings
from datagen.media import store_medium
from review_ui.cards.media import MediaShelf, StoredFile
from review_ui.reviewed_run import ReviewedRun
from tests.pictures import make_wav
from tests.review_ui.access.house import House, open_house
from tests.review_ui.browser.shown import curate_shown
from tests.review_ui.browser.station import choose_options


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return curate_shown(tmp_path_factory.mktemp("shown"))


@pytest.fixture
def folder(shown: Path, tmp_path: Path) -> Path:
    return shutil.copytree(shown.parent, tmp_path / "data") / shown.name


@pytest.fixture
async def house(folder: Path, tmp_path: Path) -> AsyncIterator[House]:
    run = ReviewedRun.open(folder, choose_options(folder))
    async with open_house(tmp_path, runs={run.name: run}) as opened:
        opened.add("reviewer-a")
        yield opened


RUN = "/api/v1/runs/exa-data"
EDITED = "*볼을 부풀리며* 다음엔 꼭 불러 줘! 돗자리는 내가 챙길게."


def find(folder: Path, suffix: str) -> Path:
    return next(iter(sorted((folder / "media").glob(f"*{suffix}"))))


def address(path: Path) -> str:
    return f"/api/v1/runs/exa-data/media/{path.stem}"


async def test_a_file_comes_whole_with_its_type_and_headers_that_let_nothing_run(house: House, folder: Path) -> None:
    path = find(folder, ".png")
    async with house.visit("reviewer-a") as browser, browser.get(address(path)) as answer:
        assert (answer.status, await answer.read()) == (200, path.read_bytes())
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert answer.headers["Cache-Control"] == "private, max-age=86400, immutable"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        known = answer.headers["ETag"]
    async with house.visit("reviewer-a") as browser:
        async with browser.get(address(path), headers={"If-None-Match": known}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
        async with browser.head(address(path)) as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (200, str(path.stat().st_size))


async def test_a_player_gets_the_part_it_asks_for(house: House, folder: Path) -> None:
    path = find(folder, ".wav")
    async with house.visit("reviewer-a") as browser:
        async with browser.get(address(path), headers={"Range": "bytes=100-199"}) as answer:
            assert (answer.status, await answer.read()) == (206, path.read_bytes()[100:200])
            assert answer.headers["Content-Range"] == f"bytes 100-199/{path.stat().st_size}"
            assert answer.headers["Content-Type"] == "audio/wav"
        async with browser.get(address(path), headers={"Range": "bytes=999999999-"}) as answer:
            assert answer.status == 416


async def test_nobody_gets_a_file_without_a_log_in(house: House, folder: Path) -> None:
    async with house.come() as stranger, stranger.get(address(find(folder, ".png"))) as answer:
        assert answer.status == 401
        assert b"PNG" not in await answer.read()


@pytest.mark.parametrize(
    "name",
    [
        "0" * 64,
        "..%2f..%2fspec.yaml",
        "%2e%2e%2fcuration.yaml",
        "..",
        "reviews.db",
        "%2fetc%2fpasswd",
        "{stem}.png",
        "{upper}",
    ],
)
async def test_no_other_name_finds_a_file(house: House, folder: Path, name: str) -> None:
    stem = find(folder, ".png").stem
    wanted = name.format(stem=stem, upper=stem.upper())
    async with house.visit("reviewer-a") as browser:
        url = URL(f"{house.url}/api/v1/runs/exa-data/media/{wanted}", encoded=True)
        async with browser.get(url) as answer:
            assert answer.status == 404
            assert (await answer.json())["code"] in ("no-medium", "not-found")


async def test_a_file_that_is_gone_altered_or_a_link_is_none(house: House, folder: Path) -> None:
    gone, altered, linked = sorted((folder / "media").glob("*.png"))[:3]
    async with house.visit("reviewer-a") as browser:
        async with browser.get(address(altered)) as answer:
            assert answer.status == 200
        gone.unlink()
        altered.write_bytes(altered.read_bytes()[:-1] + b"?")
        linked.unlink()
        linked.symlink_to("/etc/passwd")
        for path, told in ((gone, "is not there"), (altered, "the row says"), (linked, "none of ours")):
            async with browser.get(address(path)) as answer:
                assert answer.status == 404
                assert told in (await answer.json())["message"]


@pytest.mark.parametrize("media_type", ["text/html", "image/svg+xml", "image/jpeg", "audio/wav", ""])
def test_a_type_that_a_row_claims_and_the_name_does_not_is_not_given_out(folder: Path, media_type: str) -> None:
    path = find(folder, ".png")
    assert isinstance(MediaShelf.open(folder).find(path.stem), StoredFile)
    for measured in (folder / ".curation" / "measured").glob("*.parquet"):
        table = pq.read_table(measured)
        rows = [[each | {"media_type": media_type} for each in row] for row in table.column("media").to_pylist()]
        at = table.schema.get_field_index("media")
        field = table.schema.field("media")
        pq.write_table(table.set_column(at, field, pa.array(rows, field.type)), measured)
    told = MediaShelf.open(folder).find(path.stem)
    assert isinstance(told, str)
    assert "none of ours" in told


async def test_the_text_that_is_shown_has_its_own_recording_and_a_torn_table_stops_nobody(
    house: House, folder: Path
) -> None:
    stored = store_medium(folder, make_wav(1_234))

    async def list_heard() -> list[str]:
        async with (
            house.visit("reviewer-a") as browser,
            browser.post(f"{RUN}/claims", json={"mode": "triage", "sample": "shown-1"}) as answer,
        ):
            (card,) = (await answer.json())["cards"]
        return [each["sha256"] for each in card["turns"][3]["media"]]

    (before,) = await list_heard()
    edit = {"key": "edit-0001", "id": "shown-1", "revision": 1, "mode": "triage", "kind": "edit", "looked_ms": 9}
    edit |= {"decided_at": 0, "screen": {"mode": "triage"}, "edits": [{"turn": 3, "content": EDITED}]}
    async with house.visit("reviewer-a") as browser, browser.post(f"{RUN}/decisions", json=edit) as answer:
        assert answer.status == 200
    assert await list_heard() == []
    spoken = Recording("shown-1", spell_out(EDITED), "tts-1", "marin", stored.show_in(3))
    write_recordings(folder, Recordings.of([spoken]))
    os.utime(folder / "curated" / "decisions.parquet")
    assert await list_heard() == [stored.sha256] != [before]
    (folder / "media" / "recordings.parquet").write_bytes(b"torn")
    os.utime(folder / "curated" / "decisions.parquet")
    assert await list_heard() == []
