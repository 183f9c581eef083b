"""Accounts and their tokens, on both databases."""

import os
import stat
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
import sqlalchemy as sa

from curation.reviewing.connect import Database, open_database
from curation.reviewing.tables import REVIEWERS
from datagen.errors import UsageError
from review_ui.access.accounts import Accounts
from review_ui.access.sessions import LASTS_S, Sessions, keep_key
from review_ui.access.throttle import Rate, Throttle, name_network
from review_ui.access.tokens import draw_token, is_token, name_nobody
from tests.review_ui.access.house import CHEAP


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(database, lambda: 1_000.0, CHEAP)


def test_the_token_of_an_account_fits_it_and_no_other_does(accounts: Accounts) -> None:
    token = accounts.add("검수자 1", "reviewer")
    account = accounts.find("검수자 1")
    assert account is not None
    assert is_token(token, account.salt, account.hash)
    assert is_token(f" {token.upper().replace('-', ' ')} ", account.salt, account.hash)
    assert not is_token(token[:-1], account.salt, account.hash)
    assert not is_token(draw_token(), account.salt, account.hash)
    assert not is_token("", account.salt, account.hash)


def test_no_token_lies_in_the_database(database: Database) -> None:
    accounts = Accounts(database, lambda: 1_000.0)
    tokens = [accounts.add(name, "reviewer") for name in ("reviewer-a", "reviewer-b")]
    rows = database.read(lambda connection: connection.execute(sa.select(REVIEWERS)).all())
    assert len({row.salt for row in rows}) == 2
    stored = repr(rows)
    assert all(token not in stored and token.replace("-", "") not in stored for token in tokens)
    assert all(row.hash.startswith("scrypt$16384$8$5$") for row in rows)


def test_a_name_is_given_once(accounts: Accounts) -> None:
    accounts.add("검수자", "reviewer")
    for name in ("검수자", "검수자"):  # the second is the same in decomposed letters
        with pytest.raises(UsageError, match="already"):
            accounts.add(name, "admin")
    assert [each.role for each in accounts.list()] == ["reviewer"]


@pytest.mark.parametrize("name", ["", " ", "a" * 65, "a\n", "\u202eabc", "a\u200bb", "a\x00", "\ud800", " a", "\u2028"])
def test_a_name_that_cannot_be_seen_as_it_is_is_refused(accounts: Accounts, name: str) -> None:
    with pytest.raises(UsageError, match="is no name"):
        accounts.add(name, "reviewer")


def test_a_role_that_does_not_exist_is_refused(accounts: Accounts) -> None:
    with pytest.raises(UsageError, match="is no role"):
        accounts.add("reviewer-a", "owner")


def test_a_new_token_ends_the_old_one_and_brings_a_disabled_reviewer_back(accounts: Accounts) -> None:
    old = accounts.add("reviewer-a", "reviewer")
    accounts.disable("reviewer-a")
    new = accounts.renew("reviewer-a")
    account = accounts.find("reviewer-a")
    assert account is not None
    assert account.is_active
    assert account.generation == 3
    assert is_token(new, account.salt, account.hash)
    assert not is_token(old, account.salt, account.hash)


def test_who_does_not_exist_is_told_as_such(accounts: Accounts) -> None:
    for change in (accounts.renew, accounts.disable):
        with pytest.raises(UsageError, match="there is no reviewer"):
            change("reviewer-x")


def test_services_that_start_at_once_share_one_key(database_url: str, database: Database) -> None:
    other = open_database(database_url)
    with ThreadPoolExecutor(1) as pool:

        def draw(connection: sa.Connection) -> tuple[str, Future[str]]:
            """The other one comes when the key is drawn, and not yet there for others to see."""
            key = keep_key(connection)
            second = pool.submit(other.write, keep_key)
            wait([second], timeout=0.5)
            return key, second

        key, second = database.write(draw)
        assert second.result(30) == key
    assert other.write(keep_key) == key
    other.close()


def test_a_cookie_that_was_changed_is_over_or_is_of_another_key_is_none() -> None:
    sessions = Sessions("a" * 64)
    cookie = sessions.seal("검수자 1", 3, 1_000.0)
    opened = sessions.open(cookie, 1_000.0 + LASTS_S - 1)
    assert opened is not None
    assert (opened.name, opened.generation) == ("검수자 1", 3)
    assert sessions.open(cookie, 1_000.0 + LASTS_S) is None
    assert sessions.open(cookie, 1_000.0 - 3_600) is None
    assert Sessions("b" * 64).open(cookie, 1_000.0) is None
    for at in range(len(cookie)):
        changed = cookie[:at] + ("A" if cookie[at] != "A" else "B") + cookie[at + 1 :]
        found = sessions.open(changed, 1_000.0)
        assert found is None or found == opened  # the last letter has bits that say nothing
    for odd in ("", ".", "a.b", "é", cookie + ".", "[" * 5_000):
        assert sessions.open(odd, 1_000.0) is None


def test_nobody_has_no_token() -> None:
    assert not is_token("", *name_nobody())
    assert not is_token(draw_token(), *name_nobody())


def test_tries_run_out_and_come_back_one_by_one() -> None:
    throttle = Throttle(Rate(burst=3, refill_s=10.0))
    for _ in range(3):
        assert throttle.wait_for("a", 0.0) == 0
        throttle.take("a", 0.0)
    assert throttle.wait_for("a", 0.0) == 10
    assert throttle.wait_for("a", 9.5) == 1
    assert throttle.wait_for("b", 0.0) == 0
    assert throttle.wait_for("a", 10.0) == 0
    throttle.take("a", 10.0)
    assert throttle.wait_for("a", 10.0) == 10
    throttle.give_back("a", 10.0)
    assert throttle.wait_for("a", 10.0) == 0


def test_what_a_throttle_remembers_is_bounded() -> None:
    throttle = Throttle(Rate(burst=1, refill_s=10.0), max_buckets=100)
    for number in range(1_000):
        throttle.take(str(number), 0.0)
    assert len(throttle) == 100


def test_one_network_counts_as_one_address() -> None:
    assert name_network("2001:db8::1") == name_network("2001:db8::ffff") != name_network("2001:db8:0:1::1")
    assert name_network("::ffff:192.0.2.1") == name_network("192.0.2.1")
    assert name_network("fe80::1%eth0") == name_network("fe80::2")


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_only_the_user_may_read_their_file_of_accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "한글 폴더?" / "damhwa"
    monkeypatch.setenv("XDG_DATA_HOME", str(folder.parent))
    monkeypatch.delenv("DAMHWA_DATABASE", raising=False)
    accounts = Accounts.open(lambda: 0.0)
    accounts.add("reviewer-a", "reviewer")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    accounts.close()
    assert modes == {0o600}
