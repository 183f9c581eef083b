"""Where to ask and with which key: the command line, then the spec's `provider:` block, then the environment.

Without a key, an address or `--offline` nothing is asked: fake data is never made silently.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from subprocess import PIPE, Popen
from sys import executable
from urllib.parse import urlsplit

from pydantic import ValidationError

from datagen.errors import ProviderError, UsageError
from datagen.spec import ProviderSettings

OPENAI_URL = "https://api.openai.com/v1"
SIMULATOR_MODEL = "damhwa-simulator"


@dataclass(frozen=True, slots=True)
class ProviderOptions:
    """What the command line said; None and empty mean nothing."""

    base_urls: tuple[str, ...] = ()
    model: str | None = None
    api_key_env: str | None = None
    concurrency: int | None = None
    rpm: int | None = None
    tpm: int | None = None
    budget_usd: float | None = None
    budget_tokens: int | None = None
    max_tries: int | None = None
    timeout_s: float | None = None
    offline: bool = False
    batch: bool = False
    """Ask for drafts by batches."""
    abandon_batches: bool = False
    """Let go of the batches that are under way: what they are asked is asked again."""


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """The addresses to ask and the key for them. Has no repr, so that no log can show the key."""

    base_urls: tuple[str, ...]
    api_key: str


def apply_options(settings: ProviderSettings, options: ProviderOptions) -> ProviderSettings:
    """The settings with the command line's in place of the spec's. Raises UsageError where one is out of range."""
    names = [field.name for field in fields(options) if field.name in ProviderSettings.model_fields]
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    if options.offline:
        given["model"] = SIMULATOR_MODEL
    try:
        return ProviderSettings.model_validate({**settings.model_dump(), **given})
    except ValidationError as exc:
        error = exc.errors()[0]
        option = "--" + str(error["loc"][0]).replace("_", "-")
        raise UsageError(f"{option} {error['input']}: {error['msg'].lower()}", "see `damhwa generate --help`") from exc


def find_access(settings: ProviderSettings, options: ProviderOptions) -> Access:
    """Where to ask, with which key. Raises UsageError where that is not clear."""
    own = (settings.base_url,) if isinstance(settings.base_url, str) else settings.base_url
    environment = os.environ.get("OPENAI_BASE_URL", "")
    base_urls = options.base_urls or own or ((environment,) if environment else ())
    for url in base_urls:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise UsageError(f"--base-url {url}: expected an address like http://127.0.0.1:8001/v1")
    key = os.environ.get(settings.api_key_env, "").strip()
    if not key and not base_urls:
        raise UsageError(
            f"no model to ask: {settings.api_key_env} is not set, and neither --base-url nor --offline is given",
            f"set {settings.api_key_env}, or name an endpoint with --base-url, or try things out with --offline",
        )
    return Access(base_urls or (OPENAI_URL,), key or "none")


@contextmanager
def run_simulator(faults_json: str = "{}") -> Iterator[str]:
    """Run the simulator in a process of its own and give its address. It ends with this process, however that ends."""
    command = [executable, "-m", "datagen.simulator.server", faults_json, "0"]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True, encoding="utf-8", start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        address = process.stdout.readline().strip()
        if not address:
            raise ProviderError("the simulator did not start", "run `damhwa simulate` by itself to see why")
        try:
            yield address
        finally:
            process.stdin.close()
            process.stdout.close()
            process.wait(timeout=10)
