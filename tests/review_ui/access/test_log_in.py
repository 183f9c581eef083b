"""Coming in and going out: by a token, by a proxy's word, too often, and after an admin's change."""

import asyncio
import ipaddress
from pathlib import Path

import aiohttp
import pytest
from multidict import CIMultiDict

from review_ui.access.log_in import HASHERS, MAX_WAITING, Trust
from review_ui.access.proxy import Proxies
from review_ui.access.sessions import COOKIE, LASTS_S
from review_ui.access.throttle import PER_ADDRESS, PER_NAME
from tests.review_ui.access.house import House, open_house, read_field


async def _ask_who(browser: aiohttp.ClientSession, **headers: str) -> tuple[int, str]:
    async with browser.get("/api/v1/me", headers=headers) as answer:
        body = await answer.json()
        return answer.status, body.get("role") or body["code"]


async def test_a_token_lets_in_and_a_session_lasts_a_working_day(house: House) -> None:
    token = house.add("검수자 1", "author")
    async with house.come() as browser:
        assert await _ask_who(browser) == (401, "log-in")
        answer = await house.try_log_in(browser, "검수자 1", token)
        assert (answer.status, answer.headers["Location"]) == (303, "/api/v1/me")
        assert await _ask_who(browser) == (200, "author")
        house.clock.now += LASTS_S
        assert await _ask_who(browser) == (401, "log-in")


async def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(house: House) -> None:
    house.add("reviewer-a")
    async with house.come() as browser:
        answer = await house.try_log_in(browser, "reviewer-a", house.tokens["reviewer-a"])
        cookie = answer.cookies[COOKIE]
    assert cookie["httponly"]
    assert (cookie["samesite"], cookie["path"], cookie["max-age"]) == ("Strict", "/", str(LASTS_S))
    assert not cookie["secure"]
    assert not cookie["domain"]


async def test_a_wrong_an_unknown_and_a_disabled_name_are_answered_alike(house: House) -> None:
    for name in ("reviewer-a", "reviewer-b"):
        house.add(name)
    house.accounts.disable("reviewer-b")
    answers = []
    tries = [("reviewer-a", "wrong"), ("reviewer-x", "wrong"), ("reviewer-b", house.tokens["reviewer-b"])]
    for name, token in [*tries, ("\u202e", "wrong"), ("a" * 90, "")]:
        async with house.come() as browser, browser.post("/log-in", data={"name": name, "token": token}) as answer:
            answers.append((answer.status, (await answer.text()).replace(name, "…"), len(answer.cookies)))
    assert {status for status, _, _ in answers} == {401}
    assert {cookies for _, _, cookies in answers} == {0}
    assert len({text for _, text, _ in answers}) == 1


async def test_disabling_and_a_new_token_end_a_session_at_the_next_request(house: House) -> None:
    house.add("reviewer-a")
    async with house.visit("reviewer-a") as first, house.visit("reviewer-a") as second:
        house.tokens["reviewer-a"] = house.accounts.renew("reviewer-a")
        assert await _ask_who(first) == (401, "log-in")
        assert await _ask_who(second) == (401, "log-in")
    async with house.visit("reviewer-a") as third:
        assert await _ask_who(third) == (200, "reviewer")
        house.accounts.disable("reviewer-a")
        assert await _ask_who(third) == (401, "log-in")


async def test_a_log_out_ends_the_session_for_every_copy_of_its_cookie(house: House) -> None:
    house.add("reviewer-a")
    async with house.visit("reviewer-a") as browser, house.come() as thief, house.visit("reviewer-a") as elsewhere:
        for cookie in browser.cookie_jar:
            thief.cookie_jar.update_cookies({cookie.key: cookie.value}, browser._base_url)  # type: ignore[arg-type]
        assert await _ask_who(thief) == (200, "reviewer")
        async with browser.post("/log-out", data={"csrf": "wrong"}) as answer:
            assert answer.status == 403
        form = {"csrf": browser.headers["X-CSRF-Token"]}
        async with browser.post("/log-out", data=form, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/log-in")
        assert await _ask_who(browser) == (401, "log-in")
        assert await _ask_who(thief) == (401, "log-in")
        assert await _ask_who(elsewhere) == (200, "reviewer")


async def test_each_session_has_a_token_for_writes_of_its_own(house: House) -> None:
    house.add("reviewer-a")
    async with house.visit("reviewer-a") as first, house.visit("reviewer-a") as second:
        assert first.headers["X-CSRF-Token"] != second.headers["X-CSRF-Token"]


async def test_too_many_tries_for_one_name_have_to_wait(house: House) -> None:
    house.add("reviewer-a")
    async with house.come() as browser:
        for _ in range(PER_NAME.burst):
            assert (await house.try_log_in(browser, "reviewer-a", "wrong")).status == 401
        refused = await house.try_log_in(browser, "reviewer-a", house.tokens["reviewer-a"])
        assert refused.status == 429
        assert refused.headers["Retry-After"] == "10"
        house.clock.now += 10
        assert (await house.try_log_in(browser, "reviewer-a", house.tokens["reviewer-a"])).status == 303


async def test_too_many_tries_from_one_address_have_to_wait_whatever_the_names(house: House) -> None:
    house.add("reviewer-a")
    async with house.come() as browser:

        async def knock(number: int) -> int:
            return (await house.try_log_in(browser, f"name-{number}", "wrong")).status

        statuses = [
            status
            for at in range(0, PER_ADDRESS.burst, 5)
            for status in await asyncio.gather(*(knock(number) for number in range(at, at + 5)))
        ]
        assert statuses == [401] * PER_ADDRESS.burst
        assert (await house.try_log_in(browser, "reviewer-a", house.tokens["reviewer-a"])).status == 429


async def test_a_log_in_that_succeeds_uses_up_no_try(house: House) -> None:
    house.add("reviewer-a")
    async with house.come() as browser:
        for _ in range(PER_NAME.burst + 2):
            assert (await house.try_log_in(browser, "reviewer-a", house.tokens["reviewer-a"])).status == 303


async def test_a_crowd_at_the_door_is_sent_away_and_does_not_keep_others_from_working(house: House) -> None:
    house.add("reviewer-a")
    async with house.visit("reviewer-a") as inside, house.come() as browser:
        crowd = [
            asyncio.create_task(house.try_log_in(browser, f"name-{number}", "wrong"))
            for number in range(HASHERS + MAX_WAITING + 5)
        ]
        await asyncio.sleep(0.05)
        assert await _ask_who(inside) == (200, "reviewer")
        statuses = [(await each).status for each in crowd]
    assert statuses.count(429) == 5
    assert statuses.count(401) == HASHERS + MAX_WAITING


async def test_a_page_asks_to_log_in_and_goes_on_from_there(house: House) -> None:
    house.add("reviewer-a")
    async with house.come() as browser:
        async with browser.get("/dashboard?topic=일상 대화", allow_redirects=False) as answer:
            assert answer.status == 303
            to = answer.headers["Location"]
        assert to.startswith("/log-in?next=/dashboard%3F")
        async with browser.get(to) as page:
            target = read_field(await page.text(), "next")
        form = {"name": "reviewer-a", "token": house.tokens["reviewer-a"], "next": target}
        async with browser.post("/log-in", data=form, allow_redirects=False) as answer:
            assert answer.headers["Location"].startswith("/dashboard?topic=")


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example", "https://evil.example/", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)",
        "/a\r\nSet-Cookie: a=b",
        "/\t/evil.example", "evil", "", "/log-in", "/ /evil.example", "/log-in?next=/", "/\u202e", "/" + "a" * 3_000,
    ],
)  # fmt: skip
async def test_a_log_in_leads_nowhere_else(house: House, target: str) -> None:
    house.add("reviewer-a")
    form = {"name": "reviewer-a", "token": house.tokens["reviewer-a"], "next": target}
    async with house.come() as browser:
        async with browser.post("/log-in", data=form, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/")
            assert list(answer.cookies) == [COOKIE]
        async with browser.get("/log-in", params={"next": target}, allow_redirects=False) as answer:
            assert answer.headers["Location"] == "/"


async def test_another_site_cannot_log_somebody_in(house: House) -> None:
    token = house.add("reviewer-a")
    async with house.come() as browser:
        for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            assert (await house.try_log_in(browser, "reviewer-a", token, **headers)).status == 403


def _trust(network: str, role: str | None = None) -> Trust:
    return Trust(Proxies((ipaddress.ip_network(network),), "X-Remote-User"), role)  # type: ignore[arg-type]


async def test_a_trusted_proxy_says_who_it_is_and_nobody_else_does(tmp_path: Path) -> None:
    async with open_house(tmp_path, _trust("127.0.0.1/32")) as house, house.come() as browser:
        house.add("reviewer-a", "author")
        assert await _ask_who(browser, **{"X-Remote-User": "reviewer-a"}) == (200, "author")
        assert await _ask_who(browser, **{"X-Remote-User": "reviewer-x"}) == (403, "unknown-user")
        assert await _ask_who(browser, **{"X-Remote-User": "\u202e"}) == (403, "unknown-user")
        assert await _ask_who(browser, **{"X-Remote-User": ""}) == (401, "log-in")
        twice = CIMultiDict([("X-Remote-User", "reviewer-a"), ("X-Remote-User", "reviewer-a")])
        async with browser.get("/api/v1/me", headers=twice) as answer:
            assert answer.status == 401
        house.accounts.disable("reviewer-a")
        assert await _ask_who(browser, **{"X-Remote-User": "reviewer-a"}) == (403, "unknown-user")


async def test_the_proxys_header_is_worth_nothing_from_elsewhere(tmp_path: Path) -> None:
    async with open_house(tmp_path, _trust("192.0.2.0/24", "admin")) as house, house.come() as browser:
        house.add("reviewer-a", "admin")
        for name in ("reviewer-a", "reviewer-x"):
            headers = {"X-Remote-User": name, "X-Forwarded-For": "192.0.2.1"}
            assert await _ask_who(browser, **headers) == (401, "log-in")


async def test_without_a_configured_header_a_trusted_proxy_names_nobody(tmp_path: Path) -> None:
    trust = Trust(Proxies((ipaddress.ip_network("127.0.0.1"),)))
    async with open_house(tmp_path, trust) as house, house.come() as browser:
        house.add("reviewer-a")
        assert await _ask_who(browser, **{"X-Remote-User": "reviewer-a"}) == (401, "log-in")


async def test_users_whom_only_the_proxy_knows_get_the_default_role(tmp_path: Path) -> None:
    async with open_house(tmp_path, _trust("127.0.0.0/8", "reviewer")) as house, house.come() as browser:
        assert await _ask_who(browser, **{"X-Remote-User": "김-검수"}) == (200, "reviewer")
        house.add("reviewer-b")
        house.accounts.disable("reviewer-b")
        assert await _ask_who(browser, **{"X-Remote-User": "reviewer-b"}) == (403, "unknown-user")


async def test_behind_https_the_cookie_is_secure_and_writes_come_from_there(tmp_path: Path) -> None:
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "review.example"}
    async with open_house(tmp_path, _trust("127.0.0.1")) as house, house.come() as browser:
        token = house.add("reviewer-a")
        answer = await house.try_log_in(browser, "reviewer-a", token, Origin="https://review.example", **forwarded)
        assert answer.status == 303
        assert answer.cookies[COOKIE]["secure"]
        for origin in ("http://review.example", f"http://127.0.0.1:{house.port}", "https://review.example:8443"):
            refused = await house.try_log_in(browser, "reviewer-a", token, Origin=origin, **forwarded)
            assert refused.status == 403


async def test_what_somebody_else_says_of_forwarding_is_not_believed(house: House) -> None:
    token = house.add("reviewer-a")
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "Origin": "https://evil.example"}
    async with house.come() as browser:
        assert (await house.try_log_in(browser, "reviewer-a", token, **forwarded)).status == 403
        for number in range(PER_NAME.burst):
            answer = await house.try_log_in(browser, f"x-{number}", "wrong", **{"X-Forwarded-For": f"192.0.2.{number}"})
            assert answer.status == 401


async def test_tries_are_counted_per_client_behind_a_trusted_proxy(tmp_path: Path) -> None:
    async with open_house(tmp_path, _trust("127.0.0.1")) as house, house.come() as browser:
        for number in range(PER_ADDRESS.burst):
            forwarded = {"X-Forwarded-For": f"203.0.113.{number}, 192.0.2.1"}
            assert (await house.try_log_in(browser, f"x-{number}", "wrong", **forwarded)).status == 401
        same = {"X-Forwarded-For": "203.0.113.99, 192.0.2.1"}
        assert (await house.try_log_in(browser, "x", "wrong", **same)).status == 429
        assert (await house.try_log_in(browser, "x", "wrong", **{"X-Forwarded-For": "192.0.2.2"})).status == 401
