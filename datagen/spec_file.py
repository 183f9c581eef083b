"""Read a spec and all that it points at; find every mistake at once, each with its line.

Two readers: libyaml for the usual case, where only the values matter (a spec of 40 kB takes 20 ms), and the
round-trip reader, 30 times slower, only once something is wrong and lines are wanted.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from datagen.errors import Problem, SpecError, UsageError
from datagen.packaged import find_packaged
from datagen.record import clean_text
from datagen.spec import MIN_PERSONA_AGE, Exchanges, LoadedSpec, Persona, Prompts, ProviderSettings, Spec, Topic

Location = tuple[int | str, ...]
Form = TypeVar("Form", bound=BaseModel)


def load_spec(name: str | Path) -> LoadedSpec:
    """Load the spec at a path, or the packaged one of that name (`exa-data`).

    Raises SpecError with every problem found in the spec, its personas, examples and prompts; UsageError where
    there is no such file.
    """
    path = _find_spec(Path(name))
    reader = _Reader()
    data = reader.read_yaml(path)
    spec = reader.validate(path, data, Spec)
    if isinstance(data, dict):
        _check_topic_names(reader, path, data)
    personas = _load_personas(reader, path, data)
    shared = _load_examples(reader, path, _strings(data, "examples"))
    examples = {
        persona.id: _load_examples(reader, file, persona.examples) if persona.examples else shared
        for file, persona in personas
    }
    prompts = Prompts(system=_load_prompt(reader, path, "system.md"), user=_load_prompt(reader, path, "user.md"))
    if reader.problems or spec is None:
        raise SpecError(sorted(reader.problems, key=lambda problem: (problem.file, problem.line or 0)))
    people = tuple(persona for _, persona in personas)
    return LoadedSpec(path=path, spec=spec, personas=people, examples=examples, prompts=prompts)


def _find_spec(path: Path) -> Path:
    if path.is_file():
        return path
    if path.is_dir():
        raise UsageError(f"{path} is a folder, expected a spec file", "give the .yaml file in it")
    packaged = find_packaged(path.name if path.suffix else f"{path.name}.yaml")
    if packaged is not None and path.parts[:-1] in ((), ("specs",)):
        return packaged
    names = ", ".join(sorted(spec.stem for spec in find_packaged_specs()))
    raise UsageError(f"{path}: no such file", f"give a path, or the name of a packaged spec: {names}")


def find_packaged_specs() -> list[Path]:
    """The specs that come with the package."""
    folder = find_packaged(".")
    return list(folder.glob("*-data.yaml")) if folder else []


class _Reader:
    """Reads files and collects the problems found on the way."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._lines: dict[Path, Any] = {}

    def add(self, path: Path, line: int | None, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(str(path), line, message, hint))

    def read_text(self, path: Path) -> str | None:
        try:
            return path.read_bytes().decode("utf-8-sig")
        except OSError as exc:
            self.add(path, None, f"cannot be read: {exc.strerror}", "check that the file exists and may be read")
        except UnicodeDecodeError as exc:
            line = exc.object.count(b"\n", 0, exc.start) + 1
            found = f"byte 0x{exc.object[exc.start]:02x} is not UTF-8, expected a file in UTF-8"
            self.add(path, line, found, _guess_encoding(exc.object))
        return None

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
            for error in exc.errors(include_url=False):
                message, hint = _explain(error, form)
                self.add(path, self.find_line(path, error["loc"]), message, hint)
            return None

    def find_line(self, path: Path, location: Location) -> int:
        """The line, from 1, of the deepest part of `location` that exists in the file."""
        if path not in self._lines:
            self._lines[path] = YAML(typ="rt", pure=True).load(path.read_bytes().decode("utf-8-sig"))
        node: Any = self._lines[path]
        line = 0
        for part in location:
            try:
                line = node.lc.key(part)[0] if hasattr(node, "keys") else node.lc.item(part)[0]
                node = node[part]
            except (KeyError, IndexError, AttributeError, TypeError):
                break
        return int(line) + 1


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


_FORMS: dict[tuple[str, ...], type[BaseModel]] = {
    ("exchanges",): Exchanges,
    ("provider",): ProviderSettings,
    ("topics",): Topic,
}

_EXPECTED = {
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
        known = sorted((_form_at(location, form)).model_fields)
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"
        return f"unknown key {name}, expected one that the form has", hint
    if error["type"] == "value_error":
        return f"{name}: {error['ctx']['error']}", None
    if error["type"] == "greater_than_equal" and location[-1:] == ("age",):
        return (
            f"age is {error['input']}, expected at least {MIN_PERSONA_AGE}",
            "every persona is an adult; raise the age or leave the persona out",
        )
    if error["type"] == "string_pattern_mismatch":
        return f"{name} is {_describe(error['input'])}, expected small letters, digits, `-` and `_`", None
    expected = _EXPECTED.get(error["type"], error["msg"]).format(**error.get("ctx", {}))
    return f"{name} is {_describe(error['input'])}, expected {expected}", None


def _form_at(location: Location, form: type[BaseModel]) -> type[BaseModel]:
    names = tuple(part for part in location[:-1] if isinstance(part, str))
    return _FORMS.get(names, form) if form is Spec else form


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


def _strings(data: object, key: str) -> list[str]:
    values = data.get(key) if isinstance(data, dict) else None
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def _check_topic_names(reader: _Reader, path: Path, data: dict[str, Any]) -> None:
    """Topics and situations that stand twice; pydantic looks across entries only when each is right by itself."""
    topics = data.get("topics")
    entries = [entry for entry in topics if isinstance(entry, dict)] if isinstance(topics, list) else []
    names = [entry.get("name") for entry in entries]
    for index, name in _find_repeats(names):
        found = f"topic '{name}' stands here a second time, expected each once"
        reader.add(path, reader.find_line(path, ("topics", index, "name")), found, "merge the two, or rename one")
    for at, entry in enumerate(entries):
        for index, situation in _find_repeats(_strings(entry, "situations")):
            found = f"situation '{situation[:30]}…' of topic '{entry.get('name')}' stands twice, expected each once"
            reader.add(path, reader.find_line(path, ("topics", at, "situations", index)), found, "write another one")


def _find_repeats(values: Iterable[object]) -> list[tuple[int, str]]:
    seen: set[str] = set()
    repeats = []
    for index, value in enumerate(values):
        if isinstance(value, str):
            if value in seen:
                repeats.append((index, value))
            seen.add(value)
    return repeats


def _load_personas(reader: _Reader, path: Path, data: object) -> list[tuple[Path, Persona]]:
    personas: list[tuple[Path, Persona]] = []
    for index, relative in enumerate(_strings(data, "personas")):
        file = path.parent / relative
        line = ("personas", index)
        if not file.is_file():
            known = [str(found.relative_to(path.parent)) for found in path.parent.glob("personas/*.yaml")]
            near = difflib.get_close_matches(relative, known, n=1)
            hint = f"did you mean `{near[0]}`?" if near else "the path is relative to the spec's own folder"
            reader.add(path, reader.find_line(path, line), f"persona file {relative} does not exist", hint)
            continue
        persona = reader.validate(file, reader.read_yaml(file), Persona)
        if persona is None:
            continue
        if persona.id in (other.id for _, other in personas):
            reader.add(
                path, reader.find_line(path, line), f"persona id '{persona.id}' stands twice, expected each once"
            )
            continue
        personas.append((file, persona))
    return personas


def _load_examples(reader: _Reader, path: Path, patterns: Iterable[str]) -> tuple[str, ...]:
    texts = []
    for index, pattern in enumerate(patterns):
        try:
            files = sorted(found for found in path.parent.glob(pattern) if found.is_file())
        except (ValueError, NotImplementedError) as exc:
            files, pattern = [], f"{pattern} ({exc})"
        if not files:
            line = reader.find_line(path, ("examples", index))
            hint = "the pattern is relative to the file it stands in"
            reader.add(path, line, f"no example file matches {pattern}, expected at least one transcript", hint)
        texts += [text for file in files if (text := reader.read_text(file)) is not None]
    return tuple(clean_text(text).strip() for text in texts)


def _load_prompt(reader: _Reader, path: Path, name: str) -> str:
    own = path.parent / "prompts" / name
    file = own if own.is_file() else find_packaged(f"prompts/{name}")
    if file is None:
        reader.add(own, None, "no such prompt template, here or in the package", "reinstall the package")
        return ""
    return reader.read_text(file) or ""
