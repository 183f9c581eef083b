"""The HTTP API against its own description: whatever is sent, no bug answers, and no answer is one it does not name."""

import shutil
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from curation.reviewing.connect import open_database
from curation.reviewing.tables import LOTS, SAMPLES
from datagen.media import store_medium
from datagen.spec_edit import read_spec
from review_ui.access.accounts import Accounts
from review_ui.access.loopback import LoopbackAccess
from review_ui.access.tokens import Cost
from review_ui.api.routes import PREFIX, ROUTES
from review_ui.app import build_app
from review_ui.authoring.open_specs import OpenSpec
from review_ui.authoring.workshop import Workshop
from review_ui.openapi import describe_api
from review_ui.reviewed_run import ReviewedRun, ReviewOptions
from review_ui.service import Service
from tests.conftest import serve_in_thread
from tests.pictures import make_png

with warnings.catch_warnings():
    warnings.simplefilter("ignore", EncodingWarning)  # it opens a file of its own without an encoding
    import schemathesis
    from schemathesis import GenerationMode, checks
    from schemathesis.specs.openapi import checks as openapi_checks

pytestmark = pytest.mark.slow

EXAMPLES = 40
OF_DECISIONS = 160
"""Of their bodies most do not match what there is: mode, kind and sample have to."""
NOW = 1_772_400_000.0
"""2026-03-02 in Korea."""
CHECKS = (
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
)
OPERATIONS = [(route.method, PREFIX + route.path) for route in ROUTES]
TRIED = [(route.method, PREFIX + route.path, "positive") for route in ROUTES]
TRIED += [(route.method, PREFIX + route.path, "negative") for route in ROUTES if route.body]
"""What is of the form, and what is not, where there is a body."""


@dataclass(frozen=True, slots=True)
class Door:
    """A service to send to. `known`: what may stand in a path or a body and is there."""

    url: str
    headers: dict[str, str]
    schema: Any
    known: dict[str, list[Any]]


@pytest.fixture(scope="module")
def door(built_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("reviewed") / "exa-data"
    shutil.copytree(built_run, folder)
    sha256 = _attach_picture(folder)
    run = ReviewedRun.open(folder, ReviewOptions())
    # one topic's audit is over, so that triage has the text of both
    judge = sa.update(LOTS).where(LOTS.c.topic == "보고 싶다는 표현").values(verdict="pass")
    run.database.write(lambda connection: connection.execute(judge))
    accounts = Accounts(open_database(f"sqlite:///{folder / 'accounts.db'}"), lambda: NOW, Cost(n=2**12, r=8, p=1))
    spec = OpenSpec(
        "test-data", shutil.copytree(built_run.parent / "specs", folder / "specs") / "test-data.yaml", folder
    )
    service = Service({run.name: run}, accounts=accounts, workshop=Workshop([spec], is_offline=True))
    app = build_app(service, LoopbackAccess("reviewer-a"))
    with serve_in_thread(app) as address:
        url = address.removesuffix("/v1")
        me = requests.get(f"{url}{PREFIX}/me", timeout=10).json()
        schema = schemathesis.openapi.from_url(f"{url}{PREFIX}/openapi.json")
        yield Door(
            url, {"X-CSRF-Token": me["csrf"]}, schema, _list_known(run) | _list_known_of(spec) | {"sha256": [sha256]}
        )


def _attach_picture(folder: Path) -> str:
    """Give the first dialogue a picture, as if it had been made with one; its hash."""
    stored = store_medium(folder, make_png())
    path = min((folder / ".curation" / "measured").glob("*.parquet"))
    table = pq.read_table(path)
    media = [[asdict(stored.show_in(0))], *table.column("media").to_pylist()[1:]]
    field = table.schema.field("media")
    pq.write_table(table.set_column(table.schema.get_field_index("media"), field, pa.array(media, field.type)), path)
    return stored.sha256


def _list_known(run: ReviewedRun) -> dict[str, list[Any]]:
    query = sa.select(SAMPLES.c.id, SAMPLES.c.pool).order_by(SAMPLES.c.id)
    rows = run.database.read(lambda connection: connection.execute(query).all())
    ids = [row.id for row in rows]
    triaged = [{"id": row.id, "revision": 1} for row in rows if row.pool == "triage"]
    pairs = [list(pair) for pair in pairwise(triaged)]
    topics = ["일상 대화", "보고 싶다는 표현"]
    return {"run": [run.name], "topic": topics, "id": ids, "sample": ids, "revision": [1], "members": pairs}


def _list_known_of(spec: OpenSpec) -> dict[str, list[Any]]:
    """What changes nothing: another edit would be refused by most checks."""
    edit = read_spec(spec.path).to_edit()
    topics = edit.model_dump(mode="json")["topics"]
    return {"spec": [spec.name], "fingerprint": [edit.fingerprint], "topics": [topics]}


def _make_known(value: Any, known: dict[str, list[Any]], data: st.DataObject) -> Any:
    """The same with names and ids that are there, so that not all ends at the first look-up."""
    if isinstance(value, list):
        return [_make_known(each, known, data) for each in value]
    if not isinstance(value, dict):
        return value
    made = {name: _make_known(each, known, data) for name, each in value.items() if name not in _leave_out(value)}
    return made | {name: data.draw(st.sampled_from(known[name])) for name in made if name in known}


def _leave_out(form: dict[str, Any]) -> set[str]:
    """What of a decision belongs to another kind: the form alone does not say so, and all would end at that."""
    own = {"edit": {"edits"}, "flag": {"reason"}, "undo": {"undoes"}}.get(str(form.get("kind")), set())
    return {"edits", "reason", "undoes"} - own if "kind" in form else set()


@pytest.mark.parametrize(("method", "path", "mode"), TRIED, ids=[" ".join(each) for each in TRIED])
def test_whatever_is_sent_the_answer_is_one_that_the_description_names(
    door: Door, method: str, path: str, mode: str
) -> None:
    operation = door.schema[path][method]
    statuses: set[int] = set()

    @settings(
        max_examples=OF_DECISIONS if path.endswith("/decisions") else EXAMPLES,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=GenerationMode(mode)), data=st.data())
    def send(case: Any, data: st.DataObject) -> None:
        if data.draw(st.integers(0, 3)):
            case.path_parameters = _make_known(case.path_parameters, door.known, data)
            if mode == "positive":
                case.body = _make_known(case.body, door.known, data)
        response = case.call(base_url=door.url, headers=door.headers)
        case.validate_response(response, checks=CHECKS, headers=door.headers)
        statuses.add(response.status_code)

    send()

    assert (200 in statuses) == (mode == "positive")


def test_the_description_names_every_route_and_no_other() -> None:
    described = {(method.upper(), path) for path, item in describe_api()["paths"].items() for method in item}
    assert described == set(OPERATIONS)
    assert len(OPERATIONS) == len(set(OPERATIONS))


def test_the_service_answers_every_described_route_and_no_api_beside_it(door: Door) -> None:
    app = build_app(Service({}), LoopbackAccess("reviewer-a"))
    served = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.resource.canonical.startswith(PREFIX) and route.method != "HEAD"
    }
    app_only = served - set(OPERATIONS)
    assert set(OPERATIONS) <= served
    assert app_only == {("GET", f"{PREFIX}/openapi.json")}
    fetched = requests.get(f"{door.url}{PREFIX}/openapi.json", timeout=10)
    assert fetched.json() == describe_api()
