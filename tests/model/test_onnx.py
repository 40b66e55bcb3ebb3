"""Graphs that serve: what is damaged, exchanged or of another version is named before it answers; decisions are those
of the detector that was fitted."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx as onnx_package
import pytest

from lid import InputError, LanguageIdentifier
from lid.model import checksums, onnx
from lid.model.onnx import Graphs, OnnxDetector, OnnxModel
from lid.model.open_set import OpenSetDetector
from tests.conftest import MODEL
from tests.recordings import voice


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of the embedded model's graphs and manifest: all that serving reads."""
    folder = tmp_path / "model"
    shutil.copytree(Path(MODEL) / "onnx", folder / "onnx")
    shutil.copy(Path(MODEL) / "manifest.json", folder)
    return folder


def test_the_graphs_are_all_that_serving_reads(folder):
    spoken = voice("uz", 4)
    assert LanguageIdentifier.load(folder).identify(spoken).to_dict() == (
        LanguageIdentifier.load(MODEL).identify(spoken).to_dict()
    )


def test_a_sound_has_the_same_numbers_each_time_on_any_number_of_threads():
    graphs, spoken = Graphs.read(Path(MODEL)), voice("uz", 6)[None]
    models = [OnnxModel(graphs.encoder, graphs.log_mel, threads) for threads in (1, 2, 5)]
    heard = [model.hear(spoken) for model in models for _ in range(8)]
    for logits, embedding in heard[1:]:
        np.testing.assert_array_equal(logits, heard[0][0])
        np.testing.assert_array_equal(embedding, heard[0][1])


@pytest.mark.parametrize("name", onnx.SERVED)
def test_a_damaged_graph_is_named(folder, name):
    data = bytearray((folder / "onnx" / name).read_bytes())
    data[len(data) // 2] ^= 255
    (folder / "onnx" / name).write_bytes(data)
    with pytest.raises(InputError, match=f"onnx/{name} differs"):
        LanguageIdentifier.load(folder)


@pytest.mark.parametrize("name", onnx.SERVED)
def test_without_sums_a_torn_graph_is_named_as_well(folder, name):
    (folder / "manifest.json").unlink()
    data = (folder / "onnx" / name).read_bytes()
    (folder / "onnx" / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"no graph that can be run|is not the graph"):
        LanguageIdentifier.load(folder)


def test_an_exchanged_graph_is_named(folder):
    (folder / "manifest.json").unlink()
    shutil.copy(folder / "onnx" / onnx.LOG_MEL, folder / "onnx" / onnx.DECISION)
    with pytest.raises(InputError, match="log_mel in place of decision"):
        LanguageIdentifier.load(folder)


def test_a_graph_of_another_version_says_so(folder):
    file = folder / "onnx" / onnx.QUANTISED
    model = onnx_package.load(file)
    for entry in model.metadata_props:
        if entry.key == "format":
            entry.value = json.dumps(2)
    onnx_package.save(model, file)
    checksums.write(folder)
    with pytest.raises(InputError, match="format 2; this version of lid runs format 1"):
        LanguageIdentifier.load(folder)


@pytest.mark.parametrize("place", ["/etc/passwd", "../numbers", "numbers"])
def test_a_graph_that_names_other_files_is_refused(folder, place, monkeypatch):
    """ONNX can keep numbers in other files, in the folder where the process runs if it says no other."""
    monkeypatch.chdir(folder)
    file = folder / "onnx" / onnx.QUANTISED
    model = onnx_package.load(file)
    big = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    (folder / "numbers").write_bytes(big.raw_data)
    big.ClearField("raw_data")
    big.data_location = onnx_package.TensorProto.EXTERNAL
    big.external_data.add(key="location", value=place)
    file.write_bytes(model.SerializeToString())
    checksums.write(folder)
    with pytest.raises(InputError, match="no graph that can be run"):
        LanguageIdentifier.load(folder)


def test_the_graph_decides_as_the_detector_that_was_fitted():
    fitted = OpenSetDetector.load(MODEL)
    graph = OnnxDetector((Path(MODEL) / "onnx" / onnx.DECISION).read_bytes())
    assert (graph.can_reject, graph.threshold, graph.languages) == (True, fitted.threshold, fitted.languages)
    rng = np.random.default_rng(0)
    around = fitted.global_mean + rng.normal(0, fitted.global_mean.std(), (50, len(fitted.global_mean)))
    for embedding in around.astype(np.float32):
        logits = graph.logits(embedding[None])[0]
        assert graph.score(logits, embedding) == pytest.approx(fitted.score(logits, embedding), abs=0.03, rel=3e-3)
        for faint in (False, True):
            assert graph.is_speech(embedding, faint) == fitted.is_speech(embedding, faint)
        (code, share), (expected, probability) = graph.sounds_like(embedding), fitted.sounds_like(embedding)
        assert (code, share) == (expected, pytest.approx(probability, abs=1e-3))
