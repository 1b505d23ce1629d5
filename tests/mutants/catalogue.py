"""All mutants."""

from tests.mutants.consensus import CONSENSUS
from tests.mutants.disks import DISKS
from tests.mutants.reconfiguration import RECONFIGURATION
from tests.mutants.requests import REQUESTS

MUTANTS = {mutant.name: mutant for mutant in (*CONSENSUS, *RECONFIGURATION, *REQUESTS, *DISKS)}
