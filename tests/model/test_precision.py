"""Products in fewer bits: close to float32 whatever the inputs, and chosen by this CPU."""

import subprocess
import sys

import pytest
import torch

from lid.model import precision
from tests.conftest import MODEL, ROOT


@pytest.fixture
def layer() -> torch.nn.Linear:
    torch.manual_seed(0)
    return torch.nn.Linear(512, 256).requires_grad_(False)


@pytest.fixture
def int8(layer) -> precision.Int8Linear:
    try:
        return precision.Int8Linear(layer)
    except RuntimeError as error:
        pytest.skip(str(error))


def test_int8_sums_do_not_overflow(layer):
    """On CPUs without VNNI, two products of full 8-bit numbers do not fit where they are added."""
    layer.weight.fill_(0.5)
    x = torch.ones(3, 512)
    torch.testing.assert_close(precision.Int8Linear(layer)(x), layer(x), rtol=0.01, atol=0.0)


def test_a_loud_frame_leaves_the_others_as_exact_as_they_were(layer, int8):
    x = torch.randn(2, 20, 512)
    x[:, 0] *= 1000
    wanted, got = layer(x), int8(x)
    off = (got - wanted).norm(dim=-1) / wanted.norm(dim=-1)
    assert off.max() < 0.05


def test_silent_frames_give_the_bias(layer, int8):
    torch.testing.assert_close(int8(torch.zeros(1, 4, 512)), layer.bias.expand(1, 4, -1))


def test_the_choice_is_one_that_there_is_and_leaves_the_threads():
    precision._seconds.cache_clear()
    threads = torch.get_num_threads()
    assert precision.fastest() in precision.PRECISIONS
    assert torch.get_num_threads() == threads


def test_loading_a_model_imports_nothing_heavy():
    """These took longer to import than everything else from start to answer."""
    heavy = {"sympy", "transformers", "scipy", "sklearn", "onnxruntime", "torchaudio"}
    code = "import sys; from lid import LanguageIdentifier; LanguageIdentifier.load(sys.argv[1]); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(MODEL)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not heavy & {*done.stdout.split()}
