"""Which published model a state dict is: told by tensors, file name and person, in this order of need."""

import pytest

from official_yolact import registry_imports  # noqa: F401  fills the registries
from official_yolact.importing import recognition

UNIQUE = {
    "yolact_resnet50_coco": ("resnet50", 3, 81, False),
    "yolact_darknet53_coco": ("darknet53", 3, 81, False),
    "yolact_resnet50_pascal": ("resnet50", 3, 21, False),
    "yolact_plus_resnet50_coco": ("resnet50", 9, 81, True),
    "yolact_plus_resnet101_coco": ("resnet101", 9, 81, True),
}


@pytest.mark.parametrize("experiment", UNIQUE)
def test_tensors_tell_most_models(experiment, original_keys):
    tensors = original_keys.zeros(original_keys.detector(*UNIQUE[experiment]))
    found = recognition.recognize("weights.pth", tensors)
    assert (found.experiment, found.how) == (experiment, "the tensors")
    assert found.traits.num_classes == UNIQUE[experiment][2]


@pytest.mark.parametrize(
    ("file", "experiment"),
    [
        ("yolact_base_54_800000.pth", "yolact_resnet101_coco"),
        ("yolact_im700_54_800000.pth", "yolact_im700_coco"),
        ("yolact_im400_54_800000.pth", "yolact_im400_coco"),
        ("some/where/yolact_base_10_20000_interrupt.pth", "yolact_resnet101_coco"),
    ],
)
def test_the_file_s_name_tells_the_three_resnet101_apart(file, experiment, original_keys):
    tensors = original_keys.zeros(original_keys.detector("resnet101"))
    found = recognition.recognize(file, tensors)
    assert (found.experiment, found.how) == (experiment, "the file's name")


@pytest.mark.parametrize("name", ["yolact_im700", "yolact_im700_coco", "yolact_im700_config"])
def test_a_person_s_word_goes_before_the_file_s_name(name, original_keys):
    tensors = original_keys.zeros(original_keys.detector("resnet101"))
    assert recognition.recognize("yolact_base_54_800000.pth", tensors, name).experiment == "yolact_im700_coco"


def test_without_a_name_the_three_are_listed(original_keys):
    tensors = original_keys.zeros(original_keys.detector("resnet101"))
    with pytest.raises(ValueError, match=r"yolact_resnet101_coco.*yolact_im700_coco.*--model"):
        recognition.recognize("weights.pth", tensors)


def test_a_name_that_the_tensors_contradict_is_refused(original_keys):
    tensors = original_keys.zeros(original_keys.detector("resnet50"))
    with pytest.raises(
        ValueError, match=r"--model yolact_base says yolact_resnet101_coco.*resnet50, 3 anchors"
    ):
        recognition.recognize("weights.pth", tensors, "yolact_base")
    with pytest.raises(ValueError, match=r"the file's name says yolact_darknet53_coco"):
        recognition.recognize("yolact_darknet53_54_800000.pth", tensors)


def test_classes_of_one_s_own_leave_the_anchors_open(original_keys):
    tensors = original_keys.zeros(original_keys.detector("resnet50", num_classes=4))
    with pytest.raises(
        ValueError, match=r"4 classes.*yolact_resnet50_coco or yolact_resnet50_pascal.*--model"
    ):
        recognition.recognize("mine_10_2000.pth", tensors)
    found = recognition.recognize("mine_10_2000.pth", tensors, "yolact_resnet50")
    assert (found.experiment, found.traits.num_classes) == ("yolact_resnet50_coco", 4)
    plus = original_keys.zeros(original_keys.detector("resnet50", 9, 4, plus=True))
    assert recognition.recognize("mine.pth", plus).experiment == "yolact_plus_resnet50_coco"


@pytest.mark.parametrize(
    ("backbone", "experiment"),
    [
        ("resnet50", "yolact_resnet50_coco"),
        ("resnet101", "yolact_resnet101_coco"),
        ("darknet53", "yolact_darknet53_coco"),
    ],
)
def test_a_backbone_alone_is_one(backbone, experiment, original_keys):
    shapes = original_keys.darknet() if backbone == "darknet53" else original_keys.resnet(int(backbone[6:]))
    tensors = original_keys.zeros((f"backbone.{key}", shape) for key, shape in shapes)
    found = recognition.recognize("weights.pth", tensors)
    assert (found.experiment, found.traits.is_detector) == (experiment, False)
    with pytest.raises(ValueError, match=rf"is a {backbone} backbone, but .* is built on"):
        recognition.recognize(
            "w.pth", tensors, "yolact_base" if backbone != "resnet101" else "yolact_resnet50"
        )


def test_what_is_no_yolact_is_said(original_keys):
    with pytest.raises(ValueError, match="holds no backbone: known are ResNet-50"):
        recognition.recognize("w.pth", {})
    small = {
        key: value
        for key, value in original_keys.zeros(original_keys.detector("resnet50")).items()
        if ".3." not in key
    }
    with pytest.raises(ValueError, match=r"stages of \[3, 3, 5\] blocks"):
        recognition.recognize("w.pth", small)
    tensors = original_keys.zeros(original_keys.detector("resnet50"))
    with pytest.raises(ValueError, match="unknown experiment 'yolact_bass'"):
        recognition.recognize("w.pth", tensors, "yolact_bass")
    del tensors["proto_net.10.weight"]
    with pytest.raises(ValueError, match=r"no 4-D tensor proto_net\.10\.weight"):
        recognition.recognize("w.pth", tensors)


def test_the_original_s_published_sum_is_known():
    assert set(recognition.PUBLISHED_SUMS.values()) == {"yolact_resnet50_54_800000.pth"}
    assert all(len(digest) == 64 for digest in recognition.PUBLISHED_SUMS)
