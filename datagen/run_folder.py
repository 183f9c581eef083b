"""A run's folder: one process at a time, and what was asked, frozen.

The frozen request lies in the ledger; `spec.yaml` is its readable copy and carries its own fingerprint, so that a copy
edited by hand is told from one that a crash left behind.
"""

import difflib
import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from datagen.batch.book import Book
from datagen.endpoint_options import SIMULATOR_MODEL
from datagen.errors import DataError, UsageError
from datagen.ledger import Ledger
from datagen.spec import LoadedSpec

_ASKED_OF_PROVIDER = ("model", "temperature", "max_completion_tokens")
"""What of the provider block decides the dialogues; concurrency, limits and addresses may change between calls."""

_OF_DUETS = ("mode", "users", "context_tokens")
"""Frozen in runs of duets alone: what other runs froze stays what it was."""

TRIES_TO_LOCK = 5
"""20 ms apart: `find_holder` holds the lock for microseconds, and is no reason to refuse."""


@contextmanager
def lock_run(folder: Path) -> Iterator[None]:
    """Hold the run for this process; the system lets go of it however the process ends.

    Raises UsageError where another process holds it, or where the folder is something else.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as exc:
        raise UsageError(f"{folder} cannot be used as a run folder: {exc.strerror}", "give another with -o") from exc
    try:
        if not _lock(descriptor):
            raise explain_holder(folder, _read_holder(descriptor))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def find_holder(folder: Path) -> int | None:
    """The process that holds the run, without taking it: its pid, 0 if it did not say yet; None if nobody does."""
    try:
        descriptor = os.open(folder / ".lock", os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # for as long as it takes to close it again
    except BlockingIOError:
        return _read_holder(descriptor)
    finally:
        os.close(descriptor)
    return None


def explain_holder(folder: Path, holder: int) -> UsageError:
    """The error of one who wants a run that process `holder` holds."""
    hint = f"watch it with `damhwa status {folder}`, or give another run folder with -o"
    return UsageError(f"{folder} is in use by another process (pid {holder or 'unknown'})", hint)


def _lock(descriptor: int) -> bool:
    """Take the lock; one who only asks who holds it is waited for."""
    for _ in range(TRIES_TO_LOCK):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.02)
    return False


def _read_holder(descriptor: int) -> int:
    text = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
    return int(text) if text.isascii() and text.isdigit() else 0


def describe_request(loaded: LoadedSpec) -> dict[str, Any]:
    """All that decides what the run's dialogues are: spec, personas, examples and prompts, without paths."""
    left_out = {"provider", "personas", "examples", "picture_detail", "voice", *_OF_DUETS}
    spec = loaded.spec.model_dump(mode="json", exclude=left_out)
    if loaded.spec.reply == "transcript":
        del spec["reply"]  # runs of before it could be chosen go on
    if loaded.pictures:
        spec["picture_detail"] = loaded.spec.picture_detail
    for topic in spec["topics"]:
        del topic["pictures"]  # its path; the pictures are what was asked, and what text alone froze stays so
        if shown := loaded.pictures.get(topic["name"]):
            topic["pictures"] = [picture.to_json() for picture in shown]
    spec["provider"] = {key: getattr(loaded.spec.provider, key) for key in _ASKED_OF_PROVIDER}
    spec["personas"] = [persona.model_dump(mode="json", exclude={"examples", "voice"}) for persona in loaded.personas]
    spec["examples"] = {persona: list(texts) for persona, texts in loaded.examples.items()}
    spec["prompts"] = loaded.prompts.model_dump(exclude_none=True)
    if loaded.spec.voice is not None:
        voices = {persona.id: persona.voice for persona in loaded.personas if persona.voice}
        spec["voice"] = {"settings": loaded.spec.voice.model_dump(mode="json"), "personas": voices}
    if loaded.users:
        spec |= loaded.spec.model_dump(mode="json", include={"mode", "context_tokens"})
        spec["users"] = [user.model_dump(mode="json") for user in loaded.users]
    return spec


def keep_prompts(ledger: Ledger, loaded: LoadedSpec) -> LoadedSpec:
    """The spec with the templates that the run was made with in the place of packaged ones.

    A newer version of this program may bring others; that is no change of what was asked for. Templates of the spec's
    own stay as they are now, and are checked against the run's.
    """
    text = ledger.read_setting("request")
    if text is None:
        return loaded
    frozen: dict[str, Any] = YAML(typ="safe").load(text)["prompts"]
    now, own = loaded.prompts, loaded.own_prompts
    of_duet = {name: each for name, each in frozen.pop("duet", {}).items() if f"duet_{name}" not in own}
    duet = now.duet.model_copy(update=of_duet) if now.duet else None
    kept = {name: each for name, each in frozen.items() if name not in own}
    return loaded.model_copy(update={"prompts": now.model_copy(update={**kept, "duet": duet})})


def freeze_request(folder: Path, ledger: Ledger, loaded: LoadedSpec, is_curated: bool = False) -> None:
    """Record what is asked in a new run, or check it against what was asked.

    Raises UsageError, with a diff, for a change that `check_request` does not allow; DataError where `spec.yaml` was
    edited by hand.
    """
    asked = _dump(describe_request(loaded))
    known = ledger.read_setting("request")
    if known is None:
        ledger.write_settings(request=asked, dataset=loaded.spec.dataset, run_id=secrets.token_hex(4))
    elif known != asked:
        check_request(folder, ledger, loaded, is_curated)
        ledger.write_settings(request=asked)
    _write_copy(folder / "spec.yaml", asked)


def check_request(folder: Path, ledger: Ledger, loaded: LoadedSpec, is_curated: bool = False) -> None:
    """Whether a spec goes on in the run that was made with an earlier state of it; nothing is written.

    Larger quotas, new topics, new situations and pictures are taken over; so is a quota lowered to no less than was
    accepted, or, of a curated run (which keeps what is beyond a quota in reserve), to anything.
    Raises UsageError, with a diff, for any other change.
    """
    asked, known = _dump(describe_request(keep_prompts(ledger, loaded))), ledger.read_setting("request")
    if known is None or known == asked:
        return
    if not is_curated:
        _check_quotas(known, asked, ledger)
    _check_change(folder, known, asked)


def read_request(ledger: Ledger) -> dict[str, Any]:
    """What a run was asked, as it was frozen."""
    text = ledger.read_setting("request")
    if text is None:
        raise DataError(f"{ledger.path} holds no request", "the run was stopped before it began; generate it again")
    request: dict[str, Any] = YAML(typ="safe").load(text)
    return request


def _dump(request: dict[str, Any]) -> str:
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.width = 10_000
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    stream = StringIO()
    yaml.dump(request, stream)
    return stream.getvalue()


def _write_copy(path: Path, asked: str) -> None:
    if path.exists():
        head, _, body = path.read_text(encoding="utf-8").partition("\n")
        if head != _head(body):
            hint = f"delete {path} (the ledger holds the original), edit your own spec, and generate again"
            raise DataError(f"{path} was changed by hand, or damaged: its fingerprint does not fit", hint)
        if body == asked:
            return
    temporary = path.with_name(".spec.yaml.writing")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(f"{_head(asked)}\n{asked}")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as exc:
        raise DataError(f"{path} could not be written: {exc.strerror}", "check free space and permissions") from exc


def _head(body: str) -> str:
    digest = hashlib.sha256(body.encode()).hexdigest()
    return f"# What this run was asked, frozen. Do not edit. sha256 of what follows: {digest}"


def _check_change(folder: Path, known: str, asked: str) -> None:
    yaml = YAML(typ="safe")
    before, after = yaml.load(known), yaml.load(asked)
    allowed = {**before, "topics": _allow_growth(before["topics"], after["topics"])}
    if "picture_detail" in after and "picture_detail" not in before:  # the first topic about pictures is a new one
        allowed["picture_detail"] = after["picture_detail"]
        allowed["prompts"] = {**before["prompts"], "picture": after["prompts"]["picture"]}
    allowed.pop("voice", None)  # it decides recordings, and no dialogue
    if "voice" in after:
        allowed["voice"] = after["voice"]
    if allowed == after:
        return
    diff = "\n".join(
        list(
            difflib.unified_diff(
                _dump(allowed).split("\n"), asked.split("\n"), "the run", "your spec", n=1, lineterm=""
            )
        )[:40]
    )
    hint = "other quotas, new topics, situations and pictures go on in the same run; for other changes give a new -o"
    models = {request["provider"]["model"] for request in (before, after)}
    if len(models) == 2 and SIMULATOR_MODEL in models:
        hint = "one of them asks the simulator: --offline goes on with a run that it began, a real model needs a new -o"
    raise UsageError(f"the spec is not the one that {folder} was made with:\n{diff}", hint)


def _check_quotas(known: str, asked: str, ledger: Ledger) -> None:
    yaml = YAML(typ="safe")
    before, after = yaml.load(known), yaml.load(asked)
    old = {topic["name"]: topic["quota"] for topic in before["topics"]}
    tallies, under_way = ledger.tallies(), Book(ledger).count_under_way()
    for topic in after["topics"]:
        waiting = under_way.get(topic["name"], 0)
        accepted = tallies[topic["name"]].accepted if topic["name"] in tallies else 0
        if topic["quota"] < min(old.get(topic["name"], 0), accepted + waiting):
            found = f"topic '{topic['name']}' has {accepted} accepted dialogues"
            found += f" and {waiting} under way in batches" if waiting else ""
            found += f", more than the new quota {topic['quota']}"
            least = accepted + waiting
            raise UsageError(found, f"a quota can be lowered to {least} at the least, or start a new run folder")


def _allow_growth(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The old topics with what may change taken from the new ones, and the new topics, in the new order."""
    old = {topic["name"]: topic for topic in before}
    merged = []
    for topic in after:
        known = old.pop(topic["name"], topic)
        grown = set(known["situations"]) <= set(topic["situations"])
        situations = topic["situations"] if grown else known["situations"]
        merged.append({**known, "quota": topic["quota"], "situations": situations, **_grow_pictures(known, topic)})
    return merged + list(old.values())


def _grow_pictures(known: dict[str, Any], topic: dict[str, Any]) -> dict[str, Any]:
    """The pictures that a topic may go on with: those of before with others beside them, each the same as it was."""
    before, after = known.get("pictures", []), topic.get("pictures", [])
    return {"pictures": after} if before and all(each in after for each in before) else {}
