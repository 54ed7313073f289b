"""`python -m analysis`: one document or one a line, exit codes, what is said about a bad one; cheap imports."""

import json
import subprocess
import sys
from typing import Any

import pytest

from analysis import __main__ as front


def call(
    arguments: list[str], text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    import io  # noqa: PLC0415

    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    code = front.main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def exact(coaching: dict[str, Any]) -> dict[str, Any]:
    return {**coaching, "engine": "exact"}


def test_one_document(exact: dict[str, Any], monkeypatch: Any, capsys: Any) -> None:
    code, out, err = call(["fit"], json.dumps(exact, indent=1), monkeypatch, capsys)
    answer = json.loads(out)
    assert (code, err) == (0, "")
    assert answer["recommendation"]["outcome"] == "scale"
    assert set(answer) == {
        "grade", "gates", "effects", "recommendation", "tipping_point", "borrowed_weight", "without_borrowing",
        "would_raise_grade", "warnings", "provenance", "predictive_probability_of_success",
    }  # fmt: skip
    assert set(answer["effects"][0]) >= {
        "measure", "role", "sd", "raw", "adjusted", "p_benefit", "p_meaningful", "p_below_zero", "p_harm", "p_rope",
        "p_benefit_sceptical", "unadjusted", "evidence", "units", "exact",
    }  # fmt: skip
    assert answer["effects"][0]["sd"]["interval"].keys() == {"low", "high", "prob", "kind"}
    assert set(answer["provenance"]) >= {"seed", "data_hash", "plan_hash", "model", "engine", "versions"}
    assert answer["provenance"]["engine"] == "exact"


def test_a_refusal_is_a_result(exact: dict[str, Any], monkeypatch: Any, capsys: Any) -> None:
    exact["plan"]["design"] = "its"
    code, out, _ = call(["fit"], json.dumps(exact), monkeypatch, capsys)
    assert code == 0
    assert json.loads(out)["refused"].keys() == {"code", "message", "what_would_help"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"plan": None}, "plan"),
        ({"unknown": 1}, "unknown"),
        ({"engine": "guess"}, "engine"),
        ({"data": {"other": {"changes": []}}}, "other"),
        ({"data": {"mbi_ee": {"changes": [{"arm": "intervention", "mean": 1, "sd": 1}]}}}, "n: Field required"),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_document_not_of_the_form_exits_2_and_says_where(
    exact: dict[str, Any], change: dict[str, Any], said: str, monkeypatch: Any, capsys: Any
) -> None:
    code, out, err = call(["fit"], json.dumps({**exact, **change}), monkeypatch, capsys)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "nonsense", '{"plan": NaN}'])
def test_no_document_exits_2(text: str, monkeypatch: Any, capsys: Any) -> None:
    code, out, err = call(["fit"], text, monkeypatch, capsys)
    assert (code, out) == (2, "")
    assert err


def test_a_batch_answers_every_line_in_order(exact: dict[str, Any], monkeypatch: Any, capsys: Any) -> None:
    refused = json.loads(json.dumps(exact))
    refused["plan"]["design"] = "its"
    other = json.loads(json.dumps(exact))
    other["data"]["mbi_ee"]["changes"][0]["mean"] = 1.5
    lines = [json.dumps(exact), "not json", json.dumps(refused), '{"plan": 1}', json.dumps(other), json.dumps(exact)]
    code, out, err = call(["fit", "--batch"], "\n".join(lines) + "\n", monkeypatch, capsys)
    answers = [json.loads(line) for line in out.splitlines()]
    assert (code, err, len(answers)) == (0, "", 6)
    assert [next(iter(a)) for a in answers] == ["grade", "error", "refused", "error", "grade", "grade"]
    assert answers[0] == answers[5]
    assert answers[4]["effects"][0]["sd"]["mean"] < answers[0]["effects"][0]["sd"]["mean"]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("priors", "effect"), {"mean": 0, "sd": 1e-200}, "priors.effect.NormalPrior.sd"),
        (("priors", "effect"), {"mean": 1e300, "sd": 1}, "priors.effect.NormalPrior.mean"),
        (("priors", "sigma"), {"scale": 1e-200}, "priors.sigma.scale"),
        (("measures", 0, "reference_sd"), 1e-300, "reference_sd"),
    ],
)
def test_numbers_out_of_all_bounds_are_told_and_the_batch_goes_on(
    exact: dict[str, Any], path: tuple[Any, ...], value: Any, said: str, monkeypatch: Any, capsys: Any
) -> None:
    odd = json.loads(json.dumps(exact))
    odd["plan"]["priors"] = {}
    at = odd["plan"]
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    code, out, _ = call(["fit", "--batch"], f"{json.dumps(odd)}\n{json.dumps(exact)}\n", monkeypatch, capsys)
    answers = [json.loads(line) for line in out.splitlines()]
    assert (code, [next(iter(a)) for a in answers]) == (0, ["error", "grade"])
    assert said in answers[0]["error"]


def test_a_line_that_breaks_the_library_does_not_break_the_batch(
    exact: dict[str, Any], monkeypatch: Any, capsys: Any
) -> None:
    from analysis import fit as module  # noqa: PLC0415

    real = module.fit

    def broken(request: Any) -> Any:
        if request.seed == 2:
            raise RuntimeError("a fault\nof two lines")
        return real(request)

    monkeypatch.setattr(module, "fit", broken)
    lines = [json.dumps({**exact, "seed": 2}), json.dumps(exact)]
    code, out, _ = call(["fit", "--batch"], "\n".join(lines) + "\n", monkeypatch, capsys)
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert answers[0] == {"error": "could not be answered: RuntimeError: a fault of two lines"}
    assert "grade" in answers[1]


def test_simulate_answers_a_document_and_goes_on_after_a_bad_line(
    exact: dict[str, Any], monkeypatch: Any, capsys: Any
) -> None:
    asked = {"plan": exact["plan"], "people": {"intervention": 30, "control": 30}, "effects": [0, 0.9], "pilots": 50}
    nobody = json.dumps({**asked, "people": {"intervention": 30}})
    code, out, _ = call(["simulate", "--batch"], f"{nobody}\n{json.dumps(asked)}\n", monkeypatch, capsys)
    refused, answered = (json.loads(line) for line in out.splitlines())
    assert code == 0
    assert "people" in refused["error"]
    assert [row["effect"] for row in answered["operating_characteristics"]] == [0, 0.9]
    assert answered["provenance"]["engine"] == "exact"


def test_an_unknown_command_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        front.main(["guess"])
    assert stopped.value.code == 2
    assert "guess" in capsys.readouterr().err


LIGHT = (
    "analysis",
    "analysis.documents",
    "analysis.grade",
    "analysis.decide",
    "analysis.errors",
    "analysis.__main__",
    "analysis.evidence",
    "analysis.foundational",
    "analysis.scenario",
)


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_load_nothing_heavy(module: str) -> None:
    code = (
        f"import sys, {module}; print([m for m in ('numpy', 'scipy', 'pymc', 'arviz', 'nutpie') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "[]"


def test_the_front_loads_pymc_only_to_sample() -> None:
    code = "import sys, analysis.fit; print([m for m in ('pymc', 'nutpie', 'pytensor') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert run.stdout.strip() == "[]"
