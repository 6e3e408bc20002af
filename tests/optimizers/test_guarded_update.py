"""Updates that are made or left out, on one replica and two."""

import forks
import pytest


@pytest.mark.parametrize("replicas", ["1", "2"])
def test_clipping_loss_scale_and_average_follow_numpy(replicas):
    forks.run_beside(__file__, "guarded_replicas.py", replicas)
