"""All mutants."""

from tests.mutants.consensus import CONSENSUS
from tests.mutants.coordination import COORDINATION
from tests.mutants.disks import DISKS
from tests.mutants.reconfiguration import RECONFIGURATION
from tests.mutants.requests import REQUESTS

_ALL = (*CONSENSUS, *RECONFIGURATION, *REQUESTS, *DISKS, *COORDINATION)

MUTANTS = {mutant.name: mutant for mutant in _ALL}
