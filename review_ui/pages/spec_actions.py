"""What the buttons of a spec's form do: to what was typed, and to the file. No HTTP here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from datagen.errors import FileChangedError, Problem, SpecError, UsageError
from datagen.spec_edit import forecast_spec, read_spec, save_spec
from datagen.topic_forms import SpecEdit
from review_ui.authoring.open_specs import OpenSpec
from review_ui.pages.spec_form import Difference, Draft, compare, draft_of, make_edit, rebase

_ON_A_TOPIC = ("delete", "up", "down")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The form after a button. `status`: HTTP's; `done`: key of what is said, `about` whom; `focus`: id to go on at.

    `forecast`: None where nothing was checked or something was found; `seen`: fingerprint of the file that a conflict
    was told of.
    """

    draft: Draft
    status: int = 200
    done: str = ""
    about: str = ""
    focus: str = ""
    problems: Sequence[Problem] = ()
    forecast: Mapping[str, Any] | None = None
    is_conflict: bool = False
    differences: Sequence[Difference] = ()
    seen: str = ""
    error: UsageError | None = None
    is_changed: bool = True


def rearrange(draft: Draft, action: str) -> Outcome | None:
    """Topics added, deleted and moved; None where the button is another."""
    if action == "add":
        return Outcome(draft.add(), done="done.add", focus=f"t{len(draft.topics)}-name")
    verb, _, place = action.partition(":")
    if verb not in _ON_A_TOPIC or not (place.isascii() and place.isdigit() and len(place) < 6):
        return None
    at = int(place)
    if at >= len(draft.topics):
        return None
    topic = draft.topics[at]
    if verb == "delete":
        return Outcome(draft.delete(at), done="done.delete", about=topic.name, focus="done")
    to = max(0, at - 1) if verb == "up" else min(len(draft.topics) - 1, at + 1)
    return Outcome(draft.move(at, to), done="done.move", focus=f"t{to}-{verb}")


def open_form(spec: OpenSpec) -> Outcome:
    known = read_spec(spec.path)
    draft = draft_of(known)
    try:
        return Outcome(draft, forecast=forecast_spec(spec.path, known.to_edit()), is_changed=False)
    except FileChangedError:  # between two looks
        return Outcome(draft, is_changed=False)
    except SpecError as error:
        return Outcome(draft, problems=error.problems, is_changed=False)


def check(spec: OpenSpec, draft: Draft) -> Outcome:
    edit, refused = _prepare(spec, draft)
    if refused is not None:
        return replace(refused, status=200)
    assert edit is not None
    try:
        return Outcome(draft, done="done.check", focus="done", forecast=forecast_spec(spec.path, edit))
    except FileChangedError:
        return _tell_conflict(spec, draft)
    except SpecError as error:
        return Outcome(draft, problems=error.problems, focus="problems")


def save(spec: OpenSpec, draft: Draft) -> Outcome:
    edit, refused = _prepare(spec, draft)
    if refused is not None:
        return refused
    assert edit is not None
    try:
        save_spec(spec.path, edit)
    except FileChangedError:
        return _tell_conflict(spec, draft)
    except SpecError as error:
        return Outcome(draft, 422, problems=error.problems, focus="problems")
    return Outcome(draft, done="done.save")


def overwrite(spec: OpenSpec, draft: Draft, seen: str) -> Outcome:
    """Save over what somebody else saved, if it is still what the author has seen."""
    known = read_spec(spec.path)
    return save(spec, rebase(draft, known)) if known.fingerprint == seen else _tell_conflict(spec, draft)


def _prepare(spec: OpenSpec, draft: Draft) -> tuple[SpecEdit | None, Outcome | None]:
    """The edit to be checked or saved; or why it is none, with all that the check finds in the rest."""
    known = read_spec(spec.path)
    if known.fingerprint != draft.fingerprint:
        return None, _tell_conflict(spec, draft)
    edit, problems = make_edit(draft, known)
    if edit is not None and not problems:
        return edit, None
    try:
        if edit is not None:
            forecast_spec(spec.path, edit)
    except FileChangedError:
        return None, _tell_conflict(spec, draft)
    except SpecError as error:
        problems += error.problems
    return None, Outcome(draft, 422, problems=sorted(problems, key=_place), focus="problems")


def _place(problem: Problem) -> tuple[int, int]:
    """By topic, then by line."""
    at = problem.location[1] if len(problem.location) > 1 else -1
    return (at if isinstance(at, int) else -1, problem.line or 0)


def _tell_conflict(spec: OpenSpec, draft: Draft) -> Outcome:
    known = read_spec(spec.path)
    differences = compare(draft, known)
    return Outcome(draft, 409, is_conflict=True, differences=differences, seen=known.fingerprint, focus="conflict")
