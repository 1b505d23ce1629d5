"""A sample of the mutants is found; `make mutants` hunts all of them."""

import pytest

from kvorum.raft import quorum, replication, state
from tests.mutants.__main__ import main, row
from tests.mutants.catalogue import MUTANTS
from tests.mutants.hunt import SEEDS_MAX, Endless, Verdict, fails, hunt, limited
from tests.mutants.mutant import Edit, Mutant, planted

SAMPLE = (
    "two-votes-in-a-term",
    "own-vote-not-synced",
    "commits-the-unchecked",
    "match-from-sent",
    "learner-counted",
    "pre-vote-off",
    "check-quorum-off",
    "transfer-without-catching-up",
    "state-hash-not-compared",
    "queue-by-key",
    "no-past-and-a-vote",
    "judged-while-undecided",
)
HARMLESS = Mutant(
    "harmless",
    "nothing is different",
    ("disruption",),
    (Edit(quorum, "majority", "return voters // 2 + 1", "return 1 + voters // 2"),),
)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_mutant_is_found(name: str) -> None:
    verdict = hunt(MUTANTS[name])
    assert verdict.kit
    assert verdict.seeds <= SEEDS_MAX


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_changes_what_is_there(name: str) -> None:
    """The text that it replaces is in the package; and afterwards it is again."""
    before = [vars(edit.owner)[edit.name] for edit in MUTANTS[name].edits]
    with planted(MUTANTS[name]):
        during = [vars(edit.owner)[edit.name] for edit in MUTANTS[name].edits]
    after = [vars(edit.owner)[edit.name] for edit in MUTANTS[name].edits]
    assert before == after
    assert not set(map(id, before)) & set(map(id, during))


def test_a_change_is_seen_by_whoever_imported_the_function() -> None:
    original = quorum.electorates_of
    assert vars(state)["electorates_of"] is original
    with planted(MUTANTS["joint-counted-once"]):
        assert vars(state)["electorates_of"] is quorum.electorates_of is not original
    assert vars(state)["electorates_of"] is original


def test_text_that_is_not_there_is_an_error() -> None:
    wrong = Mutant("wrong", "", (), (Edit(replication, "lead", "no such text", ""),))
    with pytest.raises(ValueError, match="0 times"), planted(wrong):
        pass


def test_a_mutant_that_changes_nothing_survives() -> None:
    verdict = Verdict("harmless")
    assert [fails(HARMLESS, "disruption", seed) for seed in range(1, 7)] == [""] * 6
    assert "SURVIVES" in row(verdict)


def test_a_run_without_end_is_noticed() -> None:
    with pytest.raises(Endless), limited(1):
        _never_end()


def _never_end() -> None:
    while True:
        pass


def test_the_names_of_mutants_are_checked() -> None:
    with pytest.raises(SystemExit, match="no such mutant: nobody"):
        main(["nobody"])


def test_there_are_enough_of_them() -> None:
    assert len(MUTANTS) >= 30
