import threading
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.errors import DataError
from datagen.media import MediaFile, check_media, check_medium, find_medium, store_medium, sweep_media
from datagen.media_type import FLAC as FLAC_TYPE
from datagen.media_type import GIF, JPEG, MAX_BYTES, OGG, PNG, WAV, WEBP, BadMediumError, measure_picture, recognise
from datagen.media_type import MP3 as MP3_TYPE
from datagen.record import Dialogue, Medium, Message
from tests.pictures import FLAC, MP3, OPUS, make_gif, make_jpeg, make_png, make_wav, make_webp


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (make_png(), PNG),
        (make_jpeg(), JPEG),
        (make_webp(), WEBP),
        (make_gif(), GIF),
        (make_wav(), WAV),
        (MP3, MP3_TYPE),
        (MP3[12:], MP3_TYPE),
        (OPUS, OGG),
        (FLAC, FLAC_TYPE),
    ],
)
def test_a_picture_or_recording_is_known_by_its_bytes(content: bytes, expected: object) -> None:
    assert recognise(content) == expected


@pytest.mark.parametrize("make", [make_png, make_jpeg, make_webp, make_gif])
def test_a_picture_is_measured_without_decoding_it(make: object) -> None:
    content = make(width=640, height=360)  # type: ignore[operator]
    assert measure_picture(content, recognise(content)) == (640, 360)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "an empty file is no picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no picture"),
        (b"%PDF-1.7", "'%PDF-1.7'"),
        (b"RIFF\0\0\0\0AVI ", "is no picture"),
        (b"OggS" + bytes(24) + b"\x80theora", "is no picture"),
        (b"\xff\xf1\x50\x80" + bytes(30), "is no picture"),  # AAC has the same sync, and no layer
        (make_png()[:-20], "cut off"),
        (make_jpeg()[:-2], "cut off"),  # the thumbnail's end is not the picture's
        (make_webp()[:-4], "cut off"),
        (make_png(width=0), "holds no picture"),
        (make_png() + bytes(MAX_BYTES["image"]), "too large, expected at most 20,000,000"),
    ],
)
def test_what_is_no_whole_picture_or_recording_is_refused_in_words(content: bytes, says: str) -> None:
    with pytest.raises(BadMediumError, match=says.replace("(", r"\(")):
        recognise(content)


@pytest.mark.parametrize("claim", ["image/jpeg", ".jpg", ".gif", "image/svg+xml", "audio/wav"])
def test_a_picture_that_claims_another_type_is_refused(claim: str) -> None:
    with pytest.raises(BadMediumError, match=f"called {claim}, and its bytes are image/png".replace("+", r"\+")):
        recognise(make_png(), claim)


@pytest.mark.parametrize(
    ("content", "claim"),
    [(make_jpeg(), "image/jpg"), (make_jpeg(), ".JPEG"), (make_wav(), "audio/x-wav"), (OPUS, "audio/ogg; codecs=opus")],
)
def test_the_names_that_a_type_goes_by_are_no_other_type(content: bytes, claim: str) -> None:
    recognise(content, claim)


@given(st.binary(max_size=300) | st.builds(lambda head, rest: head + rest, st.sampled_from(
    [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBP", b"OggS", b"ID3", b"\xff\xfb"]
), st.binary(max_size=200)))  # fmt: skip
def test_any_bytes_are_recognised_or_refused(content: bytes) -> None:
    with suppress(BadMediumError):
        assert MediaFile.of(content).size == len(content)


def test_a_stored_file_lies_under_its_hash_and_once(tmp_path: Path) -> None:
    first = store_medium(tmp_path, make_png(), ".png")
    place = tmp_path / first.path
    written = place.stat().st_mtime_ns
    assert store_medium(tmp_path, make_png()) == first
    assert place.read_bytes() == make_png()
    assert place.name == f"{first.sha256}.png"
    assert place.stat().st_mtime_ns == written
    assert [each.name for each in (tmp_path / "media").iterdir()] == [place.name]


def test_a_file_that_is_not_what_its_name_says_is_written_again(tmp_path: Path) -> None:
    stored = store_medium(tmp_path, make_png())
    (tmp_path / stored.path).write_bytes(make_png()[:-1] + b"?")
    store_medium(tmp_path, make_png())
    assert (tmp_path / stored.path).read_bytes() == make_png()


def test_a_link_in_the_place_of_a_file_is_replaced_by_the_file(tmp_path: Path) -> None:
    stored = store_medium(tmp_path, make_png())
    (tmp_path / "elsewhere.png").write_bytes(make_png())
    (tmp_path / stored.path).unlink()
    (tmp_path / stored.path).symlink_to(tmp_path / "elsewhere.png")
    store_medium(tmp_path, make_png())
    assert check_medium(tmp_path, stored.show_in(0)) is None


def test_many_may_store_the_same_file_at_once(tmp_path: Path) -> None:
    failed: list[BaseException] = []

    def store() -> None:
        try:
            store_medium(tmp_path, make_wav(50_000))
        except BaseException as exc:
            failed.append(exc)

    threads = [threading.Thread(target=store) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(list((tmp_path / "media").iterdir())) == 1


def test_what_a_crash_left_half_written_is_swept_away_and_nothing_else(tmp_path: Path) -> None:
    stored = store_medium(tmp_path, make_png())
    torn = tmp_path / "media" / f".{'a' * 64}.png.1-2.writing"
    torn.write_bytes(b"\x89PNG")
    sweep_media(tmp_path)
    assert not torn.exists()
    assert (tmp_path / stored.path).is_file()


def test_a_disk_that_takes_nothing_is_an_error_with_the_files_name(tmp_path: Path) -> None:
    (tmp_path / "media").write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(DataError, match="could not be written"):
        store_medium(tmp_path, make_png())


def _make_dialogue(*media: Medium) -> Dialogue:
    messages = (Message("user", "이 사진 봐 봐"), Message("assistant", "와, 귀엽다!"))
    return Dialogue(
        "a-1", "a", "사진", "intellectual", "exa", messages, "{}", "m", "p", "", "", None, None, None,
        datetime(2026, 1, 1, tzinfo=UTC), media,
    )  # fmt: skip


def test_a_dialogue_whose_files_are_there_has_nothing_wrong(tmp_path: Path) -> None:
    picture, recording = store_medium(tmp_path, make_png()), store_medium(tmp_path, make_wav())
    assert check_media(_make_dialogue(picture.show_in(0), recording.show_in(1)), tmp_path) == ()


def test_a_missing_a_shorter_and_a_changed_file_are_told_apart(tmp_path: Path) -> None:
    media = [store_medium(tmp_path, make_png((shade, 0, 0))).show_in(0) for shade in range(3)]
    (tmp_path / media[0].path).unlink()
    with (tmp_path / media[1].path).open("r+b") as file:
        file.truncate(20)
    changed = bytearray(make_png((2, 0, 0)))
    changed[-20] ^= 1
    (tmp_path / media[2].path).write_bytes(changed)
    said = [wrong for _, wrong in check_media(_make_dialogue(*media), tmp_path)]
    assert [("is not there" in said[0]), ("has 20 bytes, the row says" in said[1]), ("sha256" in said[2])] == [True] * 3


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../secret.png", "media/../../secret.png", "media/cat.png", f"media/{'0' * 64}.png", ""]
)
def test_a_path_that_is_not_its_hash_in_media_leads_nowhere(tmp_path: Path, path: str) -> None:
    medium = replace(MediaFile.of(make_png()).show_in(0), path=path)
    assert find_medium(tmp_path, medium) is None
    assert "is no name of a file in media/" in check_media(_make_dialogue(medium), tmp_path)[0][1]


def test_a_link_in_the_media_folder_leads_nowhere(tmp_path: Path) -> None:
    medium = MediaFile.of(make_png()).show_in(0)
    (tmp_path / "media").mkdir()
    (tmp_path / "elsewhere").write_bytes(make_png())
    (tmp_path / medium.path).symlink_to(tmp_path / "elsewhere")
    assert find_medium(tmp_path, medium) is None
