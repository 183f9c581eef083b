"""What gets past the guard: hosts, origins, methods, paths, and requests that are none."""

import asyncio

import pytest

from review_ui.access.origin import is_own_write, read_host
from review_ui.app import HEADERS
from tests.review_ui.access.house import House


async def _send(house: House, head: str, body: bytes = b"") -> tuple[int, str]:
    """The status and the whole answer to one request; `{host}` in it is the service's own."""
    host = f"127.0.0.1:{house.port}"
    text = head.replace("{host}", host).replace("\n", "\r\n").encode("latin-1") + b"Connection: close\r\n\r\n" + body
    answer = (await house.send(text)).decode("utf-8", "replace")
    return int(answer.split(" ", 2)[1]), answer


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("LOCALHOST", 200),
        ("[::1]:8000", 200),
        ("127.0.0.1", 200),
        ("127.8.9.1:1", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example:80", 403),
        ("2130706433", 403),
        ("0.0.0.0", 403),
        ("[::ffff:8.8.8.8]", 403),
        ("[::1", 400),
        ("localhost@evil.example", 400),
        ("evil.example@localhost", 400),
        ("localhost:99999", 400),
        ("localhost:port", 400),
        ("localhost/..", 400),
        ("localhost:", 400),
        ("", 400),
        ("a" * 400, 400),
        ("localhost\x85", 400),
        ("로컬".encode().decode("latin-1"), 400),
    ],
)
async def test_without_a_log_in_only_loopback_names_are_answered(open_door: House, host: str, status: int) -> None:
    assert (await _send(open_door, f"GET /api/v1/me HTTP/1.1\nHost: {host}\n"))[0] == status


async def test_a_request_with_no_host_or_with_two_is_refused(open_door: House) -> None:
    assert (await _send(open_door, "GET /api/v1/me HTTP/1.1\n"))[0] == 400
    assert (await _send(open_door, "GET /api/v1/me HTTP/1.0\n"))[0] == 400
    assert (await _send(open_door, "GET /api/v1/me HTTP/1.1\nHost: {host}\nHost: evil.example\n"))[0] == 400


@pytest.mark.parametrize("header", ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "X-Real-IP: 192.0.2.1"])
async def test_without_a_log_in_nothing_passes_that_a_proxy_passed_on(open_door: House, header: str) -> None:
    status, answer = await _send(open_door, f"GET /api/v1/me HTTP/1.1\nHost: {{host}}\n{header}\n")
    assert status == 403
    assert '"code":"proxy"' in answer


OWN = read_host("http", "localhost:8000")


@pytest.mark.parametrize(
    ("origin", "site", "is_own"),
    [
        (None, None, True),
        ("http://localhost:8000", None, True),
        ("http://localhost:8000", "same-origin", True),
        ("HTTP://LOCALHOST:8000", "same-origin", True),
        (None, "none", True),
        (None, "cross-site", False),
        (None, "same-site", False),
        ("http://localhost:8000", "cross-site", False),
        ("http://localhost:8000", "", False),
        ("null", None, False),
        ("null", "same-origin", False),
        ("", None, False),
        ("https://localhost:8000", None, False),
        ("http://localhost", None, False),
        ("http://localhost:8001", None, False),
        ("http://127.0.0.1:8000", None, False),
        ("http://localhost:8000.evil.example", None, False),
        ("http://evil.example", None, False),
        ("http://localhost:8000/", None, False),
        ("http://localhost:8000@evil.example", None, False),
        ("http://u@localhost:8000", None, False),
        ("file://", None, False),
        ("http://[::1", None, False),
        ("http://localhost:80000", None, False),
        ("http://localhost:8000, http://evil.example", None, False),
        ("javascript://localhost:8000", None, False),
        ("\udcff", None, False),
    ],
)
def test_a_write_comes_from_our_own_pages(origin: str | None, site: str | None, is_own: bool) -> None:
    assert OWN is not None
    assert is_own_write(origin, site, OWN) is is_own


def test_the_port_that_a_browser_leaves_out_is_the_schemes() -> None:
    plain, secure = read_host("http", "review.example"), read_host("https", "review.example")
    address = read_host("http", "[::1]:8000")
    assert plain is not None
    assert secure is not None
    assert address is not None
    assert is_own_write("http://review.example:80", None, plain)
    assert is_own_write("https://review.example", None, secure)
    assert not is_own_write("https://review.example", None, plain)
    assert is_own_write("http://[::1]:8000", None, address)
    assert is_own_write("http://[0:0::1]:8000", None, address)


@pytest.mark.parametrize(
    "origin", ["null", "http://[::1", "http://evil.example", "http://localhost:1e5", "\xff", "a" * 3_000]
)
async def test_an_odd_origin_is_refused_and_breaks_nothing(open_door: House, origin: str) -> None:
    head = f"POST /api/v1/runs/a/claims HTTP/1.1\nHost: {{host}}\nOrigin: {origin}\nContent-Length: 0\n"
    status, answer = await _send(open_door, head)
    assert status == 403
    assert '"code":"origin"' in answer


async def test_without_the_token_nothing_is_written(open_door: House) -> None:
    for header in ("", "X-CSRF-Token: wrong\n", "X-CSRF-Token: \xff\xfe\n"):
        head = f"POST /api/v1/runs/a/claims HTTP/1.1\nHost: {{host}}\n{header}Content-Length: 0\n"
        status, answer = await _send(open_door, head)
        assert status == 403
        assert '"code":"csrf"' in answer


@pytest.mark.parametrize(
    ("request_line", "statuses"),
    [
        ("HEAD /api/v1/me", {200}),
        ("HEAD /", {200}),
        ("HEAD /static/app.css", {200}),
        ("OPTIONS /api/v1/me", {405}),
        ("OPTIONS *", {400, 404, 405}),
        ("TRACE /", {405}),
        ("TRACE /api/v1/me", {405}),
        ("CONNECT evil.example:443", {400, 404, 405}),
        ("PATCH /api/v1/me", {405}),
        ("DELETE /static/app.css", {405}),
        ("BREW /", {400, 405}),
        ("get /", {400, 405}),
        ("GET http://evil.example/api/v1/me", {200, 400, 404}),
        ("GET //evil.example/", {400, 404}),
        ("GET /api/v1/me/", {404}),
        ("GET /api/v1/%00", {400}),
        ("GET /api/v1/runs/%2e%2e%2f%2e%2e/leases", {404}),
        ("GET /api/v1/runs/../../leases", {404}),
        ("GET /%ff%fe", {400, 404}),
        ("GET /%E2%80%AE", {400}),
        ("GET /static/../app.py", {403, 404}),
        ("GET /static/%2e%2e/app.py", {403, 404}),
        ("GET /static/..%2fapp.py", {403, 404}),
        ("GET /static/%2e%2e%5capp.py", {403, 404}),
        ("GET /static//etc/passwd", {403, 404}),
        ("GET /static/%2fetc/passwd", {403, 404}),
        ("GET /static/", {403, 404}),
        ("GET /static", {403, 404}),
        ("GET /static/app.css%00.js", {400}),
        ("GET /static/" + "a" * 5_000, {400, 404}),
        ("GET /" + "a" * 9_000, {400, 414}),
        ("GET /?" + "&".join(f"a{number}=1" for number in range(900)), {200}),
        ("GET /?language=\xff", {200, 400}),
    ],
)
async def test_every_method_and_path_gets_an_answer_with_the_strict_headers(
    open_door: House, request_line: str, statuses: set[int]
) -> None:
    status, answer = await _send(open_door, f"{request_line} HTTP/1.1\nHost: {{host}}\n")
    head, _, body = answer.partition("\r\n\r\n")
    assert status in statuses
    assert "MAX_BODY" not in body
    assert "root:" not in body
    for name, value in HEADERS.items():
        assert f"\r\n{name}: {value}" in head
    if request_line.startswith("HEAD"):
        assert body == ""
    if status == 405:
        assert "\r\nAllow: " in head or request_line.startswith(("BREW", "get"))


@pytest.mark.parametrize(
    "text",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"A%d: 1\r\n" % n for n in range(200)) + b"\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA\x00: 1\r\n\r\n",
        b"<script>alert(1)</script> / HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_answered_400_with_the_strict_headers_and_no_echo(
    open_door: House, text: bytes
) -> None:
    answer = (await open_door.send(text)).decode("latin-1")
    assert answer.startswith("HTTP/1.1 400 ") or answer.startswith("HTTP/1.0 400 ")
    for name, value in HEADERS.items():
        assert f"\r\n{name}: {value}" in answer
    assert "script>" not in answer


async def test_a_client_that_leaves_in_the_middle_harms_nobody(open_door: House) -> None:
    for text in (b"GET / HT", b"POST /api/v1/runs/a/claims HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"):
        _, writer = await asyncio.open_connection("127.0.0.1", open_door.port)
        writer.write(text)
        await writer.drain()
        writer.transport.abort()
    assert (await _send(open_door, "GET /api/v1/me HTTP/1.1\nHost: {host}\n"))[0] == 200


async def test_nothing_but_the_log_in_and_the_look_is_open_to_strangers(house: House) -> None:
    for path, status in (
        ("/log-in", 200),
        ("/static/app.css", 200),
        ("/", 303),
        ("/reviewers", 303),
        ("/nothing", 303),
    ):
        assert (await _send(house, f"GET {path} HTTP/1.1\nHost: {{host}}\n"))[0] == status
    for path in ("/reviewers", "/log-out", "/nothing"):
        head = f"POST {path} HTTP/1.1\nHost: {{host}}\nContent-Length: 0\n"
        assert (await _send(house, head))[0] == 401


async def test_an_error_of_a_page_is_a_page_in_the_readers_language(open_door: House) -> None:
    head = "GET /nothing HTTP/1.1\nHost: {host}\nAccept: text/html\nAccept-Language: "
    for language, text in (("ko", "없는 페이지입니다."), ("en", "There is no such page.")):
        status, answer = await _send(open_door, f"{head}{language}\n")
        assert status == 404
        assert text in answer
