"""`damhwa voice`: have what the personas say spoken, remember each recording, and put them into the curated splits.

    list lines → speak what is missing → table of recordings → splits with them

The table and the splits follow from dialogues and ledger alone, so whatever ends a call early, the next one makes them
right.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from curation.opinions.desk import Desk, Errand
from curation.progress import show_speaking
from curation.recordings import Recordings, write_recordings
from curation.settings import FILE_NAME, load_settings
from curation.settling.split_memory import SPLITS
from curation.source import is_run
from curation.voicing.lines import Casting, Line, list_lines
from curation.voicing.splits import add_to_splits
from datagen.console import err, format_money
from datagen.endpoint_options import SIMULATOR_MODEL, Access, ProviderOptions, run_simulator
from datagen.errors import UsageError
from datagen.ledger import Ledger
from datagen.media import sweep_media
from datagen.record import Dialogue
from datagen.run_folder import lock_run, read_request
from datagen.spec import VoiceSettings
from datagen.store import read_dialogues

BLOCK = "voice"


@dataclass(frozen=True, slots=True)
class VoiceRequest:
    """What the command line said; None and empty mean nothing."""

    run: Path
    splits: tuple[str, ...] = ()
    """Those alone; empty: all that is accepted, or all dialogues where nothing was curated."""
    voice: str | None = None
    format: str | None = None
    options: ProviderOptions = field(default_factory=ProviderOptions)


def voice(request: VoiceRequest) -> dict[str, Any]:
    """Speak, and return the summary that `--json` prints.

    Raises UsageError where there is nothing to speak or no voice, BudgetSpentError, ProviderError, DataError: what was
    spoken until then is kept, and in the splits.
    """
    folder = request.run
    if not is_run(folder):
        raise UsageError(f"{folder} is no run", "give the folder of a run, as made by `damhwa build … -o RUN`")
    places = _list_places(request)
    with ExitStack() as stack:
        simulator = Access((stack.enter_context(run_simulator()),), "none") if request.options.offline else None
        stack.enter_context(lock_run(folder))
        sweep_media(folder)
        tell = stack.enter_context(show_speaking())
        ledger = Ledger.create_or_open(folder / "ledger.db")
        stack.callback(ledger.close)
        settings, voices = _read_settings(request, ledger)
        model = SIMULATOR_MODEL if simulator else settings.model
        casting = Casting(model, settings.voice, settings.format, voices)
        desk = Desk(folder, ledger, simulator, tell=tell)
        try:
            spoken = asyncio.run(_speak(desk, settings, casting, places))
        finally:
            recordings = _publish(folder, ledger, casting, places)
    return {"run": str(folder), "model": casting.model, "format": casting.format, **spoken, **recordings}


def _list_places(request: VoiceRequest) -> tuple[Path, ...]:
    """Folders of the dialogues that are spoken."""
    curated = request.run / "curated"
    if not (curated / "decisions.parquet").is_file():
        if request.splits:
            hint = f"run `damhwa curate {request.run}` first, or leave --split out for all dialogues"
            raise UsageError(f"{request.run} is not curated, so it has no splits", hint)
        return (request.run / "dialogues",)
    if unknown := [name for name in request.splits if name not in SPLITS]:
        raise UsageError(f"--split {unknown[0]}: there is no such split", f"the splits: {', '.join(SPLITS)}")
    return tuple(curated / name for name in request.splits or SPLITS)


def _read_settings(request: VoiceRequest, ledger: Ledger) -> tuple[VoiceSettings, dict[str, str]]:
    """The settings of the run's spec with the options in their place, and the voice of each persona that has its own.

    A voice on the command line speaks for all.
    """
    known = read_request(ledger).get("voice") or {"settings": {}, "personas": {}}
    options = request.options
    given = {
        "model": options.model,
        "voice": request.voice,
        "format": request.format,
        "base_url": options.base_urls or None,
        "api_key_env": options.api_key_env,
        "concurrency": options.concurrency,
        "rpm": options.rpm,
        "timeout_s": options.timeout_s,
        "budget_usd": options.budget_usd,
    }
    asked = {**known["settings"], **{name: value for name, value in given.items() if value is not None}}
    if options.offline:
        asked = {"voice": "simulator", "format": "wav"} | asked | {"model": SIMULATOR_MODEL}
    if missing := [name for name in ("model", "voice") if name not in asked]:
        hint = (
            "write a block `voice: {model: …, voice: …}` into the spec and generate or build again, or give them here"
        )
        raise UsageError(f"nobody to speak: neither the run's spec nor an option names the {missing[0]}", hint)
    try:
        settings = VoiceSettings.model_validate(asked)
    except ValidationError as exc:
        error = exc.errors()[0]
        option = "--" + str(error["loc"][0]).removesuffix("_s").replace("_", "-")
        raise UsageError(f"{option} {error['input']}: {error['msg'].lower()}", "see `damhwa voice --help`") from exc
    return settings, {} if request.voice else dict(known["personas"])


async def _speak(
    desk: Desk, settings: VoiceSettings, casting: Casting, places: tuple[Path, ...]
) -> dict[str, float | None]:
    """What this call did."""
    from curation.voicing.speak import read_recording, speak_lines  # openai takes a second to import

    errand = Errand(BLOCK, settings.to_provider(), lambda body, _: read_recording(desk.folder, body), has_options=True)
    with desk.open_ledger() as ledger:
        async with desk.send(errand, ledger) as asker:
            added = await speak_lines(asker, _list_lines(places, casting), casting, desk.folder)
            price = asker.prices.find(asker.settings.model)
            cost = round(asker.budget.spent.usd, 6) if price or not added else None
            return {"added": added, "cost_usd": cost, "refused": len(asker.unanswered)}


def _list_lines(places: tuple[Path, ...], casting: Casting) -> Iterator[Line]:
    return list_lines(_read_dialogues(places), casting)


def _read_dialogues(places: tuple[Path, ...]) -> Iterator[Dialogue]:
    for place in places:
        yield from read_dialogues(place)


def _publish(folder: Path, ledger: Ledger, casting: Casting, places: tuple[Path, ...]) -> dict[str, int]:
    """Write the table of recordings, those of other dialogues kept, and the splits with all of them."""
    from curation.voicing.speak import recall_recordings

    now = Recordings.of(recall_recordings(ledger, _list_lines(places, casting), casting))
    kept = (each for each in Recordings.read(folder) if each.id not in now.by_id)
    recordings = Recordings.of([*kept, *now])
    whole = recordings.keep_whole(folder)
    if damaged := len(list(recordings)) - len(list(whole)):
        err.print(f"note: {damaged:,} recordings are damaged or gone, and left out", markup=False)
    if whole or Recordings.read(folder):
        write_recordings(folder, whole)
        kept_settings = folder / FILE_NAME
        settings = load_settings(kept_settings if kept_settings.is_file() else None)
        add_to_splits(folder / "curated", whole, settings.licence)
    count = sum(len(own) for own in now.by_id.values())
    return {"dialogues": len(now.by_id), "recordings": count, "bytes": sum(each.medium.size for each in now)}


def describe_voices(summary: Mapping[str, Any]) -> str:
    """The summary for reading."""
    megabytes = summary["bytes"] / 1e6
    refused = f", {summary['refused']:,} utterances could not be spoken" if summary["refused"] else ""
    return (
        f"{summary['recordings']:,} utterances of {summary['dialogues']:,} dialogues are spoken, {megabytes:,.1f} MB "
        f"in {summary['run']}/media (+{summary['added']:,} in this call, {format_money(summary['cost_usd'])}{refused})"
    )
