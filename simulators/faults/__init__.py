"""Faults that real devices have, each a seeded transformer of one device's reports in city time.

What happens in the sensor (`sensor`), in its clock (`clock`) and on the way (`way`) are stages of one chain
(`chain`), so faults compose. A plan (`plan`) says which device has which fault when; it is data, or drawn by
seed (`random_fault_plan`). Nothing here knows MQTT: `wire` joins the chain to the virtual devices.
"""

from __future__ import annotations

from simulators.faults.delivery import DeviceReading, DeviceReport, ReportDelivery
from simulators.faults.fault import DeviceFault, FaultStage
from simulators.faults.fault_chain import FaultChain, apply_faults
from simulators.faults.fault_plan import (
    FaultPlanError,
    PlannedFault,
    faults_for_sensor,
    random_fault_plan,
    read_fault_plan,
)

__all__ = [
    "DeviceFault",
    "DeviceReading",
    "DeviceReport",
    "FaultChain",
    "FaultPlanError",
    "FaultStage",
    "PlannedFault",
    "ReportDelivery",
    "apply_faults",
    "faults_for_sensor",
    "random_fault_plan",
    "read_fault_plan",
]
