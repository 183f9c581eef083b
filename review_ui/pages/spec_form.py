"""The form of a spec: what stands in its fields, whatever that is, and the edit that it asks for.

Situations stand one a line, facets as `이름: 값, 값`; a name or value that has such a sign itself stands in quotation
marks. What was not touched on the page is taken as the file has it, so that no way of writing it is ever lost.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import StringIO

from pydantic import ValidationError

from datagen.errors import Problem
from datagen.form_file import FormReader
from datagen.spec_edit import EditableSpec
from datagen.topic_forms import MAX_TOPICS, SpecEdit, TopicText

FIELDS = ("name", "category", "quota", "brief", "situations", "facets")


@dataclass(frozen=True, slots=True)
class TopicDraft:
    """A topic as its fields say it. `original`: its name in the file that the page was made from; empty: a new one."""

    original: str = ""
    name: str = ""
    category: str = ""
    quota: str = ""
    brief: str = ""
    situations: str = ""
    facets: str = ""

    @property
    def count(self) -> int | None:
        """The quota, if it is a whole number."""
        try:
            return int(self.quota.replace(",", ""))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Draft:
    """What an author has typed. `fingerprint`: of the file that the page was made from."""

    fingerprint: str
    topics: tuple[TopicDraft, ...]

    @property
    def quota(self) -> int:
        return sum(topic.count or 0 for topic in self.topics)

    @property
    def categories(self) -> dict[str, int]:
        """Category → dialogues."""
        sums: dict[str, int] = {}
        for topic in self.topics:
            sums[topic.category] = sums.get(topic.category, 0) + (topic.count or 0)
        return sums

    def add(self) -> "Draft":
        """With one topic more, like the last."""
        category = self.topics[-1].category if self.topics else ""
        return replace(self, topics=(*self.topics, TopicDraft(category=category)))

    def delete(self, at: int) -> "Draft":
        return replace(self, topics=self.topics[:at] + self.topics[at + 1 :])

    def move(self, at: int, to: int) -> "Draft":
        """With the topic at one place at another; as it is where there is no such place."""
        if not 0 <= to < len(self.topics):
            return self
        topics = list(self.topics)
        topics.insert(to, topics.pop(at))
        return replace(self, topics=tuple(topics))


def draft_of(known: EditableSpec) -> Draft:
    """The form of a file as it stands."""
    return Draft(known.fingerprint, tuple(_draft_topic(topic) for topic in known.topics))


def _draft_topic(topic: TopicText) -> TopicDraft:
    return TopicDraft(
        original=topic.name,
        name=topic.name,
        category=topic.category,
        quota=str(topic.quota),
        brief=topic.brief,
        situations="\n".join(" ".join(each.split()) for each in topic.situations),
        facets=write_facets(topic.facets),
    )


def read_draft(fields: Mapping[str, str]) -> Draft:
    """What a page posted."""
    given = fields.get("count", "")
    count = min(int(given), MAX_TOPICS) if given.isascii() and given.isdigit() and len(given) < 6 else 0
    topics = (
        TopicDraft(
            fields.get(f"t{at}-original", ""),
            *(fields.get(f"t{at}-{name}", "").replace("\r\n", "\n") for name in FIELDS),
        )
        for at in range(count)
    )
    return Draft(fields.get("fingerprint", ""), tuple(topics))


def make_edit(draft: Draft, known: EditableSpec) -> tuple[SpecEdit | None, list[Problem]]:
    """The edit that a draft asks for, and what in it is no edit; None where nothing can be checked.

    A quota that is no number is told, and taken for 1 so that the rest is checked too. `known`: the file as it is now.
    """
    problems = [_tell_quota(known, at, topic) for at, topic in enumerate(draft.topics) if topic.count is None]
    originals = {topic.name: topic for topic in known.topics}
    try:
        topics = [_make_topic(topic, originals.get(topic.original)) for topic in draft.topics]
        return SpecEdit.model_validate({"fingerprint": draft.fingerprint, "topics": topics}), problems
    except ValidationError as exc:
        return None, problems + [_tell(known, each["loc"], each["msg"]) for each in exc.errors()]


def _make_topic(draft: TopicDraft, original: TopicText | None) -> dict[str, object]:
    lines = tuple(line.strip() for line in draft.situations.splitlines() if line.strip())
    made: dict[str, object] = {
        "original": draft.original or None,
        "name": draft.name,
        "category": draft.category,
        "quota": 1 if draft.count is None else draft.count,
        "brief": draft.brief,
        "situations": lines,
        "facets": read_facets(draft.facets),
    }
    if original is not None:
        before = _draft_topic(original)
        untouched = (
            name for name in ("brief", "situations", "facets") if getattr(draft, name) == getattr(before, name)
        )
        made |= {name: getattr(original, name) for name in untouched}
    return made


def _tell_quota(known: EditableSpec, at: int, topic: TopicDraft) -> Problem:
    """In the words of the check, which would read a text there; with the line where the topic stands now."""
    places = [place for place, each in enumerate(known.topics) if topic.original and each.name == topic.original]
    line = FormReader().find_line(known.path, ("topics", places[0], "quota")) if places else None
    found = repr(topic.quota) if topic.quota.strip() else "empty"
    told = f"`topics[{at + 1}].quota` is {found}, expected a whole number"
    return Problem(str(known.path), line, told, location=("topics", at, "quota"))


def _tell(known: EditableSpec, place: tuple[int | str, ...], message: str) -> Problem:
    """What is too long or too much for an edit."""
    name = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in place)
    return Problem(str(known.path), None, f"`{name.removeprefix('.')}`: {message}", location=place)


def write_facets(facets: Mapping[str, tuple[str, ...]]) -> str:
    """One facet a line: `이름: 값, 값`."""
    return "\n".join(
        f"{_quote(name, ':')}: {', '.join(_quote(value, ',') for value in values)}" for name, values in facets.items()
    )


def _quote(text: str, sign: str) -> str:
    text = " ".join(text.split())
    if sign not in text and '"' not in text and text:
        return text
    return '"' + text.replace('"', '""') + '"'


def read_facets(text: str) -> dict[str, tuple[str, ...]]:
    """The facets of such lines. A line without `:` is a facet without values; those of the same name are joined."""
    facets: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        if line.strip():
            name, rest = _split_name(line.strip())
            values = next(csv.reader(StringIO(rest), skipinitialspace=True), [])
            facets[name] = facets.get(name, ()) + tuple(value.strip() for value in values if value.strip())
    return facets


def _split_name(line: str) -> tuple[str, str]:
    if not line.startswith('"'):
        name, _, rest = line.partition(":")
        return name.strip(), rest.strip()
    end = 1
    while end < len(line) and (line[end] != '"' or line[end + 1 : end + 2] == '"'):
        end += 2 if line[end] == '"' else 1
    return line[1:end].replace('""', '"'), line[end + 1 :].strip().removeprefix(":").strip()


def rebase(draft: Draft, known: EditableSpec) -> Draft:
    """The draft as an edit of the file as it is now; topics that the file no longer has become new ones."""
    names = [topic.name for topic in known.topics]
    topics = []
    for topic in draft.topics:
        has = topic.original in names
        if has:
            names.remove(topic.original)
        topics.append(topic if has else replace(topic, original=""))
    return Draft(known.fingerprint, tuple(topics))


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the file as it is now and the draft say different things. `topic`: its name; `field`: empty: all of it."""

    topic: str
    field: str
    theirs: str
    mine: str


def compare(draft: Draft, known: EditableSpec) -> list[Difference]:
    """What overwriting would change in the file, topic by topic."""
    theirs = {topic.original: topic for topic in draft_of(known).topics}
    found: list[Difference] = []
    for mine in draft.topics:
        other = theirs.pop(mine.original, None) if mine.original else None
        if other is None:
            found.append(Difference(mine.name or mine.original, "", "", mine.name))
            continue
        found += [
            Difference(other.name, name, getattr(other, name), getattr(mine, name))
            for name in FIELDS
            if getattr(other, name).strip() != getattr(mine, name).strip()
        ]
    return found + [Difference(topic.name, "", topic.name, "") for topic in theirs.values()]
