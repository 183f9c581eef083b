"""`damhwa evaluate`: which models, on what, compared how; and the page that tells it."""

import json
import re
import resource
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from aiohttp import web
from safetensors.torch import load_file, save_file

from datagen.endpoint_options import ProviderOptions
from datagen.errors import DataError, ProviderError, UsageError
from tests.train.evaluation_world import PERSONA, RECIPE, make_trained, save_model
from train.candidates import list_candidates
from train.conversations import read_split
from train.evaluate import FIGURES, EvaluateOptions, evaluate
from train.evaluation_report import describe_report, format_change, is_clear, render_report, write_report
from train.masks import Encoder
from train.recipe import load_recipe
from train.replies import Decoding, Prompt

SHORT = Decoding(max_new_tokens=12, batch=4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_trained(tmp_path_factory.mktemp("models") / "exagirl")


@pytest.fixture(scope="module")
def options(built_run: Path) -> EvaluateOptions:
    return EvaluateOptions(str(built_run), decoding=SHORT)


@pytest.fixture(scope="module")
def report(trained: Path, options: EvaluateOptions) -> dict[str, Any]:
    return evaluate([trained], options)


def test_a_trained_model_is_its_base_and_the_stages_that_are_done(trained: Path, tmp_path: Path) -> None:
    assert [each.label for each in list_candidates([trained])] == ["base", "gf-persona-data", "exa-data"]
    begun = make_trained(tmp_path / "begun", stages=1)
    assert [each.label for each in list_candidates([begun])] == ["base", "gf-persona-data"]
    adapter, plain = trained / "2-exa-data" / "adapter", save_model(tmp_path / "merged")
    assert [each.label for each in list_candidates([plain, adapter])] == ["merged", "exa-data"]
    twice = [each.label for each in list_candidates([trained, begun])]
    assert twice[0] == "exagirl/base"
    assert twice[3:] == ["begun/base", "begun/gf-persona-data"]


def test_all_models_get_the_same_prompts_and_every_figure_has_an_interval(report: dict[str, Any]) -> None:
    assert report["models"] == ["base", "gf-persona-data", "exa-data"]
    assert [each["name"] for each in report["measures"]] == list(FIGURES)
    for measure in report["measures"]:
        assert measure["differences"][0] is None
        for found in filter(None, measure["values"]):
            assert found["low"] <= found["value"] <= found["high"], measure["name"]
    assert report["data"]["prompts"] == report["data"]["conversations"] > 1
    assert report["data"]["is_simulated"]
    assert re.fullmatch("[0-9a-f]{64}", report["data"]["fingerprint"])
    assert all(len(each["replies"]) == 3 for each in report["examples"])


def test_the_datas_own_replies_pass_what_they_were_curated_by(report: dict[str, Any]) -> None:
    data = {each["name"]: each["data"]["value"] for each in report["measures"] if each["data"]}
    assert (data["role_leak"], data["assistant_tell"], data["direction_form"], data["loops"]) == (0, 0, 1, 0)
    assert data["speech_level"] >= 0.5  # a short reply may carry no level, and there are few


def test_the_files_hold_what_was_told(trained: Path, report: dict[str, Any]) -> None:
    stored = json.loads((trained / "evaluation" / "report.json").read_text(encoding="utf-8"))
    assert stored == report
    assert (trained / "evaluation" / "report.html").read_text(encoding="utf-8") == render_report(stored)


def test_the_same_models_and_seed_give_the_same_figures(
    trained: Path, options: EvaluateOptions, report: dict[str, Any], tmp_path: Path
) -> None:
    again = evaluate([trained], replace(options, out=tmp_path / "again"))
    assert again["measures"] == report["measures"]
    fewer = evaluate([trained], replace(options, out=tmp_path / "fewer", dialogues=2, decoding=Decoding(0, batch=4)))
    assert fewer["data"]["prompts"] == 2
    assert fewer["decoding"]["max_new_tokens"] == 9  # the recipe's
    assert fewer["measures"][0] == report["measures"][0]  # perplexity is of all conversations


def test_a_merged_model_equals_its_adapter_and_tells_no_difference(
    trained: Path, options: EvaluateOptions, tmp_path: Path
) -> None:
    base = save_model(tmp_path / "copy")
    found = evaluate([trained / "base", base, trained], replace(options, out=tmp_path / "out", dialogues=3))
    assert found["models"] == ["base/base", "copy/copy", "exagirl/base", "exagirl/gf-persona-data", "exagirl/exa-data"]
    assert found["measures"][0]["differences"][1] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert found["measures"][0]["differences"][3]["value"] != 1.0


def test_a_model_that_nobody_knows_the_persona_of_is_refused(options: EvaluateOptions, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="persona"):
        evaluate([save_model(tmp_path / "plain" / "x" / "y")], options)


def test_nothing_is_measured_where_the_judge_cannot_be_asked_or_no_reply_fits(
    trained: Path, options: EvaluateOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(UsageError, match="no model to ask"):
        evaluate([trained], replace(options, judge=ProviderOptions(), out=tmp_path / "out"))
    with pytest.raises(UsageError, match="leaves room for 500 tokens of 512"):
        evaluate([trained], replace(options, decoding=Decoding(500), out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", ["", "config.json", "tokenizer.json", "chat_template.jinja"])
def test_a_second_model_that_is_not_whole_is_told_before_the_first_is_even_loaded(
    trained: Path, options: EvaluateOptions, tmp_path: Path, missing: str
) -> None:
    first = shutil.copytree(trained, tmp_path / "first")
    (first / "base/model.safetensors").write_bytes(b"torn")
    second = tmp_path / "second"
    if missing:
        (save_model(second) / missing).unlink()
    with pytest.raises(UsageError, match=str(second)):
        evaluate([first, second], replace(options, out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_torn_lineage_of_a_merged_model_is_told(options: EvaluateOptions, tmp_path: Path) -> None:
    merged = save_model(tmp_path / "merged")
    for text in ('{"rec', "[]", '{"recipe": {}, "persona": {}}'):
        (merged / "lineage.json").write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=r"lineage\.json") as caught:
            evaluate([merged], options)
        assert caught.value.hint


def test_an_end_of_turn_that_is_a_plain_token_of_the_vocabulary_ends_replies(
    options: EvaluateOptions, tmp_path: Path
) -> None:
    trained = make_trained(tmp_path / "exagirl", stages=0)
    template = trained / "base/chat_template.jinja"
    template.write_text(template.read_text(encoding="utf-8").replace("[|endofturn|]", "#"), encoding="utf-8")
    recipe = {**RECIPE, "base": {**RECIPE["base"], "end_of_turn": "#"}}
    text = json.dumps({"recipe": recipe, "persona": PERSONA, "stages": []}, ensure_ascii=False)
    (trained / "manifest.json").write_text(text, encoding="utf-8")
    assert evaluate([trained], replace(options, dialogues=1))["models"] == ["base"]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_model_whose_scores_are_no_numbers_is_told_by_its_name(
    options: EvaluateOptions, tmp_path: Path, temperature: float
) -> None:
    trained = make_trained(tmp_path / "exagirl", stages=1)
    adapter = trained / "1-gf-persona-data/adapter/adapter_model.safetensors"
    save_file({name: torch.full_like(each, torch.nan) for name, each in load_file(adapter).items()}, adapter)
    drawn = replace(options, decoding=replace(SHORT, temperature=temperature))
    with pytest.raises(DataError, match="gf-persona-data scores") as caught:
        evaluate([trained], drawn)
    assert "train" in str(caught.value.hint)


def test_what_is_too_long_is_cut_or_left_out_and_counted(
    trained: Path, options: EvaluateOptions, tmp_path: Path
) -> None:
    loaded = list_candidates([trained / "base"])[0].load()
    conversations = read_split(options.data, "test", load_recipe("exagirl-2.4b").persona).conversations
    shortest = sorted(len(Prompt(each, 1).encode(loaded)) for each in conversations)
    room = (shortest[0] + shortest[-1]) // 2
    assert shortest[0] <= room < shortest[-1]  # of these dialogues some fit, some do not
    tokens = int(loaded.model.config.max_position_embeddings)
    decoding = replace(SHORT, max_new_tokens=tokens - room)
    data = evaluate([trained / "base"], replace(options, decoding=decoding, out=tmp_path))["data"]
    assert data["prompts"] == sum(each <= room for each in shortest)
    assert data["prompts_left_out"] == len(conversations) - data["prompts"]
    rows = list(Encoder.of(loaded.tokenizer, tokens).encode_all(conversations))
    assert data["cut"] == sum(row is not None and row.is_cut for row in rows)
    assert "left out" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_judge_compares_with_the_first_model(
    trained: Path,
    options: EvaluateOptions,
    tmp_path: Path,
    start_server: Callable[[Callable[[web.Request], object]], str],
) -> None:
    asked = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        message = {"role": "assistant", "content": '{"better": "가", "reason": "앞의 것이 자연스러움"}'}
        return web.json_response({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    judge = ProviderOptions((start_server(answer),), model="judge")
    told = evaluate([trained], replace(options, dialogues=3, out=tmp_path, judge=judge))["judge"]
    assert (told["model"], told["against"]) == ("judge", "base")
    assert [each["model"] for each in told["results"]] == ["gf-persona-data", "exa-data"]
    for each in told["results"]:
        assert (each["won"], each["tied"], each["lost"], each["unjudged"], each["agreed"]) == (0, 3, 0, 0, 0)
        assert each["rate"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert asked == 3 * 2 * 2
    evaluate([trained], replace(options, dialogues=3, out=tmp_path, judge=judge))
    assert asked == 3 * 2 * 2


def test_a_judge_that_dies_takes_nothing_with_it_that_was_measured(
    trained: Path,
    options: EvaluateOptions,
    tmp_path: Path,
    start_server: Callable[[Callable[[web.Request], object]], str],
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "bad key"}}, status=401)

    judge = ProviderOptions((start_server(refuse),), model="judge")
    with pytest.raises(ProviderError, match="bad key"):
        evaluate([trained], replace(options, dialogues=2, out=tmp_path, judge=judge))
    stored = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert stored["models"] == ["base", "gf-persona-data", "exa-data"]
    assert stored["judge"] is None
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render_report(stored)


def test_a_disk_that_is_full_leaves_the_report_that_was_there(report: dict[str, Any], tmp_path: Path) -> None:
    write_report(tmp_path, report)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(before) == ["report.html", "report.json"]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in (4_000, len(before["report.json"]) + 10):  # where not even that fits, or the page does not
        assert room < len(before["report.html"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        try:
            with pytest.raises(DataError, match="cannot be written"):
                write_report(tmp_path, {**report, "models": ["other", *report["models"][1:]]})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_terminal_shows_a_line_a_measure_with_the_interval_of_each_difference(report: dict[str, Any]) -> None:
    head, *lines = describe_report(report).splitlines()
    assert head.split() == ["base", "gf-persona-data", "exa-data", "data"]
    assert [each.split()[0] for each in lines[:-2]] == list(FIGURES)
    assert re.search(r"^perplexity +[\d,.]+ +[\d,.]+ \(×[\d.]+ ~ ×[\d.]+\)", lines[0])
    assert lines[-2] == "in brackets: 95 % interval of the difference to base"
    assert "simulator" in lines[-1]


def make_measure(name: str, *differences: tuple[float, float, float], better: str = "higher") -> dict[str, Any]:
    told = [dict(zip(("value", "low", "high"), each, strict=True)) for each in differences]
    return {"name": name, "better": better, "is_quotient": name == "perplexity", "differences": [None, *told]}


def test_a_difference_is_told_in_its_unit_and_is_clear_only_where_its_interval_leaves_out_none() -> None:
    share = make_measure("speech_level", (0.25, 0.1, 0.4), (-0.25, -0.4, -0.1), (0.25, 0.0, 0.4))
    assert [is_clear(share, at) for at in range(4)] == ["", "good", "bad", ""]
    assert (format_change(0.25, share), format_change(-0.003, share), format_change(0.0, share)) == (
        "+25.0",
        "-0.3",
        "±0",
    )
    quotient = make_measure("perplexity", (0.5, 0.4, 0.6), (1.2, 0.9, 1.5), (2.0, 1.5, 3.0), better="lower")
    assert [is_clear(quotient, at) for at in range(4)] == ["", "good", "", "bad"]
    assert (format_change(0.5, quotient), format_change(0.0123, quotient)) == ("×0.50", "×0.012")
    length = make_measure("characters", (20.0, 10.0, 30.0), better="")
    assert is_clear(length, 1) == ""  # neither way is better
    assert format_change(20.0, length) == "+20.0"


EVIL = "</p><script>alert(1)</script><img src=x onerror=alert(2)>{{ 70007 * 70007 }}*<b>*"


def test_text_of_models_and_data_is_only_ever_text(report: dict[str, Any]) -> None:
    evil = json.loads(json.dumps(report))
    evil["models"] = [EVIL] * 3
    evil["data"] |= {"place": EVIL, "split": EVIL}
    evil["judge"] = {"model": EVIL, "against": EVIL, "results": []}
    for each in evil["examples"]:
        each |= {"id": EVIL, "data": EVIL, "messages": [{"role": "user", "content": EVIL}]}
        each["replies"] = [{"text": EVIL, "is_stopped": False}] * 3
    html = render_report(evil)
    for tag in ("<script", "<img", "*<b>", "4900980049"):
        assert tag not in html
    assert html.count("&lt;img src=x") > 30


def test_nothing_runs_or_loads_and_both_languages_say_as_much(report: dict[str, Any]) -> None:
    html = render_report(report)
    assert "<script" not in html
    assert not re.search(r"https?:|url\(|@import| src=| href=\"(?!#)", html)
    assert "default-src 'none'; style-src 'unsafe-inline'" in html
    assert html.count('class="ko" lang="ko"') == html.count('class="en" lang="en"') > 40
    assert len(html) < 200_000


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme", "language"), [(1200, "light", "ko"), (390, "dark", "en")])
def test_the_page_is_accessible_and_fits(
    report: dict[str, Any], chromium: Path, tmp_path: Path, width: int, scheme: Any, language: str
) -> None:
    from playwright.sync_api import sync_playwright

    from tests.review_ui.axe import SyncAxe

    row = {"model": "exa-data", "won": 3, "tied": 2, "lost": 0, "unjudged": 0, "agreed": 4}
    rate = {"value": 0.8, "low": 0.6, "high": 1.0}
    judged = {**report, "judge": {"model": "gpt-4o", "against": "base", "results": [{**row, "rate": rate}]}}
    (tmp_path / "report.html").write_text(render_report(judged), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
        page.goto((tmp_path / "report.html").as_uri())
        page.check(f"#lang-{language}", force=True)
        assert page.locator(f".{language}").first.is_visible()
        assert page.locator(".en" if language == "ko" else ".ko").first.is_hidden()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = SyncAxe().run(page)
        browser.close()
    assert found.violations_count == 0, found.generate_report()
