"""Every fault there is, in the order `make soak` goes through them."""

from collections.abc import Sequence

from tests.faults.crashes import CRASHES
from tests.faults.disks import DISKS
from tests.faults.faults import Fault

FAULTS: Sequence[Fault] = (CRASHES, DISKS)
