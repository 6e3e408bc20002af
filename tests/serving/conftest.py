"""A Predictor of a network that finds what it is told to."""

import fake_network
import numpy as np
import pytest

from official_yolact.modeling import detector
from official_yolact.serving import tensorflow_runtime
from official_yolact_runtime import categories
from official_yolact_runtime import predictor

CATEGORIES = categories.Categories((3, 5), ("fig", "date"))


@pytest.fixture
def network():
    return fake_network.FakeNetwork()


@pytest.fixture
def make(network):
    """Wrap the network for pictures in batches, with other categories or other fields of its section."""

    def wrap(batch_size=1, categories=CATEGORIES, **fields):
        wrapped = detector.Detector(network, fake_network.tiny_config().replace(**fields))
        return predictor.Predictor(tensorflow_runtime.TensorFlowRuntime(wrapped, batch_size), categories)

    return wrap


@pytest.fixture
def fake(make):
    return make()


@pytest.fixture
def bright():
    return np.full((48, 96, 3), 230, np.uint8)


@pytest.fixture
def dark():
    return np.full((100, 40, 3), 20, np.uint8)
