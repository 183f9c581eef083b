"""What many tests need: a small spec of one's own, servers on loopback that live in a thread, and databases."""

import asyncio
import shutil
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from textwrap import dedent

import pytest
from aiohttp import web
from hypothesis import HealthCheck, settings

from curation.build import BuildOptions, build
from datagen.endpoint_options import ProviderOptions
from datagen.simulator.faults import Faults
from datagen.simulator.server import Simulator
from tests.postgres_server import PostgresServer, run_postgres

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

settings.register_profile("damhwa", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a test is no timing
settings.load_profile("damhwa")

SPEC = """\
    dataset: test-data
    language: ko
    seed: 3
    personas: [personas/exa.yaml]
    exchanges: {min: 2, max: 5}
    provider: {model: gpt-4o, temperature: 0.9, concurrency: 8, max_tries: 3}
    facets:
      장소: [도서관, 카페, 지하철]
      기분: [설렘, 지침]
    topics:
      - name: 일상 대화
        category: intellectual
        quota: 12
        brief: 하루를 보내며 나누는 가벼운 이야기.
        situations:
          - 유저가 출근길에 비를 맞았다
          - 유저가 점심 메뉴를 못 고르고 있다
          - 유저가 새로 산 이어폰을 자랑한다
      - name: 보고 싶다는 표현
        category: emotional
        quota: 8
        brief: 보고 싶은 마음을 다정하게 나눈다.
        situations:
          - 유저가 출장지 호텔에서 말을 건다
          - 유저가 오래 바빴던 한 주를 마쳤다
    examples: [examples/*.txt]
"""
PERSONA = """\
    id: exa
    name: 엑사
    age: 19
    speech_level: banmal
    system_prompt: |
      너는 엑사야. 늘 반말로 밝게 말해.
"""
EXAMPLE = "human1: 나 왔어\ngpt1: *손을 흔들며* 어서 와!\nhuman2: 오늘 힘들었다\ngpt2: 고생했어, 여기 앉아 봐.\n"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A spec of two topics, 20 dialogues, that may be edited."""
    return write_spec(tmp_path / "specs")


def write_spec(folder: Path) -> Path:
    """The spec with its files in a folder that is not there yet."""
    for name in ("personas", "examples"):
        (folder / name).mkdir(parents=True)
    (folder / "test-data.yaml").write_text(dedent(SPEC), encoding="utf-8")
    (folder / "personas" / "exa.yaml").write_text(dedent(PERSONA), encoding="utf-8")
    (folder / "examples" / "one.txt").write_text(EXAMPLE, encoding="utf-8")
    return folder / "test-data.yaml"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(name="edit")
def _edit() -> Callable[[Path, str, str], None]:
    return edit


@contextmanager
def serve_in_thread(app: web.Application, port: int = 0) -> Iterator[str]:
    """Serve an app on a loopback port (0: a free one) for as long as the block runs; gives its `/v1` address."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def start() -> int:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return int(runner.addresses[0][1])

    async def stop() -> None:
        await runner.cleanup()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    bound = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound}/v1"
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture
def start_simulator() -> Iterator[Callable[..., tuple[str, Simulator]]]:
    """Start a simulator with faults: `url, simulator = start_simulator(malformed=0.2)`."""
    with ExitStack() as stack:

        def start(**faults: object) -> tuple[str, Simulator]:
            simulator = Simulator(Faults.model_validate(faults))
            return stack.enter_context(serve_in_thread(simulator.build_app())), simulator

        yield start


@pytest.fixture
def start_server() -> Iterator[Callable[[Handler], str]]:
    """Start a server that answers chat completions with a handler of the test's own."""
    with ExitStack() as stack:

        def start(handler: Handler) -> str:
            app = web.Application()
            app.router.add_post("/v1/chat/completions", handler)
            return stack.enter_context(serve_in_thread(app))

        yield start


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of the test session's own."""
    with run_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database, once on each of the two that reviews can lie in."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'reviews.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.lend_database() as url:
        yield url


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Debian's browser, for playwright's `executable_path`."""
    found = shutil.which("chromium")
    if found is None:
        pytest.fail("Chromium is not installed, and these tests run in a real browser: `apt-get install chromium`")
    return Path(found)


@pytest.fixture(scope="session")
def built_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A curated run of 98 dialogues, in audit and triage. Copy it to review in it."""
    folder = tmp_path_factory.mktemp("built")
    spec = write_spec(folder / "specs")
    edit(spec, "quota: 12", "quota: 90")
    build(str(spec), folder / "exa-data", BuildOptions(ProviderOptions(offline=True), baseline=0))
    return folder / "exa-data"
