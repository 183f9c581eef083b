"""Where models are asked about dialogues: which endpoint, which ledger keeps the answers, which budget binds.

One desk serves all examinations of a command, so that a budget holds for all of them together. Nothing is opened, and
no client imported, before there is a question that was not answered before.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from datagen.budget import Budget
from datagen.console import err
from datagen.endpoint_options import SIMULATOR_MODEL, Access, ProviderOptions, find_access
from datagen.errors import ProviderError, UsageError
from datagen.ledger import Ledger
from datagen.pace import Pace
from datagen.prices import PriceList, load_prices
from datagen.spec import ProviderSettings

if TYPE_CHECKING:  # openai takes a second to import
    from curation.opinions.ask import Asker, Reply
    from datagen.provider import Provider

LEDGER_FILE = "ledger.db"


@dataclass(frozen=True, slots=True)
class Errand:
    """What is asked of one model. `block`: the block of the settings, and the kind of its answers in the ledger."""

    block: str
    settings: ProviderSettings
    read: "Callable[[bytes, str], Reply]"
    completion_tokens: int = 0
    """The most that a reply can have; 0 where replies cost nothing beside the request."""
    has_options: bool = False
    """The command has `--base-url` and `--offline` for it."""


@dataclass(slots=True)
class Desk:
    """The desk of one folder. `ledger` None: the one in the folder, opened when it is needed."""

    folder: Path
    ledger: Ledger | None = None
    simulator: Access | None = None
    """Where everything is asked instead, by its own model's name, so that none of it is ever taken for the real."""
    prices: PriceList | None = None
    """None: those of a prices.yaml in the folder, or the packaged ones."""
    tell: Callable[[int], None] = lambda _: None
    is_closed: bool = False
    """Nothing more is asked; what was answered before is still told."""
    has_real: bool = True
    """Some dialogues are not the simulator's. Where all are and no endpoint is known, what it said of them stands."""
    _budgets: dict[str, Budget] = field(default_factory=dict)
    _paces: dict[str, Pace] = field(default_factory=dict)

    @contextmanager
    def open_ledger(self) -> Iterator[Ledger]:
        """The ledger: the run's own where it is open already. Raises DataError where it is damaged."""
        if self.ledger is not None:
            yield self.ledger
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        ledger = Ledger.create_or_open(self.folder / LEDGER_FILE)
        try:
            yield ledger
        finally:
            ledger.close()

    @asynccontextmanager
    async def send(self, errand: Errand, ledger: Ledger) -> "AsyncIterator[Asker]":
        """An asker for the errand; what it could not get is told at the end.

        Raises UsageError where a budget in dollars cannot be kept, and, once asked, where no endpoint is known;
        ProviderError where an endpoint refused everything.
        """
        from curation.opinions.ask import Asker

        is_left_alone = self.simulator is None and not self.has_real and not _has_access(errand)
        if is_left_alone:
            told = "no endpoint is known, so of the simulator's dialogues only what the simulator said is told"
            err.print(f"note: {errand.block}: {told}", markup=False)
        if self.simulator is not None or is_left_alone:
            settings = errand.settings.model_copy(update={"model": SIMULATOR_MODEL, "budget_usd": None})
            errand = replace(errand, settings=settings)
        prices = self.prices or load_prices(self.folder / LEDGER_FILE)
        budget = self._open_budget(errand, prices)

        def connect() -> "Provider":
            return self._connect(errand)

        reach = None if self.is_closed or is_left_alone else connect
        asker = Asker(errand.block, errand.settings, reach, ledger, budget, prices, errand.read, self.tell)
        try:
            yield asker
        finally:
            await asker.aclose()
        _tell_unanswered(asker)

    def _connect(self, errand: Errand) -> "Provider":
        from datagen.provider import open_provider

        settings = errand.settings
        access = self.simulator or _find_access(errand)
        pace = self._paces.setdefault(errand.block, Pace(settings.rpm, settings.tpm))
        return open_provider(settings, access.base_urls, access.api_key, pace)

    def _open_budget(self, errand: Errand, prices: PriceList) -> Budget:
        if errand.block not in self._budgets:
            settings, price = errand.settings, prices.find(errand.settings.model)
            if settings.budget_usd is not None and price is None:
                message = f"{errand.block}: the price of model '{settings.model}' is unknown, so budget_usd cannot hold"
                hint = f"add `{settings.model}` to {self.folder}/prices.yaml, or limit budget_tokens"
                raise UsageError(message, hint)
            budget = Budget(settings.budget_usd, settings.budget_tokens, price, errand.completion_tokens)
            self._budgets[errand.block] = budget
        return self._budgets[errand.block]


def _has_access(errand: Errand) -> bool:
    try:
        find_access(errand.settings, ProviderOptions())
    except UsageError:
        return bool(errand.settings.base_url)
    return True


def _find_access(errand: Errand) -> Access:
    try:
        return find_access(errand.settings, ProviderOptions())
    except UsageError as exc:
        if errand.settings.base_url or errand.has_options:
            raise UsageError(f"{errand.block}: {exc.message}", exc.hint) from exc
        message = f"{errand.block}: no model to ask: {errand.settings.api_key_env} is not set, and no base_url is given"
        hint = (
            f"set {errand.settings.api_key_env}, write a `base_url:` into the block `{errand.block}:`, or leave it out"
        )
        raise UsageError(message, hint) from exc


def _tell_unanswered(asker: "Asker") -> None:
    """What an endpoint refuses now and then is a note; where it refuses everything, something is wrong with all."""
    if not asker.unanswered:
        return
    reason = next(iter(asker.unanswered.values()))
    if not asker.answered:
        hint = f"check model and base_url of the block `{asker.kind}`"
        raise ProviderError(f"{asker.kind}: the endpoint answered none of {len(asker.unanswered):,}: {reason}", hint)
    err.print(f"note: {asker.kind}: {len(asker.unanswered):,} got no answer, the first: {reason}", markup=False)
