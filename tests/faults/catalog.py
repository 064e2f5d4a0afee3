"""Every fault there is, in the order `make soak` goes through them."""

from collections.abc import Sequence

from tests.faults.clocks import CLOCKS
from tests.faults.connections import CONNECTIONS
from tests.faults.crashes import CRASHES
from tests.faults.disks import DISKS
from tests.faults.faults import Fault
from tests.faults.kills import KILLS
from tests.faults.messages import MESSAGES_ARRIVE
from tests.faults.requests import REQUESTS
from tests.faults.versions import VERSIONS

FAULTS: Sequence[Fault] = (KILLS, CRASHES, CONNECTIONS, REQUESTS, DISKS, CLOCKS, VERSIONS, MESSAGES_ARRIVE)
