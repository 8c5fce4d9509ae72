"""Faults that real devices have, each a seeded transformer of one device's reports in city time.

What happens in the sensor (`sensor`), in its clock (`clock`) and on the way (`way`) are stages of one chain
(`chain`), so faults compose. A plan (`plan`) says which device has which fault when; it is data, or drawn by
seed (`random_plan`). Nothing here knows MQTT: `wire` joins the chain to the virtual devices.
"""

from __future__ import annotations

from simulators.faults.delivery import Delivery, Reading, Report
from simulators.faults.fault import Fault, Stage
from simulators.faults.fault_chain import Chain, faulty
from simulators.faults.fault_plan import FaultPlanError, PlannedFault, faults_of, read_plan
from simulators.faults.random_plan import random_plan

__all__ = [
    "Chain",
    "Delivery",
    "Fault",
    "FaultPlanError",
    "PlannedFault",
    "Reading",
    "Report",
    "Stage",
    "faults_of",
    "faulty",
    "random_plan",
    "read_plan",
]
