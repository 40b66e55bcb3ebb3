"""Figures: drawn from the numbers of a run and from nothing else."""

import json

import numpy as np
import pytest

from lid.evaluation import metrics
from lid.release import figures, report
from tests.release.test_publish import AUDIT, measured

POINTS = [{"x": float(i), "y": 1.0, "language": "uz" if i % 2 else "tr", "bandwidth": 4000.0} for i in range(600)]


@pytest.fixture(scope="module")
def numbers() -> dict:
    """What a run of today measures, with a few languages beside the three."""
    rng = np.random.default_rng(0)
    own, scores = rng.normal(3, 1, 50), {code: rng.normal(0, 1, 20) for code in ("tr", "kk", "all")}
    verdicts = {"uz": 3, "ru": 0, "en": 1, "none": 16, "no_speech": 0}
    foreign = {
        code: metrics.detection(own, of) | {"refused": 0.8, "confident_errors": 0.125, "verdicts": verdicts}
        for code, of in scores.items()
    }
    of_run = measured()
    of_run["test"]["verdicts"] = {code: verdicts for code in ("uz", "ru", "en")}
    of_run["open_set"] |= {
        "roc": {"false": metrics.ROC_GRID.tolist()} | {code: metrics.roc(own, of) for code, of in scores.items()},
        "foreign": foreign,
        "foreign_groups": {"other voices": foreign["tr"], "never trained": foreign["kk"]},
        "known_refused": metrics.rate(np.arange(50) < 1),
    }
    return of_run


def test_all_are_drawn_small_and_the_same_again(numbers, tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    names = figures.draw(numbers, POINTS, tmp_path / "first")
    assert names == list(report.PICTURES)
    figures.draw(numbers, POINTS, tmp_path / "second")
    for name in names:
        data = (tmp_path / "first" / name).read_bytes()
        assert len(data) < 150_000
        assert data == (tmp_path / "second" / name).read_bytes()


def test_an_older_run_has_fewer_and_those_of_another_run_go(tmp_path):
    (tmp_path / "embeddings.png").write_text("of another run")
    older = measured()
    for key in ("verdicts", "calibration_by_language"):
        older["test"].pop(key, None)
    for key in ("roc", "foreign_groups"):
        older["open_set"].pop(key, None)
    names = figures.draw(older, [], tmp_path)
    assert {"reliability.svg", "learning.svg"} <= set(names)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    text = report.fill("report", older, AUDIT, "Made up.", pictures=names)
    assert "reliability.svg" in text
    assert "roc.svg" not in text


def test_the_report_shows_what_was_drawn_and_measured(numbers):
    numbers["subsets"] = {"voice notes": metrics.rates(np.zeros(8), np.zeros(8))}
    numbers["baselines"] = {
        "the former model": metrics.rates(np.zeros(4), np.r_[0, 0, 0, 1])
        | {"subsets": {"voice notes": metrics.rates(np.zeros(8), np.ones(8))}, "open_set": numbers["open_set"]}
    }
    text = report.fill("report", json.loads(json.dumps(numbers)), AUDIT, "Made up.", pictures=list(report.PICTURES))
    for name, (shows, _) in report.PICTURES.items():
        assert f"![{shows}](assets/figures/{name})" in text
    assert "| voice notes | 8 | 100.0% (67.6% to 100.0%) |" in text
    assert "12.5%" in next(line for line in text.splitlines() if line.startswith("| Kazakh (kk) |"))
    former = next(line for line in text.splitlines() if line.startswith("| the former model | 4 |"))
    assert "0.0% (0.0% to 32.4%)" in former
    assert "refused of the three" in text


def test_the_report_says_which_weights_were_kept_as_far_as_the_run_does(numbers):
    without = {name: value for name, value in numbers.items() if name != "kept"}
    assert "the run did not record" in report.fill("report", without, AUDIT, "Made up.")
    text = report.fill("report", numbers | {"kept": 1250}, AUDIT, "Made up.")
    assert "that of step 1,250, is kept" in text
    assert "did not record" not in text


def test_other_corpora_have_a_section_of_their_own_or_none(numbers):
    assert "Corpora that nothing was trained on" not in report.fill("report", numbers, AUDIT, "Made up.")
    other = numbers["test"] | {"macro_f1": 0.875, "ece": 0.01}
    text = report.fill("report", numbers | {"other_corpora": {"google/fleurs": other}}, AUDIT, "Made up.")
    (row,) = [line for line in text.splitlines() if line.startswith("| google/fleurs |")]
    assert "| 0.875 | 0.01 |" in row


def test_the_loss_between_validations_is_drawn_where_a_run_kept_it(numbers, tmp_path):
    curve = [{"step": step, "train_loss": 1 / step} for step in range(1, 50)]
    for name, of_run in (("without", numbers), ("with", numbers | {"curve": curve})):
        (tmp_path / name).mkdir()
        figures.draw(of_run, POINTS, tmp_path / name)
    without, drawn = ((tmp_path / name / "learning.svg").read_text() for name in ("without", "with"))
    assert len(drawn) > len(without)


def test_the_score_is_told_by_its_parts(numbers):
    alone = report.fill("report", numbers | {"score_parts": []}, AUDIT, "Made up.")
    assert "`known_score` is a relative Mahalanobis distance" in alone
    text = report.fill("report", numbers | {"score_parts": ["rows", "sounds"]}, AUDIT, "Made up.")
    assert "- *rows*:" in text
    assert "- *distance*:" not in text
