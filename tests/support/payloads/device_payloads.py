"""Payloads as devices send them, byte for byte; our own. Checksums are dsmr-parser's, computed once."""

from __future__ import annotations

from ingest.decoding import DecodingContext
from twin.instant import parse_instant

RECEIVED = parse_instant("2026-10-25T00:30:03Z")
CONTEXT = DecodingContext(RECEIVED, "Europe/Amsterdam")

# The October night, 02:30 summer time; a dead slot, a gas meter on slot 2 and a water meter on slot 3.
DSMR_V5 = (
    b"/Ene5\\T211 ESMR 5.0\r\n\r\n"
    b"1-3:0.2.8(50)\r\n"
    b"0-0:1.0.0(261025023000S)\r\n"
    b"0-0:96.1.1(4530303632303030303132333435363738)\r\n"
    b"1-0:1.8.1(002310.125*kWh)\r\n"
    b"1-0:1.8.2(001702.250*kWh)\r\n"
    b"1-0:2.8.1(000120.000*kWh)\r\n"
    b"1-0:2.8.2(000321.500*kWh)\r\n"
    b"0-0:96.14.0(0001)\r\n"
    b"1-0:1.7.0(00.244*kW)\r\n"
    b"1-0:2.7.0(00.000*kW)\r\n"
    b"0-0:96.7.21(00006)\r\n"
    b"0-0:96.7.9(00003)\r\n"
    b"1-0:99.97.0(1)(0-0:96.7.19)(260301081500W)(0000004320*s)\r\n"
    b"1-0:32.32.0(00002)\r\n"
    b"1-0:32.36.0(00000)\r\n"
    b"0-0:96.13.0(48616C6C6F)\r\n"
    b"1-0:32.7.0(0231.4*V)\r\n"
    b"1-0:31.7.0(001*A)\r\n"
    b"1-0:21.7.0(00.244*kW)\r\n"
    b"1-0:22.7.0(00.000*kW)\r\n"
    b"0-1:24.1.0(003)\r\n"
    b"0-1:96.1.0()\r\n"
    b"0-1:24.2.1(700101010000W)(00000000)\r\n"
    b"0-2:24.1.0(003)\r\n"
    b"0-2:96.1.0(4730303339303031363532303530323136)\r\n"
    b"0-2:24.2.1(261025022500S)(01234.567*m3)\r\n"
    b"0-3:24.1.0(007)\r\n"
    b"0-3:96.1.0(5730303339303031363532303530323137)\r\n"
    b"0-3:24.2.1(261025021500S)(00321.000*m3)\r\n"
    b"!3305\r\n"
)

# A make that prints its checksum without leading zeros.
DSMR_V4_UNPADDED = (
    b"/KFM5KAIFA-METER\r\n\r\n"
    b"1-3:0.2.8(42)\r\n"
    b"0-0:1.0.0(260115120010W)\r\n"
    b"0-0:96.1.1(4530303033303030303030333031323137)\r\n"
    b"1-0:1.8.1(000100.001*kWh)\r\n"
    b"1-0:1.8.2(000200.002*kWh)\r\n"
    b"1-0:2.8.1(000000.000*kWh)\r\n"
    b"1-0:2.8.2(000000.000*kWh)\r\n"
    b"0-0:96.14.0(0002)\r\n"
    b"1-0:1.7.0(00.430*kW)\r\n"
    b"1-0:2.7.0(00.000*kW)\r\n"
    b"0-0:96.13.1()\r\n"
    b"0-0:96.13.0()\r\n"
    b"1-0:31.7.0(003*A)\r\n"
    b"0-1:24.1.0(003)\r\n"
    b"0-1:96.1.0(4730303332353631323831363736323133)\r\n"
    b"0-1:24.2.1(260115120000W)(00500.250*m3)\r\n"
    b"!22A\r\n"
)

# No version, no time of the telegram, no checksum; the gas value on a line of its own.
DSMR_V2 = (
    b"/ISk5\\2MT382-1004\r\n\r\n"
    b"0-0:96.1.1(00000000000000)\r\n"
    b"1-0:1.8.1(00001.001*kWh)\r\n"
    b"1-0:1.8.2(00002.002*kWh)\r\n"
    b"1-0:2.8.1(00000.000*kWh)\r\n"
    b"1-0:2.8.2(00000.000*kWh)\r\n"
    b"0-0:96.14.0(0001)\r\n"
    b"1-0:1.7.0(0001.01*kW)\r\n"
    b"1-0:2.7.0(0000.00*kW)\r\n"
    b"0-0:17.0.0(0999.00*kW)\r\n"
    b"0-0:96.3.10(1)\r\n"
    b"0-0:96.13.1()\r\n"
    b"0-0:96.13.0()\r\n"
    b"0-1:24.1.0(3)\r\n"
    b"0-1:96.1.0(000000000000)\r\n"
    b"0-1:24.3.0(261025020000)(00)(60)(1)(0-1:24.2.0)(m3)\r\n"
    b"(00101.010)\r\n"
    b"0-1:24.4.0(1)\r\n"
    b"!\r\n"
)

HOMEWIZARD_V1 = (
    b'{"wifi_ssid":"thuis","wifi_strength":86,"smr_version":50,"meter_model":"Landis + Gyr LGBBLB01000",'
    b'"unique_id":"4530303633303030313233","active_tariff":2,"total_power_import_kwh":4012.375,'
    b'"total_power_import_t1_kwh":2310.125,"total_power_import_t2_kwh":1702.25,'
    b'"total_power_export_kwh":441.5,"total_power_export_t1_kwh":120,"total_power_export_t2_kwh":321.5,'
    b'"active_power_w":-543,"active_power_l1_w":-543,"active_voltage_l1_v":231.4,"active_current_l1_a":-2.35,'
    b'"any_power_fail_count":4,"total_gas_m3":1234.567,"gas_timestamp":261025022500,'
    b'"gas_unique_id":"4730303339303031","external":[{"unique_id":"4730303339303031","type":"gas_meter",'
    b'"timestamp":261025022500,"value":1234.567,"unit":"m3"},{"unique_id":"5730303339303031",'
    b'"type":"water_meter","timestamp":261025021500,"value":321.0,"unit":"m3"}]}'
)

HOMEWIZARD_V2 = (
    b'{"protocol_version":50,"meter_model":"ISKRA 2M550T-101","unique_id":"4530303633303030313233",'
    b'"timestamp":"2026-10-25T02:30:00","tariff":2,"energy_import_kwh":4012.375,'
    b'"energy_import_t1_kwh":2310.125,"energy_import_t2_kwh":1702.25,"energy_export_kwh":441.5,'
    b'"power_w":612,"power_l1_w":612,"voltage_l1_v":230.1,"current_l1_a":2.66,"average_power_15m_w":580.0,'
    b'"monthly_power_peak_w":3100.0,"monthly_power_peak_timestamp":"2026-10-04T18:15:00",'
    b'"external":[{"unique_id":"5730303339303031","type":"water_meter",'
    b'"timestamp":"2026-10-25T02:15:00","value":321.0,"unit":"m3"}]}'
)

TTN = (
    b'{"end_device_ids":{"device_id":"eui-a81758fffe0512ab","application_ids":{"application_id":"alkmaar-lucht"},'
    b'"dev_eui":"A81758FFFE0512AB","dev_addr":"260B1F15"},"correlation_ids":["gs:uplink:01JDC"],'
    b'"received_at":"2026-10-25T00:30:02.500000001Z","uplink_message":{"session_key_id":"AZKj","f_port":2,'
    b'"frm_payload":"AQIDBA==","decoded_payload":{"pm2_5":8.25,"pm10":0,"air":{"temperature":11.5},'
    b'"charging":true,"status":"ok"},"rx_metadata":[{"gateway_ids":{"gateway_id":"kerk"},'
    b'"time":"2001-01-01T00:00:00Z","rssi":-112,"snr":-7.5},{"gateway_ids":{"gateway_id":"stadhuis"},'
    b'"rssi":-97}],"settings":{"frequency":"868500000","time":"2026-10-25T00:30:01.900Z"},'
    b'"received_at":"2026-10-25T00:30:02.123456789Z"}}'
)

CHIRPSTACK = (
    b'{"deduplicationId":"3ac7e3c4-4401-4b8d-9386-a5c902f9202d","time":"2026-10-25T00:30:02.775023242+00:00",'
    b'"deviceInfo":{"applicationName":"water","deviceName":"peil 3","devEui":"24E124713B123456"},'
    b'"devAddr":"00189440","dr":5,"fPort":85,"data":"AXVcA4IeAA==","object":{"battery":92,"distance":30},'
    b'"rxInfo":[{"gatewayId":"0016c001f153a14c","uplinkId":4217106255,"rssi":-101,"snr":6.5},'
    b'{"gatewayId":"0016c001f153a14d","uplinkId":4217106256,"rssi":-117}]}'
)

AIRROHR = (
    b'{"esp8266id":"1234567","software_version":"NRZ-2024-135","sensordatavalues":['
    b'{"value_type":"SDS_P1","value":"12.35"},{"value_type":"SDS_P2","value":"8.10"},'
    b'{"value_type":"temperature","value":"11.20"},{"value_type":"humidity","value":"81.00"},'
    b'{"value_type":"BME280_temperature","value":"12.04"},{"value_type":"BME280_pressure","value":"100780.25"},'
    b'{"value_type":"BME280_humidity","value":"nan"},{"value_type":"samples","value":"4812345"},'
    b'{"value_type":"interval","value":"145000"},{"value_type":"signal","value":"-71"}]}'
)

NATIVE = b'{"time":"2026-10-25T00:30:00Z","values":{"pm2_5":11.2,"no2":31}}'

SENML = (
    b'[{"bn":"urn:dev:mac:0024befffe804ff1:","bt":1792888200,"bu":"ug/m3","n":"pm2_5","v":11.2},'
    b'{"n":"humidity","u":"%RH","v":81,"t":-60},{"n":"door","vb":true},{"n":"status","vs":"ok"}]'
)

JSON_FIELDS = b'{"timestamp":1792888200,"air":{"pm2_5":"11.2"},"bins":[1,2],"name":"kade"}'

TOPICS_AND_PAYLOADS = {
    "native": ("livetwin/alkmaar/aq-overdie-1/observations", NATIVE),
    "senml": ("city/senml/aq-overdie-1", SENML),
    "ttn": ("v3/alkmaar-lucht@ttn/devices/eui-a81758fffe0512ab/up", TTN),
    "chirpstack": ("application/17c82e96/device/24e124713b123456/event/up", CHIRPSTACK),
    "dsmr": ("dsmr/gw-12/telegram", DSMR_V5),
    "homewizard": ("homewizard/gw-12/measurement", HOMEWIZARD_V1),
    "airrohr": ("airrohr/1234567", AIRROHR),
    "json_fields": ("city/any/kade-3", JSON_FIELDS),
}
"""One topic and payload for each decoder."""
