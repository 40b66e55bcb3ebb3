"""The settings: one place for flags, defaults, and the run's record."""

import json
from pathlib import Path

import pytest

from lid.errors import InputError
from lid.training import config
from lid.training.config import Config, Evaluation, Optimisation, Run, Sources

NEEDED = ["--data", "uz=here", "corpus", "--output", "runs/out"]


def test_flags_are_fields_and_what_is_not_given_has_its_default():
    parsed = Config.parse([*NEEDED, "--learning-rate", "0.002", "--noise", "noises", "--fp32", "--layers", "3"], "")
    assert parsed.sources == Sources(("uz=here", "corpus"), noise=Path("noises"))
    assert parsed.optimisation == Optimisation(learning_rate=0.002, fp32=True)
    assert parsed.model.layers == 3
    assert parsed.run == Run(Path("runs/out"))


def test_help_shows_each_setting_with_its_default(capsys):
    with pytest.raises(SystemExit):
        Config.parse(["--help"], "what it does")
    shown = capsys.readouterr().out
    assert "what it does" in shown
    assert "optimizer steps (default: 2000)" in shown
    for heading in ("sources:", "data:", "model:", "optimisation:", "evaluation:", "run:"):
        assert heading in shown


def test_a_run_without_data_is_refused(capsys):
    with pytest.raises(SystemExit):
        Config.parse(["--output", "x"], "")
    assert "--data" in capsys.readouterr().err


def test_a_record_comes_back_as_it_was(tmp_path):
    parsed = Config.parse([*NEEDED, "--noise", "noises", "--held-out-languages", "tr", "uk", "--subsets", "s.tsv"], "")
    config.save(tmp_path, parsed.groups)
    for group in parsed.groups:
        assert config.load(tmp_path, type(group)) == group
    assert config.load(tmp_path / "nowhere", Sources) is None


def test_a_record_older_than_a_setting_has_what_runs_did_then(tmp_path):
    (tmp_path / config.FILE_NAME).write_text('{"evaluation": {"held_out_languages": ["tr"]}}')
    assert config.load(tmp_path, Evaluation) == Evaluation(("tr",), held_out_voices=0.0)
    assert config.before(Optimisation) == {"distil": 0.0, "anchor": 0.0, "outlier_exposure": 0.0}


def test_a_damaged_record_is_a_sentence(tmp_path):
    (tmp_path / config.FILE_NAME).write_text('{"sources": {}}')
    with pytest.raises(InputError, match="is damaged"):
        config.load(tmp_path, Sources)


def test_what_is_published_has_no_paths():
    places = ["--base-model", "/home/me/whisper-base", "--init-from", "/home/me/first", "--noise", "/home/me/noise"]
    places += ["--cache-dir", "/home/me/cache", "--data", "uz=/home/me/uz", "--output", "/home/me/out"]
    places += ["--subsets", "/home/me/subsets.tsv", "--former", "/home/me/before"]
    published = Config.parse(places, "").published()
    assert "/home/me" not in json.dumps(published)
    assert (published["base_model"], published["init_from"], published["recorded_noise"]) == (
        "whisper-base",
        "first",
        True,
    )
    assert (published["subsets"], published["former"]) == (True, "before")
    assert published["steps"] == 2000


@pytest.mark.parametrize(
    ("given", "processes", "complaint"),
    [
        (["--batch-size", "7"], 2, "--batch-size must be a multiple of the 2 processes"),
        (["--background-share", "1.5"], 1, "--background-share is a share from 0 to under 1, not 1.5"),
        (["--held-out-voices", "-1"], 1, "--held-out-voices is a share"),
        (["--clips-at-once", "0"], 1, "--clips-at-once is 1 or more, not 0"),
    ],
)
def test_settings_that_make_no_sense_are_a_sentence(given, processes, complaint):
    parsed = Config.parse([*NEEDED, *given], "")
    with pytest.raises(InputError, match=complaint):
        parsed.check(processes)


def test_without_a_teacher_nothing_is_distilled():
    parsed = Config.parse(NEEDED, "")
    assert parsed.with_teacher(True) == parsed
    assert parsed.with_teacher(False).optimisation.distil == 0.0
