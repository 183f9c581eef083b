"""`/api/v1/openapi.json`, made from the table of routes and the forms, so that it is true to both."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from review_ui.access.sessions import COOKIE
from review_ui.api.call import Route
from review_ui.api.forms import Problem
from review_ui.api.routes import PREFIX, ROUTES
from review_ui.event_stream import MEDIA_TYPE
from review_ui.file_answer import MEDIA_TYPES

_REASONS = {
    400: "The request is no HTTP that can be read",
    401: "Nobody is logged in",
    403: "Host, origin, token or role do not allow it",
    404: "There is nothing of that name",
    408: "The body did not arrive in time",
    409: "It does not match what there is now",
    413: "The body is too large",
    415: "The body is not JSON",
    422: "The body or a parameter is not of the form",
    429: "Too many tries; wait",
    503: "The database or a file is away",
}
_ALWAYS = (400, 401, 403, 503)
_OF_A_BODY = (408, 413, 415, 422)


_ABOUT = (
    "Everything that the review page does. Writes carry the header `X-CSRF-Token`, which `GET /api/v1/me` gives. "
    "Where the service asks for a log-in, post the form fields `name` and `token` to `/log-in` and keep its cookie."
)
_SESSION = {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "What `/log-in` gives; none on loopback."}


@cache
def describe_api() -> dict[str, Any]:
    """The description, OpenAPI 3.1."""
    forms: list[tuple[type[BaseModel], JsonSchemaMode]] = [(Problem, "serialization")]
    for route in ROUTES:
        forms += [(form, "serialization") for form in (route.answer,) if form is not None]
        forms += [(form, "validation") for form in (route.body, route.query) if form is not None]
    names, definitions = models_json_schema(list(dict.fromkeys(forms)), ref_template="#/components/schemas/{model}")
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _describe(route, names)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Damhwa review service",
            "version": "1",
            "description": _ABOUT,
        },
        "paths": paths,
        "components": {"schemas": definitions["$defs"], "securitySchemes": {"session": _SESSION}},
        "security": [{}, {"session": []}],
    }


Names = Mapping[Any, dict[str, Any]]
"""(form, mode) → a reference to its schema."""


def _describe(route: Route, names: Names) -> dict[str, Any]:
    if route.answer is None:
        successes = _describe_file()
    else:
        successes = {"200": _describe_success(route, names[route.answer, "serialization"])}
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": route.handler.__name__,
        "x-role": route.role,
        "responses": successes,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)}", route.path)
        ],
    }
    if route.answer is None:
        operation["parameters"].append(_RANGE)
    if route.is_write:
        token = {"name": "X-CSRF-Token", "in": "header", "required": True, "schema": {"type": "string"}}
        operation["parameters"].append(token)
    if route.body is not None:
        schema = names[route.body, "validation"]
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    statuses = {*_ALWAYS, *route.refusals, *(_OF_A_BODY if route.body else (422,) if route.query else ())}
    for status in sorted(statuses):
        operation["responses"][str(status)] = _answer(_REASONS[status], names[Problem, "serialization"])
    return operation


_RANGE = {
    "name": "Range",
    "in": "header",
    "description": "A part of the file, as players ask for it",
    "schema": {"type": "string", "pattern": r"^bytes=[0-9]{0,6}-[0-9]{0,6}$"},
}


def _describe_file() -> dict[str, Any]:
    """Bytes have no schema in OpenAPI 3.1, only a media type."""
    content: dict[str, Any] = {each: {} for each in MEDIA_TYPES}
    kept = {"ETag": {"schema": {"type": "string"}}, "Cache-Control": {"schema": {"type": "string"}}}
    return {
        "200": {"description": "The file", "headers": kept, "content": content},
        "206": {"description": "The part that was asked for", "headers": kept, "content": content},
        "304": {"description": "It is the one that the browser has"},
        "416": {"description": "There is no such part"},
    }


_REASON_OK = "Done"


def _describe_success(route: Route, schema: dict[str, Any]) -> dict[str, Any]:
    """Of a stream the schema is of one event (what OpenAPI 3.2 calls `itemSchema`): its data is a text with JSON."""
    if not route.is_stream:
        return _answer(_REASON_OK, schema)
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": schema}
    event = {"type": "object", "required": ["data"], "properties": {"data": data, "id": {"type": "string"}}}
    return {"description": "Server-sent events", "content": {MEDIA_TYPE: {"schema": event}}}


def _answer(reason: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": reason, "content": {"application/json": {"schema": schema}}}
