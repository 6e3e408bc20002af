"""Requests that the description of the interface allows, and others: none is a fault of the server."""

import collections

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies

_NAMES = strategies.sampled_from(["small", "1", "other"])


@pytest.mark.parametrize("cases", [100, pytest.param(2000, marks=pytest.mark.rare)])
def test_no_request_is_a_fault_of_the_server(served, cases):
    schema = schemathesis.openapi.from_url(f"http://{served.address}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 12
    statuses = collections.Counter()
    right, wrong = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
    tried = [(one, right) for one in operations] + [(one, wrong) for one in operations if _can_be_wrong(one)]
    varied = sum(_takes_anything(one) for one, _ in tried)
    for operation, mode in tried:
        count = cases // varied + 1 if _takes_anything(operation) else 1
        _try(operation.as_strategy(generation_mode=mode), count, statuses)
    assert sum(statuses.values()) >= cases
    assert statuses[200] > 10
    assert {status for status in statuses if status >= 500} <= {503}


def _takes_anything(operation):
    return bool(_can_be_wrong(operation) or list(operation.path_parameters))


def _can_be_wrong(operation):
    return bool(list(operation.query) or list(operation.body))


def _try(strategy, count, statuses):
    @hypothesis.settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=strategy, name=_NAMES)
    def run(case, name):
        # A name that nobody has meets the model rarely enough.
        for key in {"name", "version"} & set(case.path_parameters or ()):
            case.path_parameters[key] = (
                {"name": name, "version": "1"}[key] if name != "other" else case.path_parameters[key]
            )
        response = case.call()
        statuses[response.status_code] += 1
        assert b"Traceback" not in response.content
        if response.status_code >= 400:
            assert list(response.json()) == ["error"], response.content

    run()
