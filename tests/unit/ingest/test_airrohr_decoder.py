"""The decoder of the Sensor.Community firmware."""

from __future__ import annotations

import json
import math

import pytest

from ingest.decoders.airrohr import DECODER
from ingest.decoding import PayloadError, Reading
from tests.support.payloads.device_payloads import AIRROHR, CONTEXT
from twin.quality.plausibility import QuarantineReason


def readings(*values: tuple[str, object]) -> dict[str, Reading]:
    items = [{"value_type": name, "value": value} for name, value in values]
    payload = json.dumps({"sensordatavalues": items}).encode()
    return {one.field: one for one in DECODER.decode("airrohr/1234567", payload, CONTEXT).readings}


def test_p1_is_pm10_and_p2_is_pm2_5_at_the_time_of_reception() -> None:
    decoded = DECODER.decode("airrohr/1234567", AIRROHR, CONTEXT)
    found = {one.field: one for one in decoded.readings}
    assert decoded.device == "1234567"
    assert found["pm10"] == Reading("pm10", 12.35, None, "ug/m3")
    assert found["pm2_5"] == Reading("pm2_5", 8.1, None, "ug/m3")
    assert found["SDS_P1"].value == 12.35
    assert all(reading.time is None for reading in decoded.readings)


def test_pressure_is_in_pascal() -> None:
    assert readings(("BME280_pressure", "100780.25"))["air_pressure"].unit == "Pa"


def test_of_two_thermometers_the_first_has_our_name_and_each_its_own() -> None:
    decoded = DECODER.decode("airrohr/1234567", AIRROHR, CONTEXT)
    found = {one.field: one.value for one in decoded.readings}
    assert (found["air_temperature"], found["temperature"], found["BME280_temperature"]) == (
        11.2,
        11.2,
        12.04,
    )


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("P1", "pm10"),
        ("PMS_P0", "pm1"),
        ("SPS30_P2", "pm2_5"),
        ("HTU21D_humidity", "relative_humidity"),
        ("BMP_pressure", "air_pressure"),
        ("DHT22_temperature", "air_temperature"),
        ("SCD30_co2_ppm", "co2"),
        ("noise_LAeq", "noise_level"),
        ("signal", "signal_strength"),
    ],
)
def test_every_sensor_prefix_has_our_names(name: str, ours: str) -> None:
    assert set(readings((name, "1"))) == {name, ours}


def test_a_value_of_another_meaning_keeps_its_own_name_only() -> None:
    assert set(readings(("SPS30_P4", "1"), ("BMP_pressure_sealevel", "1"))) == {
        "SPS30_P4",
        "BMP_pressure_sealevel",
    }


def test_particle_counts_are_not_concentrations() -> None:
    assert "pm10" not in readings(("durP1", "12"), ("ratioP1", "0.4"), ("P1", "620.1"))


def test_nan_is_returned_and_checked_later() -> None:
    assert math.isnan(readings(("SDS_P1", "nan"))["pm10"].value)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{}", QuarantineReason.MALFORMED),
        (b'{"sensordatavalues":{}}', QuarantineReason.MALFORMED),
        (b'{"sensordatavalues":[7]}', QuarantineReason.MALFORMED),
        (b'{"sensordatavalues":[{"value":"1"}]}', QuarantineReason.MALFORMED),
        (b'{"sensordatavalues":[{"value_type":"SDS_P1"}]}', QuarantineReason.MALFORMED),
        (b'{"sensordatavalues":[]}', QuarantineReason.NO_OBSERVATION),
    ],
)
def test_other_json_is_rejected(payload: bytes, reason: QuarantineReason) -> None:
    with pytest.raises(PayloadError) as caught:
        DECODER.decode("airrohr/1", payload, CONTEXT)
    assert caught.value.reason == reason
