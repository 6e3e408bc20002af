"""A network small enough to build in each test."""

import pytest
import small_network


@pytest.fixture(scope="session")
def build():
    """Build a model of six classes: build(seed, overrides of the configuration...)."""
    # Imported here: the tests of PyTorch files need no TensorFlow.
    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.configs import loading
    from official_yolact.modeling import factory

    def build_model(seed, *overrides):
        params = loading.load_experiment("yolact_tiny_shapes", [], [small_network.TERMS, *overrides])
        return factory.build_model(params.task.model, seed)

    return build_model
