"""Read a YAML file into a form (a pydantic model), and tell every mistake with its line and a hint.

Two readers: libyaml for the usual case, where only the values matter (a spec of 40 kB takes 20 ms), and the
round-trip reader, 30 times slower, only once something is wrong and lines are wanted.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from datagen.errors import Problem

Location = tuple[int | str, ...]
Form = TypeVar("Form", bound=BaseModel)


def is_file(path: Path) -> bool:
    """Whether a file is there. A name that no file can have is none: `Path.is_file` raises for one that is too long."""
    try:
        return path.is_file()
    except OSError:
        return False


class FormReader:
    """Reads files and collects the problems found on the way. `contents` are read in place of what is on disk."""

    def __init__(self, contents: Mapping[Path, bytes] | None = None) -> None:
        self.problems: list[Problem] = []
        self._contents = dict(contents or {})
        self._lines: dict[Path, Any] = {}

    def add(self, path: Path, line: int | None, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(str(path), line, message, hint))

    def add_at(self, path: Path, location: Location, message: str, hint: str | None = None) -> None:
        """A problem with the value at `location` of a file that was read."""
        self.problems.append(Problem(str(path), self.find_line(path, location), message, hint, location))

    def read_text(self, path: Path) -> str | None:
        try:
            return self._read(path).decode("utf-8-sig")
        except OSError as exc:
            self.add(path, None, f"cannot be read: {exc.strerror}", "check that the file exists and may be read")
        except UnicodeDecodeError as exc:
            line = exc.object.count(b"\n", 0, exc.start) + 1
            found = f"byte 0x{exc.object[exc.start]:02x} is not UTF-8, expected a file in UTF-8"
            self.add(path, line, found, _guess_encoding(exc.object))
        return None

    def _read(self, path: Path) -> bytes:
        held = self._contents.get(path)
        return path.read_bytes() if held is None else held

    def read_yaml(self, path: Path) -> object:
        text = self.read_text(path)
        if text is None:
            return None
        try:
            data: object = YAML(typ="safe").load(text)
        except MarkedYAMLError as exc:
            mark = exc.problem_mark or exc.context_mark
            found = (exc.problem or "cannot be parsed").split("\n")[0]
            self.add(path, mark.line + 1 if mark else None, f"not valid YAML: {found}", _hint_yaml(exc))
            return None
        except Exception as exc:  # the reader raises ValueErrors of its own for dates, numbers and odd characters
            self.add(path, None, f"not valid YAML: {str(exc).splitlines()[0]}", "put odd values in quotation marks")
            return None
        if not isinstance(data, dict):
            self.add(path, 1, f"holds {_describe(data)}, expected `key: value` lines", "see specs/exa-data.yaml")
            return None
        return data

    def validate(self, path: Path, data: object, form: type[Form]) -> Form | None:
        if data is None:
            return None
        try:
            return form.model_validate(data)
        except ValidationError as exc:
            for error in _leave_out_echoes(exc.errors(include_url=False)):
                message, hint = _explain(error, form)
                self.add_at(path, error["loc"], message, hint)
            return None

    def find_line(self, path: Path, location: Location) -> int:
        """The line, from 1, of the deepest part of `location` that exists in the file."""
        if path not in self._lines:
            self._lines[path] = YAML(typ="rt", pure=True).load(self._read(path).decode("utf-8-sig"))
        node: Any = self._lines[path]
        line = 0
        for part in location:
            try:
                line = node.lc.key(part)[0] if hasattr(node, "keys") else node.lc.item(part)[0]
                node = node[part]
            except (KeyError, IndexError, AttributeError, TypeError):
                break
        return int(line) + 1


def _leave_out_echoes(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without the lists that are "too short" only because no entry of theirs is right: each entry is told anyway."""
    above = {error["loc"][:length] for error in errors for length in range(len(error["loc"]))}
    return [error for error in errors if not (error["type"] == "too_short" and error["loc"] in above)]


def _guess_encoding(data: bytes) -> str:
    try:
        data.decode("cp949")
    except UnicodeDecodeError:
        return "save the file as UTF-8"
    return "it looks like CP949 (EUC-KR); save it as UTF-8, for example `iconv -f cp949 -t utf-8 OLD > NEW`"


def _hint_yaml(exc: MarkedYAMLError) -> str:
    problem = str(exc.problem)
    if "duplicate key" in problem:
        return "every key may stand once; rename or delete one of the two"
    if "mapping values are not allowed" in problem:
        return "a text with ': ' in it needs quotation marks"
    if "\\t" in problem or "tab" in problem:
        return "indent with spaces, not with tabs"
    return "check indentation, quotation marks and brackets at this line"


_EXPECTED = {
    "multiple_of": "a multiple of {multiple_of}",
    "greater_than": "a number greater than {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than_equal": "a number of at most {le}",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "tuple_type": "a list",
    "too_short": "at least {min_length} entry",
    "dict_type": "`key: value` lines",
    "model_type": "`key: value` lines",
    "literal_error": "{expected}",
}


def _explain(error: ErrorDetails, form: type[BaseModel]) -> tuple[str, str | None]:
    location = error["loc"]
    name = _name(location)
    if error["type"] == "missing":
        return f"{name} is missing, expected it here", f"add `{location[-1]}: …`"
    if error["type"] == "extra_forbidden":
        known = _list_keys(location, form)
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"
        return f"unknown key {name}, expected one that the form has", hint
    if error["type"] == "value_error":
        return f"{name}: {error['ctx']['error']}" if location else str(error["ctx"]["error"]), None
    if error["type"] == "greater_than_equal" and location[-1:] == ("age",):
        return (
            f"age is {error['input']}, expected at least {error['ctx']['ge']}",
            "every persona is an adult; raise the age or leave the persona out",
        )
    if error["type"] == "string_pattern_mismatch":
        return f"{name} is {_describe(error['input'])}, expected small letters, digits, `-` and `_`", None
    expected = _EXPECTED.get(error["type"], error["msg"]).format(**error.get("ctx", {}))
    return f"{name} is {_describe(error['input'])}, expected {expected}", None


def _list_keys(location: Location, form: type[BaseModel]) -> list[str]:
    """The keys that the form at `location` knows, as they stand in the file."""
    inner: object = form
    for part in location[:-1]:
        fields = _list_fields(inner) if isinstance(inner, type) and issubclass(inner, BaseModel) else {}
        if part in fields:  # else it is a place in a list, or a key of a mapping
            inner = _find_form(fields[str(part)].annotation)
    fields = _list_fields(inner) if isinstance(inner, type) and issubclass(inner, BaseModel) else {}
    return sorted(fields)


def _list_fields(form: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in form.model_fields.items()}


def _find_form(annotation: object) -> object:
    """The form inside `tuple[Topic, ...]`, `Judge | None` and the like; None where there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _find_form(each)) is not None), None)


def _name(location: Location) -> str:
    name = ""
    for part in location:
        name += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if name else part
    return f"`{name}`"


def _describe(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, dict | list | tuple):
        return "a list" if not isinstance(value, dict) else "a mapping"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
