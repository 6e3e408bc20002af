"""The class list of a model directory, also of one in a bucket."""

import pytest
import tensorflow as tf

from official_yolact.checkpoints import stored_categories
from official_yolact.checkpoints import transfer
from official_yolact_runtime import categories

PAIR = categories.Categories((3, 7), ("cat", "dog"))


@pytest.mark.parametrize("scheme", ["", "ram:/"])
def test_what_was_saved_is_found(scheme, tmp_path):
    folder = f"{scheme}{tmp_path}"
    tf.io.gfile.makedirs(folder)
    assert stored_categories.find(folder) is None
    with tf.io.gfile.GFile(f"{folder}/categories.json", "w") as file:
        file.write(PAIR.to_json())
    assert stored_categories.find(folder) == PAIR
    for checkpoint in ("ckpt-8", "best_ckpt/best_ckpt-8"):
        assert transfer.find_categories(f"{folder}/{checkpoint}") == PAIR


def test_text_and_file_hold_the_same(tmp_path):
    PAIR.save(str(tmp_path / "categories.json"))
    assert (tmp_path / "categories.json").read_text() == PAIR.to_json()
    assert categories.Categories.load(str(tmp_path / "categories.json")) == PAIR


def test_a_damaged_list_is_named():
    with pytest.raises(ValueError, match=r"here\.json: not a list of categories"):
        categories.Categories.parse('{"categories": 3}', "here.json")
