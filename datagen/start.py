"""`damhwa generate`: put a run together from spec, folder and options, and see it through.

`open_run` is the part that `damhwa build` shares: it fills the same quotas several times over, with curation between.
"""

import asyncio
import gc
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datagen.batch.book import Book
from datagen.batch.request_file import Limits
from datagen.batch.waits import Waits
from datagen.budget import Budget
from datagen.clock import read_clock
from datagen.console import err
from datagen.endpoint_options import Access, ProviderOptions, apply_options, find_access, run_simulator
from datagen.errors import UsageError
from datagen.ledger import Ledger
from datagen.media import sweep_media
from datagen.outcome import Gate, Outcomes
from datagen.picture import stock_pictures
from datagen.prices import PriceList, load_prices
from datagen.quota import SlotQueue, TopicState
from datagen.run_folder import freeze_request, keep_prompts, lock_run
from datagen.scenario import Scenario, list_dimensions
from datagen.seal import recover_shards, seal_alone
from datagen.spec import LoadedSpec, ProviderSettings
from datagen.spec_file import load_spec
from datagen.tally import Tally

if TYPE_CHECKING:  # openai takes a second to import
    from datagen.batch.generation import BatchGeneration
    from datagen.generate import Generation
    from datagen.progress import Progress
    from datagen.provider import Provider

OFFLINE_SLIPS = '{"slip": 0.08}'
"""The simulator slips as models do where curation looks on, or there would be nothing to see."""
MAX_SURPLUS_SHARE = 0.03
"""Share of a quota that may be asked for beyond what is missing, where curation drops some of what comes back."""


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that is open and checked, before the first request."""

    folder: Path
    loaded: LoadedSpec
    ledger: Ledger
    access: Access
    prices: PriceList
    budget: Budget
    options: ProviderOptions
    limits: Limits = field(default_factory=Limits)
    waits: Waits = field(default_factory=Waits)
    """Of batches, where the options ask for them."""

    def fill(self, gate: Gate | None = None, counted: dict[str, int] | None = None) -> dict[str, Any]:
        """Ask until every quota is met, and return the summary that `--json` prints.

        With a `gate`, only dialogues that pass it count, beside the `counted` ones of each topic. Raises a DamhwaError
        of the kind that the exit code tells.
        """
        return asyncio.run(_fill(self, gate, counted))

    def seal(self) -> None:
        """Write what a killed call left in the ledger alone into shards. Raises DataError."""
        seal_alone(self.ledger, self.folder / "dialogues", self.loaded.categories)


def generate(spec: str, folder: Path, options: ProviderOptions) -> dict[str, Any]:
    """Fill the quotas of `spec` in the run `folder`; the same call resumes.

    Returns the summary that `--json` prints. Raises a DamhwaError of the kind that the exit code tells.
    """
    with open_run(spec, folder, options) as run:
        return run.fill()


@contextmanager
def open_run(spec: str, folder: Path, options: ProviderOptions, is_curated: bool = False) -> Iterator[OpenRun]:
    """Open the run `folder` for `spec`, locked for this process; the simulator runs where the options ask for it."""
    loaded = load_spec(spec)
    settings = apply_options(loaded.spec.provider, options)
    loaded = loaded.model_copy(update={"spec": loaded.spec.model_copy(update={"provider": settings})})
    with ExitStack() as stack:
        if options.offline:
            if options.base_urls:
                raise UsageError("--offline and --base-url exclude each other", "leave one of them out")
            faults = OFFLINE_SLIPS if is_curated else "{}"
            access = Access((stack.enter_context(run_simulator(faults)),), "none")
        else:
            access = find_access(settings, options)
        prices = load_prices(loaded.path)
        budget = open_budget(settings, prices)
        stack.enter_context(lock_run(folder))
        ledger = Ledger.create_or_open(folder / "ledger.db")
        stack.callback(ledger.close)
        as_begun = keep_prompts(ledger, loaded)
        if as_begun.prompts != loaded.prompts:
            told = "the prompt templates of this version are newer: the run goes on with those that it began with"
            err.print(f"note: {told}", markup=False)
        loaded = as_begun
        freeze_request(folder, ledger, loaded, is_curated)
        loaded = _stock_pictures(folder, loaded)
        if options.abandon_batches:
            _abandon_batches(ledger)
        for name in recover_shards(ledger, folder / "dialogues"):
            err.print(f"note: {name} was gone; its dialogues are in the ledger and are written again", markup=False)
        yield OpenRun(folder, loaded, ledger, access, prices, budget, options)


def _stock_pictures(folder: Path, loaded: LoadedSpec) -> LoadedSpec:
    """The spec with its pictures in the run's own folder: what happens to the author's from now on changes nothing."""
    if not loaded.pictures:
        return loaded
    sweep_media(folder)
    pictures = chain.from_iterable(loaded.pictures.values())
    return loaded.model_copy(update={"picture_places": stock_pictures(folder, pictures, loaded.picture_places)})


def open_budget(settings: ProviderSettings, prices: PriceList) -> Budget:
    """The run's budget. Raises UsageError where dollars are limited and the model's price is unknown."""
    price = prices.find(settings.model)
    if settings.budget_usd is not None and price is None:
        hint = f"add `{settings.model}` to a prices.yaml beside the spec, or limit tokens with --budget-tokens"
        raise UsageError(f"--budget-usd: the price of model '{settings.model}' is unknown", hint)
    return Budget(settings.budget_usd, settings.budget_tokens, price, settings.max_completion_tokens)


def open_queue(loaded: LoadedSpec, ledger: Ledger, counted: dict[str, int] | None = None) -> SlotQueue:
    """The open slots of a run, as its ledger leaves them. `counted`: topic → dialogues that count, if not all do."""
    quotas = {topic.name: topic.quota for topic in loaded.spec.topics}
    dimensions = [
        list_dimensions(loaded.spec, topic, loaded.persona_ids, loaded.pictures.get(topic.name, ()), loaded.user_ids)
        for topic in loaded.spec.topics
    ]

    def read_state(topic: str) -> TopicState:
        under_way = Book(ledger).under_way(topic)
        asked = frozenset(hash(Scenario.from_json(topic, text)) for text in ledger.scenarios(topic))
        asked |= frozenset(map(hash, under_way.values()))
        filled = frozenset(ledger.filled_slots(topic))
        accepted = len(filled) if counted is None else counted.get(topic, 0)
        begun = {each.slot: (each.tries, Scenario.from_json(topic, each.scenario)) for each in ledger.open_duets(topic)}
        tries = ledger.tries_of_open_slots(topic)
        return TopicState(quotas[topic], filled, tries, asked, accepted, frozenset(under_way), begun)

    surplus_share = 0.0 if counted is None else MAX_SURPLUS_SHARE
    return SlotQueue.resume(dimensions, read_state, loaded.spec.provider.max_tries, surplus_share)


async def _fill(run: OpenRun, gate: Gate | None, counted: dict[str, int] | None) -> dict[str, Any]:
    from datagen.endpoints import summarise_lanes

    loaded = run.loaded
    tally = Tally.resume(run.ledger, {topic.name: topic.quota for topic in loaded.spec.topics}, counted)
    outcomes = Outcomes(open_queue(loaded, run.ledger, counted), tally, gate)
    generation, progress = (_open_batches if run.options.batch else _open_generation)(run, outcomes)
    gc.freeze()  # the client's 100,000 type objects live as long as the process: no collection need look at them
    _listen_for_interrupts(generation.interrupt)
    loop = asyncio.get_running_loop()
    started = loop.time()  # steady: the wall clock may jump
    with progress.show():
        await generation.run()
    return {
        "dataset": loaded.spec.dataset,
        "run": str(run.folder),
        **tally.summarise(loop.time() - started),
        "endpoints": summarise_lanes(generation.lanes),
    }


def _open_generation(run: OpenRun, outcomes: Outcomes) -> tuple["Generation", "Progress"]:
    # openai takes a second to import: here, where a wrong spec or option has already been told
    from datagen.generate import Generation
    from datagen.progress import Progress

    _check_no_batch(run)
    generation = Generation(
        folder=run.folder,
        loaded=run.loaded,
        ledger=run.ledger,
        provider=_open_provider(run),
        budget=run.budget,
        prices=run.prices,
        outcomes=outcomes,
    )
    return generation, Progress(outcomes.tally, lambda: generation.provider.waiting_for, generation.lanes)


def _open_batches(run: OpenRun, outcomes: Outcomes) -> tuple["BatchGeneration", "Progress"]:
    from datagen.batch.endpoint import BatchEndpoint
    from datagen.batch.generation import BatchGeneration
    from datagen.batch.progress import BatchProgress

    if run.loaded.spec.mode == "duet":
        raise UsageError("--batch asks for whole dialogues, and this spec's are duets", "leave --batch out")
    if len(run.access.base_urls) > 1:
        hint = "give one --base-url; the batches of a run lie at one address"
        raise UsageError(f"--batch asks one endpoint, not {len(run.access.base_urls)}", hint)
    generation = BatchGeneration(
        folder=run.folder,
        loaded=run.loaded,
        book=Book(run.ledger),
        endpoint=BatchEndpoint(_open_provider(run), run.waits),
        budget=run.budget,
        prices=run.prices,
        outcomes=outcomes,
        is_offline=run.options.offline,
        limits=run.limits,
    )
    return generation, BatchProgress(generation)


def _open_provider(run: OpenRun) -> "Provider":
    from datagen.pace import Pace
    from datagen.provider import open_provider

    settings, access = run.loaded.spec.provider, run.access
    return open_provider(settings, access.base_urls, access.api_key, Pace(settings.rpm, settings.tpm))


def _abandon_batches(ledger: Ledger) -> None:
    """Free the slots that wait for batches; what those answer from now on is collected by nobody."""
    book = Book(ledger)
    for record in book.list_open():
        book.close(record.number, "abandoned", read_clock())
        told = f"batch {record.number} at {record.endpoint} is let go of, with {record.open:,} requests"
        err.print(f"note: {told}", markup=False)


def _check_no_batch(run: OpenRun) -> None:
    """Raises UsageError where slots wait for a batch, which would be paid for a second time."""
    if waiting := sum(Book(run.ledger).count_under_way().values()):
        hint = "finish them with the same command and --batch (or pay for them a second time: --abandon-batches)"
        raise UsageError(f"{waiting:,} requests of {run.folder} are under way in batches", hint)


def _listen_for_interrupts(interrupt: Any) -> None:
    """The first Ctrl-C (or SIGTERM) stops the run in order, the second leaves at once."""
    loop = asyncio.get_running_loop()
    asked = False

    def handle() -> None:
        nonlocal asked
        if asked:
            os._exit(130)
        asked = True
        err.print("stopping: waiting for the requests in flight (again to leave at once)", markup=False)
        interrupt()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, handle)
