"""Another learning rate for some variables."""

import forks


def test_some_variables_move_as_with_an_optimizer_of_their_own_under_every_kind_of_it():
    forks.run_beside(__file__, "multiplied_replicas.py")
