"""Rules that need one exact situation: each has a test that makes it, which is run here."""

import pytest

from tests.integration.node.test_watches import (
    test_a_watch_ends_at_a_snapshot_whose_history_begins_later,
)
from tests.paper.test_lost_disk import test_a_node_without_a_past_elects_nobody_who_has_a_log
from tests.paper.test_reads import (
    test_a_follower_that_went_on_to_a_later_term_vouches_for_nothing,
    test_a_follower_vouches_for_nothing_but_its_own_reads,
)
from tests.unit.transport.test_admission import test_nor_while_another_introduction_is_undecided

RULES = (
    test_a_node_without_a_past_elects_nobody_who_has_a_log,
    test_a_follower_that_went_on_to_a_later_term_vouches_for_nothing,
    test_a_follower_vouches_for_nothing_but_its_own_reads,
    test_nor_while_another_introduction_is_undecided,
    test_a_watch_ends_at_a_snapshot_whose_history_begins_later,
)


def keep_to(seed: int) -> None:
    """Each seed is one of the tests."""
    try:
        RULES[(seed - 1) % len(RULES)]()
    except pytest.fail.Exception as failure:  # which is no ``Exception``
        raise AssertionError(str(failure)) from failure
