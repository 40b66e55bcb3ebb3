"""The whole recipe on a corpus made on the spot: from a Common Voice folder to a checkpoint, a card and a report."""

import csv
import io
import json
import shutil

import numpy as np
import pytest
import soundfile
import soxr

import train_lora
from lid import LanguageIdentifier, audio
from lid.release import report
from tests.conftest import EXAMPLES

RATE = audio.SAMPLE_RATE
SPOKEN = {"uz": "uzbek.mp3", "ru": "russian.ogg", "en": "english.m4a"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Pieces of the synthetic examples, forwards and backwards at three speeds, as clips of many speakers."""
    root = tmp_path_factory.mktemp("corpus")
    for language, name in SPOKEN.items():
        (root / language / "clips").mkdir(parents=True)
        waveform = audio.decode(EXAMPLES / name)
        pieces = np.array_split(waveform, max(3, len(waveform) // int(2.2 * RATE)))
        rows = []
        for speed in (0.8, 1.0, 1.25):
            for index, piece in enumerate([*pieces, *(p[::-1] for p in pieces)]):
                path = f"{language}-{speed}-{index}.flac"
                file = io.BytesIO()
                soundfile.write(file, soxr.resample(piece, RATE * speed, RATE), RATE, format="FLAC")
                (root / language / "clips" / path).write_bytes(file.getvalue())
                rows.append({"client_id": f"{language}{len(rows) // 2}", "path": path, "sentence": ""})
        (root / language / "clips" / "broken.mp3").write_bytes(b"")
        rows.append({"client_id": f"{language}x", "path": "broken.mp3", "sentence": ""})
        with (root / language / "validated.tsv").open("w", newline="") as table:
            writer = csv.DictWriter(table, ["client_id", "path", "sentence"], delimiter="\t", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    for language, words in (("kk", "english.m4a"), ("tr", "russian.ogg")):  # two stand-ins for other languages
        (root / language / "clips").mkdir(parents=True)
        waveform = audio.decode(EXAMPLES / words)[: 12 * RATE]
        rows = []
        for index, piece in enumerate(np.array_split(soxr.resample(waveform, RATE, RATE * 1.4), 5)):
            soundfile.write(root / language / "clips" / f"{language}-{index}.wav", piece, RATE)
            rows.append({"client_id": f"{language}{index}", "path": f"{language}-{index}.wav", "sentence": ""})
        with (root / language / "validated.tsv").open("w", newline="") as table:
            writer = csv.DictWriter(table, ["client_id", "path", "sentence"], delimiter="\t", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return root


@pytest.fixture(scope="module")
def command(corpus, miniature, tmp_path_factory):
    work = tmp_path_factory.mktemp("run")
    arguments = ["--data", corpus, "--base-model", miniature, "--output", work / "out", "--cache-dir", work / "cache"]
    arguments += ["--background", corpus, "--foreign", "tr", "--steps", 4, "--validate-every", 2, "--batch-size", 7]
    arguments += ["--window", 2, "--workers", 0, "--cpu", "--fp32"]
    return [str(argument) for argument in arguments], work / "out"


@pytest.fixture(scope="module")
def finished(command):
    arguments, output = command
    assert train_lora.main(arguments) == 0
    return output


def test_prepare_only_stops_after_the_audit(command):
    arguments, output = command
    assert train_lora.main([*arguments, "--prepare-only", "--output", str(output) + "-prepared"]) == 0
    prepared = output.with_name(output.name + "-prepared")
    assert sorted(file.name for file in prepared.iterdir()) == ["dropped.tsv", "split.tsv", "split_audit.json"]
    audit = json.loads((prepared / "split_audit.json").read_text())
    assert audit["dropped_for_quality"]["uz"]["empty"] == 1
    assert "broken.mp3" in (prepared / "dropped.tsv").read_text()


def test_what_a_run_leaves(finished):
    metrics = json.loads((finished / "metrics.json").read_text())
    assert 0 <= metrics["test"]["accuracy"] <= 1
    assert metrics["test"]["clips"] == metrics["clips"]["test"]
    assert [entry["step"] for entry in metrics["history"]] == [2, 4]
    assert metrics["background"] == ["kk"]
    assert set(metrics["open_set"]["foreign"]) == {"tr", "all"}
    assert metrics["open_set"]["no_speech"]["silence"]["accuracy"] == 1.0
    assert metrics["clips"]["foreign"] == metrics["open_set"]["foreign"]["all"]["clips"] > 0
    assert "length of the clip only" in metrics["baselines"]
    assert (finished / "adapter" / "adapter_model.safetensors").exists()
    assert not [file for file in finished.rglob("*") if file.suffix in {".bin", ".pt", ".pth", ".pkl"}]


def test_the_checkpoint_serves(finished):
    prediction = LanguageIdentifier.load(finished / "merged").identify(audio.decode(EXAMPLES / "uzbek.mp3"))
    assert prediction.language in (*SPOKEN, None)  # what so small a model takes for speech is anybody's guess
    assert prediction.known in (True, False)


def test_the_same_command_again_goes_on_where_it_was(finished, command):
    before = (finished / "metrics.json").read_text()
    assert train_lora.main(command[0]) == 0
    assert (finished / "metrics.json").read_text() == before


def test_card_and_report_say_what_was_measured(finished, tmp_path):
    statement = tmp_path / "data.md"
    statement.write_text("Made of synthetic examples.")
    report.install(finished, statement, tmp_path)
    test = json.loads((finished / "metrics.json").read_text())["test"]
    for text in ((tmp_path / "REPORT.md").read_text(), (tmp_path / "assets" / "model" / "README.md").read_text()):
        assert f"{test['accuracy']:.1%}" in text
        assert "Made of synthetic examples." in text
        assert "{" not in text.replace("{\n", "").split("```")[0]
    assert LanguageIdentifier.load(tmp_path / "assets" / "model")


def test_a_checkpoint_is_judged_anew_without_training(finished, command, tmp_path, capsys):
    (tmp_path / "data.md").write_text("Made of synthetic examples.")
    report.install(finished, tmp_path / "data.md", tmp_path)
    checkpoint, output = tmp_path / "assets" / "model", tmp_path / "again"
    again = [*command[0], "--output", str(output), "--checkpoint", str(checkpoint)]
    assert train_lora.main(again) == 0
    before, after = (json.loads((folder / "metrics.json").read_text()) for folder in (checkpoint, output))
    assert after["test"]["confusion"] == before["test"]["confusion"]
    assert after["history"] == before["history"]
    assert (output / "merged" / "model.safetensors").read_bytes() == (checkpoint / "model.safetensors").read_bytes()
    assert LanguageIdentifier.load(output / "merged").background.threshold == after["calibration"]["threshold"]
    report.install(output, tmp_path / "data.md", tmp_path)
    averaged = [*command[0], "--output", str(tmp_path / "averaged"), "--checkpoint", str(checkpoint)]
    assert train_lora.main([*averaged, "--base-share", "0.5"]) == 0
    metrics = json.loads((tmp_path / "averaged" / "metrics.json").read_text())
    assert metrics["settings"]["base_share"] == 0.5
    weights = (tmp_path / "averaged" / "merged" / "model.safetensors").read_bytes()
    assert weights != (checkpoint / "model.safetensors").read_bytes()
    assert LanguageIdentifier.load(tmp_path / "averaged" / "merged").background.speech is not None
    both = [*command[0], "--output", str(tmp_path / "both"), "--checkpoint", str(finished)]  # a run's folder as well
    assert train_lora.main([*both, "--average-with", str(tmp_path / "averaged")]) == 0
    assert json.loads((tmp_path / "both" / "metrics.json").read_text())["settings"]["runs"] == 2
    (checkpoint / "split.tsv").write_text("another")
    assert train_lora.main(again) == 1
    assert "split.tsv" in capsys.readouterr().err


def test_mistakes_are_sentences(command, capsys, tmp_path):
    arguments, _ = command
    assert train_lora.main([*arguments, "--average-with", str(tmp_path)]) == 1
    assert "goes with --checkpoint" in capsys.readouterr().err
    assert train_lora.main([*arguments, "--data", str(tmp_path / "nowhere")]) == 1
    assert (
        train_lora.main([*arguments, "--base-model", str(tmp_path / "nothing"), "--output", str(tmp_path / "o")]) == 1
    )
    complaints = capsys.readouterr().err
    assert "no such folder" in complaints
    assert "No Whisper model" in complaints


def test_a_run_that_is_not_finished_has_no_report(tmp_path, capsys):
    assert report.main([str(tmp_path)]) == 1
    assert "no finished run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [("--base-share", "1.5", "no share from 0 to under 1"), ("--leave-out", "4/4", "K from 0 to N - 1")],
)
def test_an_option_out_of_range_is_said_in_a_sentence(option, value, sentence, capsys):
    with pytest.raises(SystemExit):
        train_lora.main(["--data", "x", "--output", "x", option, value])
    assert sentence in capsys.readouterr().err


def test_a_language_that_its_data_has_lost_ends_the_run(corpus, command, tmp_path, capsys):
    """The files of one language have names that are in no row."""
    shutil.copytree(corpus, tmp_path / "corpus")
    clips = tmp_path / "corpus" / "uz" / "clips"
    for number, clip in enumerate(sorted(clips.iterdir())):
        clip.rename(clips / f"{number}.flac")
    arguments = [*command[0], "--data", str(tmp_path / "corpus"), "--output", str(tmp_path / "out")]
    assert train_lora.main(arguments) == 1
    complaint = capsys.readouterr().err
    assert "because the row names a file that does not exist: broken.mp3, uz-0.8-0.flac, uz-0.8-1.flac." in complaint
    assert "are in no row: 0.flac, 1.flac, 10.flac." in complaint
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["dropped.tsv"]
