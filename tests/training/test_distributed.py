"""Several processes: one that dies ends all, and the same command goes on to the same weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors import safe_open

from tests.conftest import ROOT

pytestmark = pytest.mark.slow


def launch(*arguments) -> int:
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", "configs/cpu.yaml"]
    command += ["tests/training/two_processes.py", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True).returncode


def state(folder: Path) -> tuple[dict, dict[str, torch.Tensor]]:
    with safe_open(folder / "state.safetensors", "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        return json.loads(file.metadata()["run"]), tensors


def test_a_process_that_is_killed_costs_no_more_than_the_steps_since_the_last_save(miniature, tmp_path):
    assert launch(miniature, tmp_path / "whole") == 0
    assert launch(miniature, tmp_path / "broken", 5) != 0
    assert state(tmp_path / "broken")[0]["step"] == 4
    assert launch(miniature, tmp_path / "broken") == 0
    (about, expected), (resumed, found) = state(tmp_path / "whole"), state(tmp_path / "broken")
    assert resumed["history"] == about["history"]
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name


@pytest.mark.parametrize("name", ["one_gpu", "gpus", "cpu"])
def test_configurations_are_what_accelerate_reads(name):
    from accelerate.commands.config.config_args import load_config_from_file

    file = ROOT / "configs" / f"{name}.yaml"
    known = load_config_from_file(str(file))
    given = yaml.safe_load(file.read_text())
    assert known.num_processes == given["num_processes"] == (1 if name == "one_gpu" else 2)
    assert not known.use_cpu
