"""Read a spec and all that it points at; find every mistake at once, each with its line.

How a file is read into a form is `form_file`'s; here is what a spec's files have to do with one another.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from datagen.errors import SpecError, UsageError
from datagen.form_file import FormReader, Location, is_file
from datagen.media_type import BadMediumError
from datagen.packaged import find_packaged
from datagen.picture import Picture, list_files, read_picture
from datagen.record import clean_text
from datagen.spec import DuetPrompts, LoadedSpec, Persona, Prompts, Spec, User

Someone = TypeVar("Someone", Persona, User)

_INCLUDE = re.compile(r'\{% include "(rules\.md)" %\}')


def load_spec(name: str | Path, content: bytes | None = None) -> LoadedSpec:
    """Load the spec at a path, or the packaged one of that name (`exa-data`).

    `content` is read in place of what the spec's file holds, as it would be once saved there.
    Raises SpecError with every problem found in the spec, its personas, examples and prompts; UsageError where
    there is no such file.
    """
    path = _find_spec(Path(name))
    reader = FormReader({path: content} if content is not None else None)
    data = reader.read_yaml(path)
    spec = reader.validate(path, data, Spec)
    if isinstance(data, dict):
        _check_topic_names(reader, path, data)
    personas = _load_people(reader, path, _list_places(path, data, "personas"), Persona)
    _check_mode(reader, path, data)
    users = _load_people(reader, path, _list_places(path, data, "users"), User)
    shared = _load_examples(reader, path, _strings(data, "examples"))
    examples = {
        persona.id: _load_examples(reader, file, persona.examples) if persona.examples else shared
        for file, persona in personas
    }
    pictures, places = _load_pictures(reader, path, data)
    prompts = _load_prompts(reader, path, shows_pictures=bool(pictures), is_duet=bool(users))
    if reader.problems or spec is None:
        raise SpecError(sorted(reader.problems, key=lambda problem: (problem.file, problem.line or 0)))
    return LoadedSpec(
        path=path,
        spec=spec,
        personas=tuple(persona for _, persona in personas),
        users=tuple(user for _, user in users),
        examples=examples,
        prompts=prompts,
        own_prompts=_list_own_prompts(path),
        pictures=pictures,
        picture_places=places,
    )


def _find_spec(path: Path) -> Path:
    if is_file(path):
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


def _strings(data: object, key: str) -> list[str]:
    values = data.get(key) if isinstance(data, dict) else None
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def _check_topic_names(reader: FormReader, path: Path, data: dict[str, Any]) -> None:
    """Topics and situations that stand twice; pydantic looks across entries only when each is right by itself."""
    topics = data.get("topics")
    entries = [entry for entry in topics if isinstance(entry, dict)] if isinstance(topics, list) else []
    names = [entry.get("name") for entry in entries]
    for index, name in _find_repeats(names):
        found = f"topic '{name}' stands here a second time, expected each once"
        reader.add_at(path, ("topics", index, "name"), found, "merge the two, or rename one")
    for at, entry in enumerate(entries):
        for index, situation in _find_repeats(_strings(entry, "situations")):
            found = f"situation '{situation[:30]}…' of topic '{entry.get('name')}' stands twice, expected each once"
            reader.add_at(path, ("topics", at, "situations", index), found, "write another one")


def _find_repeats(values: Iterable[object]) -> list[tuple[int, str]]:
    seen: set[str] = set()
    repeats = []
    for index, value in enumerate(values):
        if isinstance(value, str):
            if value in seen:
                repeats.append((index, value))
            seen.add(value)
    return repeats


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a spec names a file, and the file."""

    location: Location
    name: str
    file: Path


def _check_mode(reader: FormReader, path: Path, data: object) -> None:
    if not isinstance(data, dict):
        return
    users, is_duet = data.get("users"), data.get("mode") == "duet"
    if is_duet and not users:
        hint = "add `users: [users/*.yaml]`: each such file is somebody who talks with the persona"
        reader.add_at(path, ("mode",), "mode is duet and there are no users, expected at least one", hint)
    if users and not is_duet:
        hint = "add `mode: duet`, or take `users` out"
        reader.add_at(path, ("users",), "there are users and mode is not duet, expected them in duets alone", hint)
    topics = data.get("topics")
    for at, topic in enumerate(topics if is_duet and isinstance(topics, list) else ()):
        if isinstance(topic, dict) and topic.get("pictures"):
            hint = "take `pictures` out, or make a spec of its own for this topic"
            reader.add_at(path, ("topics", at, "pictures"), "duets show no pictures, expected text alone", hint)


def _list_places(path: Path, data: object, key: str) -> list[_Place]:
    """The files that a list of the spec names; `users` may name them by pattern."""
    places = []
    for index, name in enumerate(_strings(data, key)):
        found = _find_files(path.parent, name) if key == "users" else []
        places += [_Place((key, index), name, file) for file in found or [path.parent / name]]
    return places


def _load_people(
    reader: FormReader, path: Path, places: list[_Place], form: type[Someone]
) -> list[tuple[Path, Someone]]:
    kind = form.__name__.lower()
    people: list[tuple[Path, Someone]] = []
    for place in places:
        if not is_file(place.file):
            known = [str(found.relative_to(path.parent)) for found in path.parent.glob(f"{kind}s/*.yaml")]
            near = difflib.get_close_matches(place.name, known, n=1)
            hint = f"did you mean `{near[0]}`?" if near else "the path is relative to the spec's own folder"
            reader.add_at(path, place.location, f"{kind} file {place.name} does not exist", hint)
            continue
        someone = reader.validate(place.file, reader.read_yaml(place.file), form)
        if someone is None:
            continue
        if someone.id in (other.id for _, other in people):
            reader.add_at(path, place.location, f"{kind} id '{someone.id}' stands twice, expected each once")
            continue
        people.append((place.file, someone))
    return people


def _find_files(folder: Path, pattern: str) -> list[Path]:
    """Raises nothing: a pattern that is none finds nothing."""
    try:
        return sorted(found for found in folder.glob(pattern) if found.is_file())
    except (ValueError, NotImplementedError):
        return []


def _load_examples(reader: FormReader, path: Path, patterns: Iterable[str]) -> tuple[str, ...]:
    texts = []
    for index, pattern in enumerate(patterns):
        try:
            files = sorted(found for found in path.parent.glob(pattern) if found.is_file())
        except (ValueError, NotImplementedError) as exc:
            files, pattern = [], f"{pattern} ({exc})"
        if not files:
            hint = "the pattern is relative to the file it stands in"
            found = f"no example file matches {pattern}, expected at least one transcript"
            reader.add_at(path, ("examples", index), found, hint)
        texts += [text for file in files if (text := reader.read_text(file)) is not None]
    return tuple(clean_text(text).strip() for text in texts)


def _load_pictures(
    reader: FormReader, path: Path, data: object
) -> tuple[dict[str, tuple[Picture, ...]], dict[str, Path]]:
    """Topic → its pictures, and where each lies by its hash."""
    topics = data.get("topics") if isinstance(data, dict) else None
    pictures: dict[str, tuple[Picture, ...]] = {}
    places: dict[str, Path] = {}
    for at, topic in enumerate(topics if isinstance(topics, list) else ()):
        pattern = topic.get("pictures") if isinstance(topic, dict) else None
        if isinstance(pattern, str) and pattern.strip():
            found = _read_pictures(reader, path, ("topics", at, "pictures"), pattern.strip())
            pictures[str(topic.get("name"))] = tuple(found.values())
            places |= {picture.sha256: place for place, picture in found.items()}
    return pictures, places


def _read_pictures(reader: FormReader, path: Path, where: Location, pattern: str) -> dict[Path, Picture]:
    try:
        files = list_files(path.parent, pattern)
    except (OSError, ValueError, NotImplementedError) as exc:
        files, pattern = [], f"{pattern} ({exc})"
    if not files:
        hint = (
            "give a folder with PNG, JPEG, WebP or GIF files, or a pattern, relative to the spec: `pictures/cats/*.png`"
        )
        reader.add_at(path, where, f"there is no picture at {pattern}, expected at least one", hint)
    found: dict[Path, Picture] = {}
    for file in files:
        try:
            picture = read_picture(file)
        except BadMediumError as exc:
            hint = "take it out of there, or give a pattern such as `pictures/cats/*.png`"
            reader.add_at(path, where, f"{file.name.encode(errors='replace').decode()}: {exc}", hint)
            continue
        if twin := next((place for place, each in found.items() if picture.name == each.name), None):
            what = f"{file} and {twin} have the same name, expected each once"
            reader.add_at(path, where, what, "rename one: rows tell pictures by their names")
        elif twin := next((place for place, each in found.items() if picture.sha256 == each.sha256), None):
            reader.add_at(path, where, f"{file.name} and {twin.name} are the same picture", "delete one of the two")
        found[file] = picture
    return found


def _load_prompts(reader: FormReader, path: Path, shows_pictures: bool, is_duet: bool) -> Prompts:
    duet = None
    if is_duet:
        names = {name: f"duet_{name}.md" for name in DuetPrompts.model_fields}
        duet = DuetPrompts(**{name: _load_prompt(reader, path, file) for name, file in names.items()})
    return Prompts(
        system=_load_prompt(reader, path, "system.md"),
        user=_load_prompt(reader, path, "user.md"),
        picture=_load_prompt(reader, path, "picture.md") if shows_pictures else None,
        duet=duet,
    )


def _list_own_prompts(path: Path) -> frozenset[str]:
    """The templates that the spec brings along; the packaged ones lie beside packaged specs and are not theirs."""
    names = [*Prompts.model_fields, *(f"duet_{name}" for name in DuetPrompts.model_fields)]
    if _is_own_prompt(path, "rules.md"):  # a part of others
        return frozenset(names)
    return frozenset(name for name in names if _is_own_prompt(path, f"{name}.md"))


def _is_own_prompt(path: Path, name: str) -> bool:
    own, packaged = path.parent / "prompts" / name, find_packaged(f"prompts/{name}")
    return own.is_file() and (packaged is None or not own.samefile(packaged))


def _load_prompt(reader: FormReader, path: Path, name: str) -> str:
    """A template with what it includes put in its place, so that a run freezes all of it."""
    own = path.parent / "prompts" / name
    file = own if own.is_file() else find_packaged(f"prompts/{name}")
    if file is None:
        reader.add(own, None, "no such prompt template, here or in the package", "reinstall the package")
        return ""
    text = reader.read_text(file) or ""
    return _INCLUDE.sub(lambda found: _load_prompt(reader, path, found[1]).strip("\n"), text)
