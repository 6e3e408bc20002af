import io
import itertools

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from official_yolact_runtime import categories

# Anchor 27: level 3 has 8 x 8 cells of 8 px; row 3, column 3 has its centre at 28 px, side 16.
ANCHOR_27 = np.array([20, 20, 36, 36]) / 64


def test_an_instance_comes_back_in_pixels_of_the_photo(fake, bright):
    found = fake(bright)
    assert len(found) == 1
    assert (found.names, found.classes.tolist(), found.category_ids.tolist()) == (["date"], [2], [5])
    np.testing.assert_allclose(found.boxes[0], ANCHOR_27 * [48, 96, 48, 96], atol=1e-4)
    assert found.masks.shape == (1, 48, 96)
    assert found.masks[0, 18:24, 36:48].all()
    assert not found.masks[0, :10].any()
    np.testing.assert_array_equal(found.image, bright)


def test_the_threshold_and_the_limit_decide_what_is_kept(fake, bright):
    # Fast NMS gives both classes of both anchors, the second ones with scores near 0.
    assert [len(fake(bright, score_threshold=t)) for t in (0.0, 0.1, 0.3, 1.0)] == [4, 2, 1, 0]
    assert len(fake(bright, score_threshold=0.0, max_detections=1)) == 1
    empty = fake(bright, score_threshold=1.0)
    assert empty.masks.shape == (0, 48, 96)
    assert empty.boxes.shape == (0, 4)
    assert empty.to_coco(1) == []


def test_mask_scores_rank_what_is_shown_and_both_scores_pass_the_threshold(network, make, bright):
    # Fast NMS finds class 2 with score 0.98, class 1 with 0.2, and both classes near 0.
    for iou, shown in [
        ((2.0, 0.15), [("fig", 0.2, 0.4), ("date", 0.98, 0.147)]),
        ((0.4, 0.15), [("date", 0.98, 0.147)]),
        ((9.0, 0.1), [("fig", 0.2, 1.8)]),
    ]:
        network.mask_iou_head = lambda masks, iou=iou: tf.tile([iou], [tf.shape(masks)[0], 1])
        rescoring = make(mask_rescoring=True)
        found = rescoring(bright, score_threshold=0.1)
        assert found.names == [name for name, _, _ in shown]
        np.testing.assert_allclose(found.scores, [score for _, score, _ in shown], atol=0.01)
        np.testing.assert_allclose(found.mask_scores, [score for _, _, score in shown], atol=0.01)
        assert [one["score"] for one in found.to_coco(1)] == found.mask_scores.tolist()
        assert rescoring(bright, score_threshold=0.1, max_detections=1).names == [shown[0][0]]
        ((_, _, evaluated),) = rescoring.detect([(0, bright)])
        assert (np.diff(evaluated["detection_scores"]) <= 0).all()


def test_paths_bytes_arrays_and_lists_mean_the_same(fake, bright, tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(bright).save(path)
    sources = [path, str(path), path.read_bytes(), bright]
    for found in [*fake(sources), *(fake(source) for source in sources)]:
        assert found.names == ["date"]
        np.testing.assert_array_equal(found.masks, fake(bright).masks)


@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_a_batch_equals_its_pictures_one_by_one(make, fake, bright, dark, batch_size):
    batched = make(batch_size)
    pictures = [bright, dark, bright[:20], dark[:, :7], bright]
    for one, found in zip(pictures, batched(pictures), strict=True):
        expected = fake(one)
        assert found.names == expected.names
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        np.testing.assert_array_equal(found.masks, expected.masks)


def test_an_empty_list_gives_an_empty_list(fake):
    assert fake([]) == []


def test_a_stream_reads_no_further_than_the_batch_that_it_needs(make, bright, dark):
    taken = []

    def endless():
        for index in itertools.count():
            taken.append(index)
            yield (bright, dark)[index % 2]

    found = make(batch_size=3).stream(endless())
    assert taken == []
    for index in range(5):
        assert next(found).names == (["date"], ["fig"])[index % 2]
        assert len(taken) == 3 * (index // 3 + 1)


def test_what_is_wrong_with_a_stream_is_said_where_it_is_met(fake, bright):
    with pytest.raises(ValueError, match="score_threshold is 2"):
        fake.stream([], score_threshold=2)
    found = fake.stream([bright, None])
    assert next(found).names == ["date"]
    with pytest.raises(TypeError, match="source is None"):
        next(found)


def test_pictures_of_any_size_trace_the_network_once(network, fake, bright, dark):
    fake([bright, dark, bright[:13]])
    assert len(network.calls) == 1


def test_raw_outputs_are_those_of_the_network(fake, network):
    images = np.random.default_rng(0).standard_normal((3, 64, 64, 3)).astype(np.float32)
    raw = fake.raw_outputs(images)
    assert {name: value.shape[0] for name, value in raw.items()} == dict.fromkeys(raw, 3)
    np.testing.assert_array_equal(raw["cls_outputs"], network(images, training=False)["cls_outputs"])


def test_one_bad_picture_of_a_list_is_named(fake, bright):
    buffer = io.BytesIO(b"no picture")
    with pytest.raises(ValueError, match="10 bytes: not a picture"):
        fake([bright, buffer.getvalue()])


def test_categories_of_another_number_are_refused(make):
    with pytest.raises(ValueError, match="2 classes without background, but there are 1 categories"):
        make(categories=categories.Categories((1,), ("fig",)))
