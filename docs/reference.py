"""Reference pages made from the code: commands, forms of YAML files, the HTTP API, rows and errors.

`python -m docs.reference NAME` prints one of them.
"""

import ast
import html
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from types import ModuleType
from typing import Any, get_args, get_origin

import pyarrow as pa
import typer.main
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import damhwa
from curation import schemas
from curation.filters import FILTERS
from curation.settings import CurationForm
from datagen import errors
from datagen.prices import PriceList
from datagen.record import Dialogue
from datagen.spec import Persona, Spec
from datagen.store import SCHEMA
from review_ui.openapi import describe_api
from train.recipe import Recipe


def write_commands() -> str:
    """Every verb with its arguments and options, as `--help` tells them."""
    group = typer.main.get_command(damhwa.app)
    head = "# Commands\n\nMade from the code; `damhwa VERB --help` says the same.\n"
    return head + "\n".join(_list_verbs("damhwa", group))


def _list_verbs(path: str, group: Any) -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _list_verbs(f"{path} {name}", command)
        else:
            yield _write_verb(f"{path} {name}", command)


def _write_verb(path: str, command: Any) -> str:
    context = command.context_class(command, info_name=path)
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    usage = " ".join([path, *(_name_argument(each) for each in arguments), "[OPTIONS]"])
    lines = [f"\n## {path}\n", f"{inspect.cleandoc(command.help or '')}\n", f"```console\n$ {usage}\n```\n"]
    rows = [_describe_parameter(each, context) for each in command.params if each.name != "help"]
    return "\n".join(lines + _draw_table(("option", "meaning", "default"), rows))


def _describe_parameter(parameter: Any, context: Any) -> tuple[str, str, str]:
    told = getattr(parameter, "help", None) or ""
    if parameter.param_type_name == "argument":
        return f"`{_name_argument(parameter)}`", told, "required" if parameter.required else ""
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    default = parameter.get_default(context, call=False)
    is_told = default not in (None, False, (), []) and not callable(default)
    shown = "required" if parameter.required else f"`{default}`" if is_told else ""
    return names, told, shown


def _name_argument(argument: Any) -> str:
    name = argument.metavar or str(argument.name).upper()
    return name if argument.required else f"[{name}]"


def write_spec() -> str:
    """The forms of a spec and of a persona."""
    head = "# Specs and personas\n\nThe keys of a spec and of the files that it names. Unknown keys are refused.\n"
    return head + "\n".join(_write_forms(Spec, Persona, PriceList))


def write_curation() -> str:
    """`curation.yaml`: the filters with what they drop and keep, and the other blocks."""
    parts = [
        "# Curation settings\n\nThe keys of `curation.yaml`. What a file leaves out keeps its default.\n\n## Filters\n"
    ]
    for each in FILTERS:
        module = inspect.getmodule(each.measure)
        told = inspect.cleandoc((module.__doc__ if module else "") or "").removeprefix(f"{each.code}: ")
        told = told[:1].upper() + told[1:]
        parts.append(f"\n### {each.code}\n\n{_write_opening(told)}\n")
        parts.append("\n".join(_draw_fields(each.settings)))
    blocks = {each: name for name, each in _list_own_forms(CurationForm) if name != "filters"}
    return "\n".join(parts) + "\n" + "\n".join(_write_forms(*blocks, keys=blocks))


def _write_opening(docstring: str) -> str:
    """A filter's opening words, with Why, Drops, Keeps and Notes as paragraphs."""
    escaped = re.sub(r"([\\`*_{}\[\]#])", r"\\\1", html.escape(docstring, quote=False))
    return re.sub(r"^(Why|Drops|Keeps|Notes) +", r"\n**\1** ", escaped, flags=re.MULTILINE)


def write_recipe() -> str:
    """The forms of a recipe."""
    return "# Recipes\n\nThe keys of a training recipe. Unknown keys are refused.\n" + "\n".join(_write_forms(Recipe))


def write_api() -> str:
    """The HTTP API, by path."""
    described = describe_api()
    lines = ["# HTTP API\n", "The review service's API, as `/api/v1/openapi.json` describes it in full.\n"]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            lines.append(f"\n## {method.upper()} {path}\n\n{operation.get('summary') or ''}\n")
            if told := operation.get("description"):
                lines.append(f"{told}\n")
            rows = [
                (f"`{each['name']}`", each["in"], each.get("description", ""))
                for each in operation.get("parameters", [])
            ]
            lines += _draw_table(("parameter", "in", "meaning"), rows) if rows else []
            answers = [(f"`{code}`", each.get("description", "")) for code, each in operation["responses"].items()]
            lines += _draw_table(("answer", "meaning"), answers)
    return "\n".join(lines)


def write_rows() -> str:
    """The columns of every Parquet file, and the exit codes."""
    meanings, told = read_field_docs(Dialogue), read_module_docs(schemas)
    lines = ["# Rows and files\n", "## `dialogues/*.parquet`, `curated/{train,validation,test}/*.parquet`\n"]
    rows = [
        (f"`{each.name}`", f"`{_name_column(each.type)}`", _tell_null(each), meanings[each.name]) for each in SCHEMA
    ]
    lines += _draw_table(("column", "type", "null", "meaning"), rows)
    for name, schema in inspect.getmembers(schemas, lambda value: isinstance(value, pa.Schema)):
        folder = "media" if name == "RECORDINGS" else "curated"
        lines.append(f"\n## `{folder}/{name.lower()}.parquet`\n\n{told.get(name, '')}\n")
        own = [(f"`{each.name}`", f"`{_name_column(each.type)}`", _tell_null(each)) for each in schema]
        lines += _draw_table(("column", "type", "null"), own)
    lines.append("\n## Errors and exit codes\n\n```text")
    lines.append(inspect.cleandoc(errors.__doc__ or "") + "\n```\n")
    return "\n".join(lines)


def _name_column(kind: pa.DataType) -> str:
    """A column's type for reading: `list of {role, content}`."""
    if pa.types.is_list(kind):
        return f"list of {_name_column(kind.value_type)}"
    if pa.types.is_struct(kind):
        return f"{{{', '.join(field.name for field in kind)}}}"
    return str(kind)


def _tell_null(field: pa.Field) -> str:
    return "may be" if field.nullable else "never"


def _write_forms(*forms: type[BaseModel], keys: Mapping[type[BaseModel], str] | None = None) -> Iterator[str]:
    """Each form and the forms inside it, once. `keys`: form → the key that it stands under."""
    waiting, seen = list(forms), set[type[BaseModel]]()
    while waiting:
        form = waiting.pop(0)
        if form not in seen:
            seen.add(form)
            name = f"`{keys[form]}`" if keys and form in keys else form.__name__
            yield f"\n## {name}\n\n{_first_paragraph(form)}\n"
            yield "\n".join(_draw_fields(form))
            waiting += [inner for _, inner in _list_own_forms(form)]


def _first_paragraph(form: type[BaseModel]) -> str:
    return inspect.cleandoc(form.__doc__ or "").split("\n\n")[0]


def _list_own_forms(form: type[BaseModel]) -> list[tuple[str, type[BaseModel]]]:
    """Field → the forms that its type names."""
    return [
        (name, inner)
        for name, field in form.model_fields.items()
        for inner in _walk_types(field.annotation)
        if inspect.isclass(inner) and issubclass(inner, BaseModel)
    ]


def _walk_types(annotation: Any) -> Iterator[Any]:
    yield annotation
    for inner in get_args(annotation):
        yield from _walk_types(inner)


def _draw_fields(form: type[BaseModel]) -> list[str]:
    told = read_field_docs(form)
    rows = [
        (f"`{field.alias or name}`", _describe_type(field), _show_default(field), told.get(name, ""))
        for name, field in form.model_fields.items()
    ]
    return _draw_table(("key", "type", "default", "meaning"), rows)


def _describe_type(field: FieldInfo) -> str:
    """The type's name and its bounds."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    bounds = [
        f"{sign} {getattr(each, kind)}"
        for each in field.metadata
        for kind, sign in signs.items()
        if getattr(each, kind, None) is not None
    ]
    return " ".join([f"`{_name_type(field.annotation)}`", *bounds])


def _name_type(annotation: Any) -> str:
    if annotation is type(None):
        return "null"
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is None:
        return getattr(annotation, "__name__", str(annotation))
    if str(origin) == "typing.Literal":
        return " or ".join(map(str, inner))
    if hasattr(annotation, "__metadata__"):
        return _name_type(inner[0])
    names = [_name_type(each) for each in inner if each is not Ellipsis]
    if origin in (tuple, list):
        return f"list of {names[0]}"
    if origin is dict:
        return f"{names[0]} → {names[1]}"
    return " or ".join(dict.fromkeys(names))


def _show_default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or value is None or (isinstance(value, BaseModel) and not value.model_fields_set):
        return ""
    if isinstance(value, BaseModel):
        return f"`{value.model_dump(exclude_defaults=True)}`"
    return f"`{value}`" if value not in ((), {}, "") else ""


def read_field_docs(form: type) -> dict[str, str]:
    """Field → the string under it, those of the classes that it is made from too."""
    told: dict[str, str] = {}
    for each in reversed(form.__mro__):
        if each.__module__.startswith(("datagen", "curation", "train", "review_ui")):
            told.update(_read_own_docs(each))
    return told


def read_module_docs(module: ModuleType) -> dict[str, str]:
    """Constant of a module → the string under it."""
    return _pair_docs(ast.parse(inspect.getsource(module)).body)


def _read_own_docs(form: type) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(form)))
    except (OSError, TypeError):  # a form that is put together at run time
        return {}
    if not isinstance(tree.body[0], ast.ClassDef):
        return {}
    properties = {
        each.name: ast.get_docstring(each) or "" for each in tree.body[0].body if isinstance(each, ast.FunctionDef)
    }
    return properties | _pair_docs(tree.body[0].body)


def _pair_docs(body: Sequence[ast.stmt]) -> dict[str, str]:
    told = {}
    for named, beneath in pairwise(body):
        match named, beneath:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                told[name] = " ".join(text.split())
    return told


def _draw_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows] + [""]


PAGES: dict[str, Callable[[], str]] = {
    "commands": write_commands,
    "spec": write_spec,
    "curation": write_curation,
    "recipe": write_recipe,
    "api": write_api,
    "rows": write_rows,
}

if __name__ == "__main__":
    print(PAGES[sys.argv[1]]())
