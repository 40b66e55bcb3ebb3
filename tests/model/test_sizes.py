"""A configuration that describes no model of this world is refused before anything is made of it."""

import json

import pytest

from lid.errors import InputError
from lid.model import sizes
from tests.conftest import MODEL


def test_the_embedded_model_and_a_folder_without_a_configuration_pass(tmp_path, miniature):
    for folder in (MODEL, miniature, tmp_path):
        sizes.check(folder)


@pytest.mark.parametrize("name", sizes.MOST)
@pytest.mark.parametrize("value", [10**9, -3, "many", None, 1.5])
def test_numbers_without_bounds_are_a_sentence(tmp_path, name, value):
    (tmp_path / "config.json").write_text(json.dumps({name: value}))
    with pytest.raises(InputError, match=name):
        sizes.check(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, '{"a": "' + "x" * sizes.MOST_BYTES + '"}'])
def test_what_is_no_configuration_is_a_sentence(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"config\.json"):
        sizes.check(tmp_path)


@pytest.mark.parametrize("place", ["../model.safetensors", "/etc/model.safetensors", "a/b.safetensors", 3])
def test_weights_that_lie_elsewhere_are_a_sentence(tmp_path, place):
    (tmp_path / sizes.INDEX).write_text(json.dumps({"weight_map": {"a.weight": "model.safetensors"}}))
    sizes.check(tmp_path)
    (tmp_path / sizes.INDEX).write_text(json.dumps({"weight_map": {"a.weight": place}}))
    with pytest.raises(InputError, match="outside of the folder"):
        sizes.check(tmp_path)
