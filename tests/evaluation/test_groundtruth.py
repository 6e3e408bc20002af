import pytest

from official_yolact.evaluation import groundtruth


def test_ids_given_as_strings_are_integers_afterwards(content, write):
    for image in content["images"]:
        image["id"] = str(image["id"])
    content["annotations"][0]["image_id"] = "7"
    content["categories"][0]["id"] = "3"
    truth = groundtruth.load_groundtruth(write(content))
    assert list(truth.images) == [7, 8, 9]
    assert [a["image_id"] for a in truth.annotations] == [7, 7, 8]
    assert truth.categories.ids == (3, 5)


def test_annotation_ids_count_from_one(content, write):
    content["annotations"][2]["id"] = -4
    truth = groundtruth.load_groundtruth(write(content))
    assert [a["id"] for a in truth.annotations] == [1, 2, 3]


def test_a_missing_area_is_that_of_the_mask_or_else_of_the_box(content, write):
    del content["annotations"][0]["area"], content["annotations"][1]["area"]
    content["annotations"][0]["segmentation"] = {"size": [30, 40], "counts": [10, 17, 30 * 40 - 27]}
    content["annotations"][1].pop("segmentation")
    truth = groundtruth.load_groundtruth(write(content))
    assert [a["area"] for a in truth.annotations] == [17, 64, 144]


def test_annotations_of_unlisted_images_are_left_out_and_reported(content, write, caplog):
    content["annotations"][0]["image_id"] = 99
    truth = groundtruth.load_groundtruth(write(content))
    assert len(truth.annotations) == 2
    assert "1 annotations belong to images that it does not list: left out" in caplog.text


def test_a_file_without_segmentations_has_no_masks(content, write):
    for annotation in content["annotations"]:
        annotation["segmentation"] = []
    assert not groundtruth.load_groundtruth(write(content)).has_masks


def test_one_missing_segmentation_is_named(content, write):
    content["annotations"][1].pop("segmentation")
    truth = groundtruth.load_groundtruth(write(content))
    assert truth.has_masks
    with pytest.raises(ValueError, match="annotation 1: no segmentation"):
        _ = truth.mask_annotations


def test_masks_need_the_size_of_the_image(content, write):
    del content["images"][1]["height"]
    truth = groundtruth.load_groundtruth(write(content))
    with pytest.raises(ValueError, match="image 8 has height None and width 40"):
        _ = truth.mask_annotations


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda c: c.pop("images"), "no list 'images'"),
        (lambda c: c.update(annotations={}), "no list 'annotations'"),
        (lambda c: c.pop("categories"), "no list 'categories'"),
        (lambda c: c["images"].clear(), "images is empty"),
        (lambda c: c["images"].append(c["images"][0]), r"images\[3\]: id is 7"),
        (lambda c: c["images"][1].update(id="seven"), r"images\[1\]: id is 'seven': give an integer"),
        (lambda c: c["images"][1].update(id=7.5), r"images\[1\]: id is 7.5"),
        (lambda c: c["images"][1].update(id=True), r"images\[1\]: id is True"),
        (lambda c: c["categories"][0].pop("name"), r"categories\[0\] is .*: give it an id and a name"),
        (
            lambda c: c["annotations"][1].update(category_id=4),
            r"annotation 1: category_id is 4, which categories does not list \(it has \[3, 5\]\)",
        ),
        (lambda c: c["annotations"][1].pop("image_id"), "annotation 1: image_id is None"),
        (lambda c: c["annotations"][1].update(bbox=[1, 2, 3]), "annotation 1: bbox is"),
        (lambda c: c["annotations"][1].update(area=float("nan")), "annotation 1: area is nan"),
        (lambda c: c["annotations"].append(5), r"annotations\[3\] is 5"),
    ],
)
def test_malformed_files_are_refused_by_name(content, write, damage, says):
    damage(content)
    path = write(content)
    with pytest.raises(ValueError, match=says) as caught:
        groundtruth.load_groundtruth(path)
    assert str(caught.value).startswith(path)


def test_what_is_not_json_is_refused_by_name(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("<html>")
    with pytest.raises(ValueError, match=r"a\.json: not JSON"):
        groundtruth.load_groundtruth(str(path))
    with pytest.raises(FileNotFoundError):
        groundtruth.load_groundtruth(str(tmp_path / "none.json"))
