"""A model of the smallest size, in a directory."""

import os

from official_yolact_runtime import categories

_MODEL = {
    "num_classes": 3,
    "class_prior": 0.0,
    "input_size": [64, 64],
    "backbone": {"resnet": {"model_id": 18, "depth_multiplier": 0.25}},
    "decoder": {"yolact_fpn": {"num_filters": 16}},
    "protonet": {"num_filters": 16, "num_prototypes": 4},
    "head": {"num_filters": 16},
}


def write(folder):
    """Write a directory as training leaves it, with initial weights and the classes fig and date; its name."""
    from official.core import train_utils
    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.configs import loading
    from official_yolact.importing import model_folder
    from official_yolact.modeling import factory

    folder = str(folder)
    params = loading.load_experiment("yolact_tiny_shapes", overrides=[str({"task": {"model": _MODEL}})])
    train_utils.serialize_config(params, folder)
    categories.Categories((3, 5), ("fig", "date")).save(os.path.join(folder, categories.FILE_NAME))
    model_folder.save_model(factory.build_model(params.task.model, seed=3), folder)
    return folder
