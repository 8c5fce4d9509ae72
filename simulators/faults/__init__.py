"""Faults of real devices, each a seeded transformation of the reports of one device, in city time.

Faults of the sensor, of its clock and of the network are stages of one chain (`fault`), so they
compose. A plan (`fault_plan`) assigns faults to devices and times; it comes from a file or from a seed.
`faulty_device` applies a chain to a virtual device. Nothing here may know MQTT.
"""

from __future__ import annotations

from simulators.faults.fault import (
    DeviceFault,
    DeviceReading,
    DeviceReport,
    FaultChain,
    FaultStage,
    ReportDelivery,
    apply_faults,
)
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
