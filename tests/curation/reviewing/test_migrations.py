"""The review database's form: made once, known again, refused where it is of a later version; and what cannot open."""

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from curation.reviewing.connect import open_database
from curation.reviewing.migrations import CURRENT, VERSION
from curation.reviewing.tables import METADATA, SETTINGS
from datagen.errors import DataError, UsageError


def _read_version(url: str) -> str:
    database = open_database(url)
    query = sa.select(SETTINGS.c.value).where(SETTINGS.c.name == VERSION)
    version: str = database.read(lambda connection: connection.execute(query).scalar_one())
    database.close()
    return version


def test_a_new_database_has_all_tables_and_the_current_version(database_url: str) -> None:
    assert _read_version(database_url) == str(CURRENT)
    engine = sa.create_engine(database_url)
    assert set(METADATA.tables) <= set(sa.inspect(engine).get_table_names())
    engine.dispose()


def test_opening_again_changes_nothing(database_url: str) -> None:
    database = open_database(database_url)
    database.write(lambda connection: connection.execute(sa.insert(SETTINGS).values(name="kept", value="그대로")))
    database.close()
    database = open_database(database_url)
    kept = database.read(lambda connection: connection.execute(sa.select(SETTINGS.c.value).order_by("value")).all())
    database.close()
    assert [each.value for each in kept] == [str(CURRENT), "그대로"]


def test_a_database_of_a_later_version_is_refused_and_left_alone(database_url: str) -> None:
    database = open_database(database_url)
    later = sa.update(SETTINGS).where(SETTINGS.c.name == VERSION).values(value=str(CURRENT + 1))
    database.write(lambda connection: connection.execute(later))
    with pytest.raises(DataError, match=f"version {CURRENT + 1}, this damhwa knows {CURRENT}"):
        open_database(database_url)
    query = sa.select(SETTINGS.c.value)
    assert database.read(lambda connection: connection.execute(query).scalar_one()) == str(CURRENT + 1)
    database.close()


def test_services_that_start_at_once_make_the_tables_once(database_url: str) -> None:
    barrier, failures = threading.Barrier(6), []

    def start() -> None:
        barrier.wait(10)
        try:
            open_database(database_url).close()
        except Exception as exc:  # told below, in the thread that can fail the test
            failures.append(exc)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert failures == []
    assert _read_version(database_url) == str(CURRENT)


@pytest.mark.parametrize("version", ["세 번째", None])
def test_a_database_without_a_version_that_can_be_read_is_told(database_url: str, version: str | None) -> None:
    database = open_database(database_url)
    where = SETTINGS.c.name == VERSION
    change = sa.delete(SETTINGS).where(where) if version is None else sa.update(SETTINGS).values(value=version)
    database.write(lambda connection: connection.execute(change))
    database.close()
    with pytest.raises(DataError, match="it is damaged, or another program's"):
        open_database(database_url)


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_file_that_is_deleted_or_replaced_while_open_takes_nothing_more(tmp_path: Path, how: str) -> None:
    path = tmp_path / "reviews.db"
    database = open_database(f"sqlite:///{path}")
    open_database(f"sqlite:///{tmp_path / 'other.db'}").close()
    insert = sa.insert(SETTINGS).values(name="kept", value="그대로")
    if how == "deleted":
        path.rename(tmp_path / "moved.db")
    else:
        (tmp_path / "other.db").rename(path)
    with pytest.raises(DataError, match=r"not there any more|was replaced by another file"):
        database.write(lambda connection: connection.execute(insert))
    if how == "deleted":
        (tmp_path / "moved.db").rename(path)  # back in its place it goes on
        database.write(lambda connection: connection.execute(insert))
    database.close()


def test_a_file_that_is_deleted_while_it_is_written_to_acknowledges_nothing(tmp_path: Path) -> None:
    path = tmp_path / "reviews.db"
    database = open_database(f"sqlite:///{path}")
    with pytest.raises(DataError, match="not there any more"):
        database.write(lambda _: path.unlink())
    database.close()


@pytest.mark.parametrize("torn", ["cut", "garbage", "text"])
def test_a_torn_sqlite_file_is_told_and_not_overwritten(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "reviews.db"
    if torn == "cut":
        open_database(f"sqlite:///{path}").close()
        path.write_bytes(path.read_bytes()[:4_000])
    elif torn == "garbage":
        open_database(f"sqlite:///{path}").close()
        whole = path.read_bytes()
        path.write_bytes(whole[:100] + bytes(b ^ 0x5A for b in whole[100:]))
    else:
        path.write_text("검수 기록이 아닌 파일\n" * 200, encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"the review database sqlite:///.*reviews\.db failed: "):
        open_database(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_database_in_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unable to open database file"):
        open_database(f"sqlite:///{tmp_path / 'no' / 'reviews.db'}")


def test_a_server_that_is_away_is_told_without_its_password() -> None:
    with pytest.raises(DataError) as caught:
        open_database("postgresql+psycopg://reviews:s3cret-word@127.0.0.1:1/reviews?connect_timeout=3")
    assert "reviews:***@127.0.0.1:1/reviews" in caught.value.message
    assert "s3cret-word" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    "url",
    [
        "reviews",
        "mysql+nothing://a:s3cret-word@host/reviews",
        "postgresql+psycopg://h:port:s3cret-word/x",
        "oracle://a:s3cret-word@h/x",
        "",
    ],
)
def test_what_is_no_database_is_a_usage_error_without_the_password(url: str) -> None:
    with pytest.raises(UsageError, match="is no database that can be opened") as caught:
        open_database(url)
    assert "s3cret-word" not in f"{caught.value.message} {caught.value.hint}"
