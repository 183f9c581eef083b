"""Publish: a curated dataset or an export becomes one commit of a dataset repository on the Hugging Face Hub.

All files go up first and the commit names them last, so a repository never shows half a dataset; the same content
published again makes no commit. Data files of an earlier publication that are no longer there are removed by it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from curation.release.hub import Destination, Hub, check_destination
from curation.release.parcel import Parcel, ParcelFile, pack
from datagen.errors import UsageError


@dataclass(frozen=True, slots=True)
class PublishSummary:
    """What was sent, or would be. `commit` None: it was a dry run."""

    destination: Destination
    url: str
    files: tuple[ParcelFile, ...]
    removed: tuple[str, ...]
    """Data files of an earlier publication; empty in a dry run, which asks nobody."""
    counts: dict[str, int]
    fingerprint: str
    message: str
    commit: str | None = None
    is_changed: bool = False
    """Whether a commit was made; False where the repository already had all of it."""

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


def publish(
    folder: Path,
    destination: Destination,
    *,
    extras: tuple[str, ...] = (),
    dry_run: bool = False,
    allow_simulator: bool = False,
) -> PublishSummary:
    """Send a run's `curated/`, or an export, to the hub.

    A dry run needs neither token nor network. Raises UsageError for a malformed name, rows of the simulator, a token
    that is missing or may not write, a tag that is taken, or a public repository where a private one was asked for;
    ProviderError where the hub fails or changed meanwhile; DataError where the files are not what they should be.
    """
    check_destination(destination)
    parcel = pack(folder, extras)
    if parcel.is_simulated and not allow_simulator:
        hint = "generate with a real model, or say that it may go out with --allow-simulator"
        raise UsageError(f"{folder} holds dialogues of the offline simulator, which are no real data", hint)
    message = describe_parcel(parcel)
    if dry_run:
        return _summarise(destination, parcel, message)
    hub = Hub(destination, _read_token(destination.token_env))
    with _quiet_unless_seen():
        head = hub.prepare()
        stale = tuple(sorted(path for path in head.paths if parcel.is_stale(path)))
        commit = hub.commit(parcel.files, stale, message, head.commit)
        if destination.tag:
            hub.tag(destination.tag, commit)
    return _summarise(destination, parcel, message, stale, commit, is_changed=commit != head.commit)


def describe_publication(summary: PublishSummary) -> str:
    """The summary in a few lines."""
    if summary.commit is None:
        files = "\n".join(f"  {file.path}  {file.bytes:,} bytes" for file in summary.files)
        return f"would send to {summary.url}: {summary.message}\n{files}\n  {summary.bytes:,} bytes in all"
    if not summary.is_changed:
        return f"{summary.url} already has all of it, at {summary.commit[:12]}"
    removed = f", {len(summary.removed)} old files removed" if summary.removed else ""
    return f"published to {summary.url} as {summary.commit[:12]}: {summary.message}{removed}"


def describe_parcel(parcel: Parcel) -> str:
    """The commit's message: `890 dialogues (train 801, validation 45, test 44), sha256 1f3a…`."""
    parts = ", ".join(f"{split} {count:,}" for split, count in parcel.counts.items())
    total = sum(parcel.counts.values())
    media = f", {parcel.media:,} pictures and recordings" if parcel.media else ""
    return f"{total:,} {'row' if total == 1 else 'rows'} ({parts}){media}, sha256 {parcel.fingerprint[:16]}"


def _summarise(
    destination: Destination,
    parcel: Parcel,
    message: str,
    removed: tuple[str, ...] = (),
    commit: str | None = None,
    is_changed: bool = False,
) -> PublishSummary:
    return PublishSummary(
        destination,
        destination.url,
        parcel.files,
        removed,
        parcel.counts,
        parcel.fingerprint,
        message,
        commit,
        is_changed,
    )


def _read_token(name: str) -> str:
    token = os.environ.get(name, "").strip()
    if not token:
        hint = f"make one with write access at https://huggingface.co/settings/tokens, then: export {name}=hf_…"
        raise UsageError(f"there is no token in {name}", f"{hint} (or, once logged in, {name}=$(hf auth token))")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"{name} holds something that is no token", "it is one word of letters, digits and '_': hf_…")
    return token


@contextmanager
def _quiet_unless_seen() -> Iterator[None]:
    """Bars of the client only on a terminal: in a log every step of them would be a line."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if sys.stderr.isatty() or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
