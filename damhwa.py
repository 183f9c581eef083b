"""The front door: one command, its verbs imported when they are called."""

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from datagen.errors import DamhwaError

if TYPE_CHECKING:
    from datagen.endpoint_options import ProviderOptions
    from datagen.spec import Persona

app = typer.Typer(
    name="damhwa",
    help="From a topic spec to a Korean persona-dialogue dataset that meets every quota exactly.",
    epilog="To begin, offline: damhwa build exa-data -o runs/exa-data --offline",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

MAKE, LOOK, REVIEW = "Make a dataset", "Look into it", "Have it reviewed"
HAND_ON, TRAIN, TRY = "Hand it on", "Train a model and talk with it", "Try things out"


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        print(f"damhwa {version('damhwa')}")
        raise typer.Exit


@app.callback()
def begin(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    # What `damhwa` by itself takes; typer reads the signature.
    pass


SpecArgument = Annotated[
    str, typer.Argument(metavar="SPEC", help="Path of a spec, or the name of a packaged one: exa-data.")
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, for programs.")]
OutOption = Annotated[
    Path, typer.Option("--out", "-o", metavar="RUN", help="Folder of the run; the same command resumes it.")
]
OfflineOption = Annotated[
    bool, typer.Option("--offline", help="Ask the simulator, in this same command. For trying things out.")
]
BaseUrlOption = Annotated[
    list[str] | None,
    typer.Option(metavar="URL", help="OpenAI-compatible endpoint; give it again and they share the load."),
]
ModelOption = Annotated[str | None, typer.Option(metavar="NAME", help="Model to ask, in place of the spec's.")]
ApiKeyEnvOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Environment variable that holds the key; OPENAI_API_KEY by default.")
]
ConcurrencyOption = Annotated[int | None, typer.Option(metavar="N", help="Requests in flight at most; 32 by default.")]
RpmOption = Annotated[
    int | None, typer.Option(metavar="N", help="Requests per minute at most; learned from the endpoint by default.")
]
TpmOption = Annotated[
    int | None, typer.Option(metavar="N", help="Tokens per minute at most; learned from the endpoint by default.")
]
BudgetUsdOption = Annotated[
    float | None, typer.Option(metavar="X", help="Stop before this call spends more US dollars.")
]
BudgetTokensOption = Annotated[int | None, typer.Option(metavar="N", help="Stop before this call uses more tokens.")]
MaxTriesOption = Annotated[
    int | None, typer.Option(metavar="N", help="Drafts for one situation before another is taken; 3 by default.")
]
TimeoutOption = Annotated[
    float | None, typer.Option("--timeout", metavar="S", help="Seconds for one request; 120 by default.")
]
UserOption = Annotated[
    list[str] | None,
    typer.Option("--user", metavar="NAME=ID", help="A reviewer's user id in the other tool; may be repeated."),
]
BatchOption = Annotated[
    bool, typer.Option("--batch", help="Ask by OpenAI's Batch API: half the price, minutes to 24 hours; docs/batch.md.")
]
AbandonBatchesOption = Annotated[
    bool,
    typer.Option(
        "--abandon-batches", help="Let go of batches under way, as at an address that is gone: paid for a second time."
    ),
]
SettingsOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Curation settings; by default those beside the spec or of the run, else ours."),
]


@app.command(rich_help_panel=MAKE)
def check(
    spec: SpecArgument,
    sample: Annotated[int, typer.Option(min=0, help="Print so many finished prompts.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Find every mistake in a spec; show quotas, tokens and cost ahead. Exit 2 when something is wrong."""
    from datagen.check import describe_forecast, draw_forecast, forecast, sample_prompts
    from datagen.spec_file import load_spec

    loaded = load_spec(spec)
    rows = forecast(loaded)
    prompts = list(sample_prompts(loaded, sample)) if sample else []
    if as_json:
        samples = [
            {"scenario": json.loads(scenario.to_json()), "messages": prompt.messages} for scenario, prompt in prompts
        ]
        _print_json({**describe_forecast(loaded, rows), **({"samples": samples} if sample else {})})
        return
    _draw(draw_forecast(loaded, rows))
    for scenario, prompt in prompts:
        print(f"\n════ {scenario.topic} ════\n──── system ────\n{prompt.system}\n──── user ────\n{prompt.user}")


@app.command(rich_help_panel=MAKE)
def generate(
    spec: SpecArgument,
    out: OutOption,
    offline: OfflineOption = False,
    base_url: BaseUrlOption = None,
    model: ModelOption = None,
    api_key_env: ApiKeyEnvOption = None,
    concurrency: ConcurrencyOption = None,
    rpm: RpmOption = None,
    tpm: TpmOption = None,
    budget_usd: BudgetUsdOption = None,
    budget_tokens: BudgetTokensOption = None,
    max_tries: MaxTriesOption = None,
    timeout_s: TimeoutOption = None,
    batch: BatchOption = False,
    abandon_batches: AbandonBatchesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fill every topic's quota with valid dialogues. Run the same command again to go on after any interruption."""
    from datagen.start import generate as start

    summary = start(spec, out, _read_provider_options(locals()))
    if as_json:
        _print_json(summary)
    else:
        print(_describe_summary(summary))


@app.command(rich_help_panel=MAKE)
def build(
    spec: SpecArgument,
    out: OutOption,
    offline: OfflineOption = False,
    review: Annotated[
        float, typer.Option(min=0, max=1, help="Share of each topic that waits for a verdict in RUN/reviews.jsonl.")
    ] = 0.0,
    baseline: Annotated[
        int | None,
        typer.Option(min=0, help="Dialogues of one plain prompt to compare the diversity with; 100 offline, else 0."),
    ] = None,
    settings: SettingsOption = None,
    base_url: BaseUrlOption = None,
    model: ModelOption = None,
    api_key_env: ApiKeyEnvOption = None,
    concurrency: ConcurrencyOption = None,
    rpm: RpmOption = None,
    tpm: TpmOption = None,
    budget_usd: BudgetUsdOption = None,
    budget_tokens: BudgetTokensOption = None,
    max_tries: MaxTriesOption = None,
    timeout_s: TimeoutOption = None,
    batch: BatchOption = False,
    abandon_batches: AbandonBatchesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Generate and curate until every topic's quota is met by accepted dialogues. The same command resumes."""
    from curation.build import BuildOptions
    from curation.build import build as start

    options = BuildOptions(_read_provider_options(locals()), settings, review, baseline)
    summary = start(spec, out, options)
    if as_json:
        _print_json(summary)
    else:
        print(_describe_curation(summary))


@app.command(rich_help_panel=MAKE)
def curate(
    source: Annotated[Path, typer.Argument(metavar="RUN", help="A run, or any folder or file of Parquet or JSONL.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where curated/ goes for data that is no run.")
    ] = None,
    persona: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Persona file for data that is no run; may be repeated.")
    ] = None,
    settings: SettingsOption = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Other data that none of this may resemble: benchmarks, test sets."),
    ] = None,
    engine: Annotated[
        Literal["daft", "ray"] | None,
        typer.Option(help="Measure and compare by Daft, on this machine or on a Ray cluster; else by own processes."),
    ] = None,
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="A running Ray cluster; without it one is started here.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge every dialogue, with evidence; find duplicates, cut splits, write curated/ and its report."""
    from curation.curate import CurateRequest
    from curation.curate import curate as start

    others = tuple(against or ())
    summary = start(CurateRequest(source, out, tuple(persona or ()), settings, others, engine, address))
    if as_json:
        _print_json(summary)
    else:
        print(_describe_curation(summary))


@app.command(rich_help_panel=MAKE)
def voice(
    run: RunArgument,
    split: Annotated[
        list[str] | None, typer.Option(help="Only this split of a curated run: train, validation or test.")
    ] = None,
    offline: OfflineOption = False,
    base_url: BaseUrlOption = None,
    model: ModelOption = None,
    voice_name: Annotated[
        str | None, typer.Option("--voice", help="Voice of every persona, in place of the spec's and the personas'.")
    ] = None,
    format_: Annotated[str | None, typer.Option("--format", help="wav, mp3 or opus; wav by default.")] = None,
    api_key_env: ApiKeyEnvOption = None,
    concurrency: Annotated[
        int | None, typer.Option(metavar="N", help="Requests in flight at most; 8 by default.")
    ] = None,
    rpm: RpmOption = None,
    budget_usd: BudgetUsdOption = None,
    timeout_s: TimeoutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have what the personas say spoken, each utterance paid for once. The same command goes on after any end."""
    from curation.voicing.voice import VoiceRequest, describe_voices
    from curation.voicing.voice import voice as start
    from datagen.endpoint_options import ProviderOptions

    options = ProviderOptions(
        base_urls=tuple(base_url or ()),
        model=model,
        api_key_env=api_key_env,
        concurrency=concurrency,
        rpm=rpm,
        budget_usd=budget_usd,
        timeout_s=timeout_s,
        offline=offline,
    )
    summary = start(VoiceRequest(run, tuple(split or ()), voice_name, format_, options))
    if as_json:
        _print_json(summary)
    else:
        print(describe_voices(summary))


@app.command(rich_help_panel=LOOK)
def explain(
    run: RunArgument,
    id_: Annotated[str, typer.Argument(metavar="ID", help="A dialogue's id, as in report.html and decisions.parquet.")],
    utterances: Annotated[bool, typer.Option("--utterances", help="Of a duet: every request that it took.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell all there is about one dialogue: scenario, attempt, cost, findings, neighbours, split, reviews."""
    from curation.explain import draw_explanation
    from curation.explain import explain as look_up

    explanation = look_up(run, id_)
    if as_json:
        _print_json(explanation.to_json())
    else:
        _draw(draw_explanation(explanation, utterances))


@app.command(rich_help_panel=HAND_ON)
def export(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Curated runs; several become configurations.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write; an earlier export is replaced.")
    ],
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="messages, sharegpt, datasets, published or preferences; to review: label-studio or argilla.",
        ),
    ] = "messages",
    system_prompt: Annotated[
        bool, typer.Option("--system-prompt", help="Put the persona's system prompt in front of each dialogue.")
    ] = False,
    persona: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Persona file for data that is no run; may be repeated.")
    ] = None,
    users: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the curated splits in the form that a trainer reads, or a file for another review tool."""
    if format_ in ("label-studio", "argilla"):
        _export_reviews(runs, out, format_, users, as_json)
        return
    from curation.release.export import describe_export, open_export_source
    from curation.release.export import export as write

    sources = [open_export_source(run, tuple(persona or ())) for run in runs]
    summary = write(sources, out, format_, with_system_prompt=system_prompt)
    if as_json:
        _print_json(asdict(summary))
    else:
        print(describe_export(summary))


def _export_reviews(runs: list[Path], out: Path, format_: str, users: list[str] | None, as_json: bool) -> None:
    from curation.exchange.exchange import export_reviews
    from datagen.errors import UsageError

    if len(runs) != 1:
        raise UsageError(f"{format_} takes one run, not {len(runs)}", "export them one after another")
    written = export_reviews(runs[0], out, format_, _read_users(users))
    if as_json:
        _print_json(asdict(written))
    else:
        files = ", ".join(map(str, written.files))
        print(f"{written.dialogues:,} dialogues with {written.reviews:,} verdicts: {files}")


@app.command("import-reviews", rich_help_panel=REVIEW)
def import_reviews(
    run: RunArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What the tool exported.")],
    format_: Annotated[
        str, typer.Option("--format", help="label-studio, argilla, or damhwa for the run's own reviews.db.")
    ],
    users: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take over the verdicts that people gave in Label Studio or Argilla; the same file again changes nothing."""
    from datagen.console import err
    from review_ui.taking_in import take_in

    taken = take_in(run, file, format_, _read_users(users))
    for told in taken.problems:
        err.print(f"left out: {told}", style="yellow", markup=False)
    if as_json:
        _print_json(asdict(taken))
    else:
        print(f"{taken.stored:,} verdicts stored, {taken.known:,} known already, {len(taken.problems):,} left out")


def _read_users(users: list[str] | None) -> dict[str, str]:
    """`NAME=ID` options as reviewer → user id in the other tool."""
    from datagen.errors import UsageError

    pairs = [each.partition("=") for each in users or ()]
    for name, sign, id_ in pairs:
        if not (name and sign and id_):
            raise UsageError(f"--user {name}{sign}{id_} is no NAME=ID", "give a reviewer's name and their id there")
    return {name: id_ for name, _, id_ in pairs}


@app.command(rich_help_panel=HAND_ON)
def publish(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A curated run, or the folder of an export.")],
    repo: Annotated[str, typer.Argument(metavar="REPO", help="Dataset repository on the hub: owner/name.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    branch: Annotated[str, typer.Option(help="Branch to commit to.")] = "main",
    tag: Annotated[str | None, typer.Option(help="Name the revision with a tag.")] = None,
    token_env: Annotated[
        str, typer.Option(metavar="NAME", help="Environment variable that holds the token.")
    ] = "HF_TOKEN",
    endpoint: Annotated[str | None, typer.Option(help="Address of the hub, where it is not the public one.")] = None,
    extras: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="FILE", help="Also send findings.parquet, clusters.parquet, decisions.parquet."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent; needs no token.")] = False,
    allow_simulator: Annotated[
        bool, typer.Option("--allow-simulator", help="Publish the simulator's dialogues too, announced as such.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Publish the curated splits on the Hugging Face hub: one commit, with card and report."""
    from curation.release.hub import Destination
    from curation.release.publish import describe_publication
    from curation.release.publish import publish as send

    destination = Destination(repo, private, branch, tag, token_env, endpoint)
    files = tuple(extras or ())
    summary = send(run, destination, extras=files, dry_run=dry_run, allow_simulator=allow_simulator)
    if as_json:
        _print_json(asdict(summary))
    else:
        print(describe_publication(summary))


@app.command(rich_help_panel=REVIEW)
def review(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Curated runs to review.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on; another than loopback takes accounts: `damhwa reviewers add`.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")] = 8000,
    reviewer: Annotated[
        str | None, typer.Option(help="Your name in the log, where nobody logs in; your login name by default.")
    ] = None,
    second_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of audited dialogues that a second reviewer sees, blindly.")
    ] = 0.1,
    lease: Annotated[float, typer.Option(min=10, help="Seconds for which a dialogue is yours alone.")] = 600.0,
    persona: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Persona file for data that is no run; may be repeated.")
    ] = None,
    spec: Annotated[
        list[Path] | None,
        typer.Option(metavar="SPEC", help="Spec that authors may edit here, and build into its RUN; may be repeated."),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Builds ask the simulator. For trying things out.")
    ] = False,
    accounts: Annotated[bool, typer.Option("--accounts", help="Ask for a log-in on loopback too.")] = False,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS[,…]", help="Proxies whose X-Forwarded headers are believed; implies --accounts."),
    ] = None,
    user_header: Annotated[
        str | None, typer.Option(help="Header in which those proxies name who is logged in: X-Remote-User.")
    ] = None,
    default_role: Annotated[
        str | None, typer.Option(help="Role of users whom only the proxy knows; without it they are refused.")
    ] = None,
) -> None:
    """Serve the review page: accept, flag and edit dialogues at reading speed; dashboards; the HTTP API."""
    from review_ui.reviewed_run import ReviewOptions
    from review_ui.serve import LogInOptions, ServeOptions, serve

    how = ReviewOptions(second_share, lease, tuple(persona or ()))
    log_in = LogInOptions(accounts, tuple(trusted_proxy or ()), user_header, default_role)
    serve(runs, ServeOptions(host, port, reviewer, how, log_in, tuple(spec or ()), offline))


reviewers = typer.Typer(help="Who may log in to the review page where it asks: add, list, new token, disable.")
app.add_typer(reviewers, name="reviewers", no_args_is_help=True, rich_help_panel=REVIEW)
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The reviewer's name: 1 to 64 visible characters.")]


@reviewers.command("add")
def add_reviewer(
    name: NameArgument,
    role: Annotated[str, typer.Option(help="reviewer, author (also edits specs and builds) or admin.")] = "reviewer",
) -> None:
    """Add a reviewer, and print the token to log in with. It is shown this once; only its hash is stored."""
    from review_ui.access.command_line import add

    print(add(name, role))


@reviewers.command("list")
def list_reviewers(as_json: JsonOption = False) -> None:
    """Show who may log in, and who no longer."""
    from review_ui.access.command_line import describe, draw

    if as_json:
        _print_json({"reviewers": describe()})
    else:
        _draw(draw())


@reviewers.command("token")
def renew_token(name: NameArgument) -> None:
    """Print a new token; the old one and its sessions end at once. Brings a disabled reviewer back."""
    from review_ui.access.command_line import renew

    print(renew(name))


@reviewers.command("disable")
def disable_reviewer(name: NameArgument) -> None:
    """Log a reviewer out at once and for good. What they decided stays."""
    from review_ui.access.command_line import disable

    disable(name)


@app.command(rich_help_panel=TRAIN)
def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="Path of a recipe, or the name of a packaged one: exagirl-2.4b.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Folder of the model, models/NAME by default; resumes there."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a persona model, stage by stage, with LoRA. After a kill the same command goes on and ends the same."""
    _open_training()
    from accelerate import PartialState

    from train.recipe import load_recipe
    from train.train import describe_trained
    from train.train import train as run

    loaded = load_recipe(recipe)
    trained = run(loaded, out or Path("models") / loaded.recipe.name)
    if not PartialState().is_main_process:
        return  # one of several processes tells
    if as_json:
        _print_json(asdict(trained))
    else:
        print(describe_trained(trained))


@app.command(rich_help_panel=TRAIN)
def convert(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder of an EXAONE 3.5 checkpoint.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder that is written, whole or not at all.")
    ],
) -> None:
    """Rename an EXAONE 3.5 checkpoint's tensors to Llama's, so that it loads without remote code."""
    _open_training()
    from train.convert import convert as run
    from train.convert import describe_conversion

    print(describe_conversion(run(source, out)))


@app.command(rich_help_panel=TRAIN)
def merge(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder that `damhwa train` wrote.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder that is written; MODEL/merged by default.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Merge the last stage's adapter into the base, and prove it: reload from disk, compare, render the template."""
    _open_training()
    from train.merge import describe_merge
    from train.merge import merge as run

    report = run(model, out)
    if as_json:
        _print_json(asdict(report))
    else:
        print(describe_merge(report))


@app.command(rich_help_panel=TRAIN)
def evaluate(
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL", help="Folders: of `damhwa train` (base and stages), an adapter, a merged model."
        ),
    ],
    data: Annotated[str, typer.Option(metavar="RUN", help="Curated run, or a dataset, whose held-out split is used.")],
    split: Annotated[str, typer.Option(help="Held-out split.")] = "test",
    dialogues: Annotated[
        int | None, typer.Option(min=1, help="Dialogues that get a generated reply, at most; the recipe's by default.")
    ] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="Longest reply; the recipe's by default.")] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, help="0 takes the most likely token each time; the recipe's by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the choice of dialogues, the sampling and the intervals.")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Prompts at a time.")] = 16,
    judge: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Model that judges the replies in pairs; asked in both orders.")
    ] = None,
    base_url: Annotated[
        list[str] | None, typer.Option(help="The judge's endpoint; OPENAI_BASE_URL by default.")
    ] = None,
    api_key_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Environment variable with the judge's key; OPENAI_API_KEY by default."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="Report's folder; MODEL/evaluation by default.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure models side by side on held-out dialogues: perplexity, and what they reply, with intervals."""
    _open_training()
    from datagen.endpoint_options import ProviderOptions
    from train.evaluate import EvaluateOptions
    from train.evaluate import evaluate as measure
    from train.evaluation_report import describe_report
    from train.replies import Decoding

    asked = ProviderOptions(tuple(base_url or ()), model=judge, api_key_env=api_key_env) if judge else None
    decoding = Decoding(max_new_tokens or 0, temperature, seed, batch)
    options = EvaluateOptions(data, split, dialogues, decoding, asked, out)
    report = measure(models, options)
    if as_json:
        _print_json(report)
    else:
        print(describe_report(report))
        print(f"report: {(out or models[0] / 'evaluation') / 'report.html'}")


@app.command(rich_help_panel=TRAIN)
def chat(
    place: Annotated[
        Path | None, typer.Argument(metavar="MODEL", help="Merged model, or a folder of `damhwa train`.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Ask this OpenAI-compatible endpoint; MODEL then only tells the persona.")
    ] = None,
    model: ModelOption = None,
    api_key_env: ApiKeyEnvOption = None,
    persona: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Who answers; by default who MODEL was trained to be.")
    ] = None,
    web: Annotated[bool, typer.Option("--web", help="On a page in the browser, not in the terminal.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the page, on 127.0.0.1.")] = 8010,
    chats: Annotated[Path, typer.Option(metavar="DIR", help="Folder of saved chats.")] = Path("chats"),
    review_run: Annotated[
        Path, typer.Option("--run", metavar="DIR", help="Where chats are curated that are sent to review.")
    ] = Path("runs/chats"),
    temperature: Annotated[float, typer.Option(min=0, max=2, help="0: always the likeliest token.")] = 0.8,
    top_p: Annotated[float, typer.Option(min=0.01, max=1, help="Draw from the likeliest tokens of this share.")] = 0.95,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Tokens of a reply at most.")] = 512,
    seed: Annotated[int | None, typer.Option(help="The same chat gets the same reply.")] = None,
) -> None:
    """Talk with a persona model in the terminal, or on a page; save chats, and send them to the review queue."""
    from datagen.errors import UsageError
    from train.saved_chat import SavedChats
    from train.talk import Partner, Sampling, find_persona

    sampling, speaks_as = Sampling(temperature, top_p, max_new_tokens, seed), find_persona(place, persona)
    if base_url is not None:
        from train.endpoint import EndpointSpeaker

        if model is None:
            raise UsageError("--base-url needs the name of a model there", "give it with --model NAME")
        key = os.environ.get(api_key_env or "OPENAI_API_KEY") or "none"
        partner = Partner.of(model, EndpointSpeaker(base_url, model, sampling, key).stream, speaks_as)
    elif place is None:
        raise UsageError("no model to talk with", "give its folder, or --base-url URL --model NAME")
    else:
        _open_training()
        from train.speaker import LocalSpeaker, load_model

        partner = Partner.of(str(place), LocalSpeaker(load_model(place), sampling).stream, speaks_as)
    saved = SavedChats(
        chats, lambda _, id_: _send_to_review(chats, id_, review_run, _write_persona(chats, speaks_as, persona))
    )
    if web:
        from train.chat_web import serve

        serve(partner, saved, port)
    else:
        from train.chat import TerminalChat

        TerminalChat(partner, saved).run()


@app.command(rich_help_panel=TRAIN)
def lineage(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder that `damhwa train` or `damhwa merge` wrote.")],
    id_: Annotated[
        str | None, typer.Argument(metavar="ID", help="A row that it was trained on: which request paid for it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Walk back from a model to recipe, base, licence and data, or from one of its rows to the ledger's attempt."""
    _open_training()
    from train.lineage import draw, trace_model, trace_row

    facts = trace_model(model) if id_ is None else trace_row(model, id_)
    if as_json:
        _print_json(facts)
    else:
        _draw(draw(facts))


@app.command(rich_help_panel=LOOK)
def status(run: RunArgument, as_json: JsonOption = False) -> None:
    """Show what a run holds, also while it is under way."""
    from datagen.status import draw_status, read_status

    figures = read_status(run)
    if as_json:
        _print_json(figures)
    else:
        _draw(draw_status(figures))


@app.command(rich_help_panel=LOOK)
def rejected(
    run: RunArgument,
    topic: Annotated[str | None, typer.Argument(metavar="TOPIC", help="Only this topic's.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the rejected drafts: reason, scenario, raw reply. `explain` tells what curation dropped."""
    from datagen.console import err
    from datagen.status import read_rejected

    has_some = False
    for attempt in read_rejected(run, topic):
        has_some = True
        if as_json:
            scenario = json.loads(attempt.scenario)
            record = {"topic": attempt.topic, "slot": attempt.slot, "attempt": attempt.seq, "reason": attempt.reason}
            record |= {"detail": attempt.detail, "scenario": scenario, "reply": attempt.reply}
            print(json.dumps(record, ensure_ascii=False))
        else:
            heading = f"════ {attempt.topic} · slot {attempt.slot} · attempt {attempt.seq} · {attempt.reason}"
            print(f"{heading}: {attempt.detail}")
            print(f"scenario {attempt.scenario}\n{attempt.reply if attempt.reply is not None else '(no reply)'}\n")
    if not has_some:
        err.print("no draft was rejected; what curation dropped stands in curated/ and its report", markup=False)


@app.command(rich_help_panel=TRY)
def simulate(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8001,
    seed: Annotated[int, typer.Option(help="Seed of every draw.")] = 0,
    faults: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="NAME=VALUE",
            help="A fault, e.g. rate_limited=0.05 or slip=0.08; a wrong name lists all.",
        ),
    ] = None,
) -> None:
    """Serve the offline OpenAI-compatible simulator by itself, on loopback."""
    import asyncio
    from contextlib import suppress

    from datagen.simulator.faults import read_faults
    from datagen.simulator.server import Simulator, serve

    simulator = Simulator(read_faults(faults or []), seed=seed)
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(simulator, port))


def _read_provider_options(given: dict[str, Any]) -> "ProviderOptions":
    """The provider's options among a command's arguments."""
    from datagen.endpoint_options import ProviderOptions

    names = {field.name for field in fields(ProviderOptions)} - {"base_urls"}
    return ProviderOptions(tuple(given["base_url"] or ()), **{name: given[name] for name in names})


def _write_persona(chats: Path, speaks_as: "Persona | None", file: Path | None) -> Path | None:
    """The file of who answers in the chats; written beside them where it was not given."""
    if file is None and speaks_as is not None:
        file = chats / f"{speaks_as.id}.yaml"
        file.write_text(speaks_as.model_dump_json(exclude={"examples"}, indent=2) + "\n", encoding="utf-8")
    return file


def _send_to_review(chats: Path, id_: str, run: Path, file: Path | None) -> str:
    """Curate the saved chats; gives the command that shows the one of that id, unless curation dropped it."""
    from curation.curate import CurateRequest, curate
    from curation.lookup import read_table
    from datagen.errors import UsageError

    curate(CurateRequest(chats, run, (file,) if file else ()))
    decisions = read_table(run / "curated" / "decisions.parquet", ("id", "status", "reason")).to_pylist()
    found = next((each for each in decisions if each["id"] == id_), None)
    if found is None or found["status"] != "accepted":
        why = f": {found['reason']}" if found else ""
        what = f"the chat is saved, and curation does not let it through to reviewers{why}"
        raise UsageError(what, f"what it found: `damhwa explain {run} {id_}`")
    return f"damhwa review {run}" + (f" --persona {file}" if file else "")


def _open_training() -> None:
    """Import what training needs, with a clear word where it is not installed."""
    try:
        from train.base import quieten
    except ModuleNotFoundError as exc:
        from datagen.errors import UsageError

        hint = "install torch first (CPU: pip install torch==2.13.0), then: pip install 'damhwa[train]'"
        raise UsageError(f"training needs {exc.name}, which is not installed", hint) from exc
    quieten()


def _describe_curation(summary: dict[str, Any]) -> str:
    from curation.summary import describe_summary

    return describe_summary(summary)


def _describe_summary(summary: dict[str, Any]) -> str:
    from datagen.console import format_money, format_seconds

    rejected_count = sum(sum(topic["rejected"].values()) for topic in summary["topics"].values())
    return (
        f"{summary['accepted']:,} of {summary['quota']:,} dialogues in {summary['run']}/dialogues "
        f"(+{summary['added']:,} in {format_seconds(summary['seconds'])}, {rejected_count:,} drafts rejected, "
        f"{summary['prompt_tokens'] + summary['completion_tokens']:,} tokens, "
        f"{summary['cached_share']:.0%} of the prompt from cache, {format_money(summary['cost_usd'])})"
    )


def _draw(parts: Iterable[Any]) -> None:
    from datagen.console import out

    for part in parts:
        out.print(part)


def _print_json(data: dict[str, Any]) -> None:
    print(json.dumps(data, ensure_ascii=False, indent=2, default=str))


def main() -> None:
    """Run the command; a DamhwaError becomes its message and its exit code."""
    try:
        app()
    except DamhwaError as error:
        from datagen.console import report_error

        report_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
