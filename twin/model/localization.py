"""Labels, numbers, units and times as text for people, in both languages of the city."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from zoneinfo import ZoneInfo

from twin.indicators.registry import REGISTRY
from twin.instant import DAY, HOUR, MINUTE, SECOND, Duration, Instant, to_datetime
from twin.model.bilingual_text import BilingualText, Language
from twin.model.names import AREA_PREFIX

_LABELS: Mapping[str, BilingualText] = MappingProxyType(
    {
        "pm1": BilingualText("PM1", "PM1"),
        "pm2_5": BilingualText("PM2.5", "PM2,5"),
        "pm10": BilingualText("PM10", "PM10"),
        "no2": BilingualText("nitrogen dioxide", "stikstofdioxide"),
        "o3": BilingualText("ozone", "ozon"),
        "so2": BilingualText("sulphur dioxide", "zwaveldioxide"),
        "co2": BilingualText("carbon dioxide", "kooldioxide"),
        "air_temperature": BilingualText("air temperature", "luchttemperatuur"),
        "water_temperature": BilingualText("water temperature", "watertemperatuur"),
        "relative_humidity": BilingualText("relative humidity", "relatieve luchtvochtigheid"),
        "air_pressure": BilingualText("air pressure", "luchtdruk"),
        "noise_level": BilingualText("noise level", "geluidsniveau"),
        "wind_speed": BilingualText("wind speed", "windsnelheid"),
        "wind_direction": BilingualText("wind direction", "windrichting"),
        "rainfall": BilingualText("rainfall", "neerslag"),
        "vehicle_count": BilingualText("number of vehicles", "aantal voertuigen"),
        "bicycle_count": BilingualText("number of bicycles", "aantal fietsen"),
        "pedestrian_count": BilingualText("number of pedestrians", "aantal voetgangers"),
        "traffic_flow": BilingualText("traffic flow", "verkeersintensiteit"),
        "vehicle_speed": BilingualText("vehicle speed", "snelheid van voertuigen"),
        "power_import": BilingualText("power drawn", "afgenomen vermogen"),
        "power_export": BilingualText("power fed in", "teruggeleverd vermogen"),
        "energy_import": BilingualText("energy drawn", "afgenomen energie"),
        "energy_export": BilingualText("energy fed in", "teruggeleverde energie"),
        "voltage_l1": BilingualText("voltage of phase 1", "spanning van fase 1"),
        "voltage_l2": BilingualText("voltage of phase 2", "spanning van fase 2"),
        "voltage_l3": BilingualText("voltage of phase 3", "spanning van fase 3"),
        "current_l1": BilingualText("current of phase 1", "stroom van fase 1"),
        "current_l2": BilingualText("current of phase 2", "stroom van fase 2"),
        "current_l3": BilingualText("current of phase 3", "stroom van fase 3"),
        "gas_volume": BilingualText("gas volume", "gasvolume"),
        "water_volume": BilingualText("water volume", "watervolume"),
        "water_level": BilingualText("water level", "waterstand"),
        "water_flow": BilingualText("water flow", "waterafvoer"),
        "pump_state": BilingualText("pump state", "stand van de pomp"),
        "battery_level": BilingualText("battery level", "batterijniveau"),
        "signal_strength": BilingualText("signal strength", "signaalsterkte"),
    }
)
"""Labels of built-in properties. Indicators have their own title; a city's properties show their name."""

_SYMBOLS: Mapping[str, str] = MappingProxyType(
    {"1": "", "1/h": "/h", "ug/m3": "µg/m³", "Cel": "°C", "dB[A]": "dB(A)", "dB[mW]": "dBm", "deg": "°",
     "m3": "m³", "m3/s": "m³/s"}
)  # fmt: skip
"""The usual symbols of UCUM codes, where the two differ."""

_MONTHS: Mapping[Language, tuple[str, ...]] = MappingProxyType(
    {
        "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September",
               "October", "November", "December"),
        "nl": ("januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus", "september",
               "oktober", "november", "december"),
    }
)  # fmt: skip


def display_name(name: str, language: Language) -> str:
    """Return the label of a property, an indicator or a roll-up.

    >>> display_name("water_level", "nl"), display_name("area_pm2_5", "en"), display_name("duck_count", "en")
    ('waterstand', 'PM2.5 of the area', 'duck count')
    """
    if name.startswith(AREA_PREFIX):
        return display_name(name.removeprefix(AREA_PREFIX), language) + (
            " of the area" if language == "en" else " van het gebied"
        )
    indicator = REGISTRY.get(name)
    text = indicator.title if indicator is not None else _LABELS.get(name)
    if text is None:
        return name.replace("_", " ")
    return text.in_language(language)


def unit_symbol(unit: str) -> str:
    """Return the usual symbol of a UCUM unit; the code itself where none is known."""
    return _SYMBOLS.get(unit, unit)


DIGITS = 4
"""The significant digits of numbers that people read, where two of them need not be told apart."""


def format_number(value: float, language: Language = "en", digits: int = DIGITS) -> str:
    """Return a number rounded to significant digits, or from 1,000 on to as many fewer decimals.

    >>> (format_number(0.123456), format_number(1234.5), format_number(-0.0), format_number(7.0),
    ...  format_number(-0.39, "nl"), format_number(1234.56, digits=5))
    ('0.1235', '1234', '0', '7', '-0,39', '1234.6')
    """
    text = f"{value:.{digits}g}" if abs(value) < 1000 else f"{value:.{digits - DIGITS}f}"
    text = "0" if text == "-0" else text
    return text.replace(".", ",") if language == "nl" else text


def format_quantity(value: float, unit: str, language: Language, digits: int = DIGITS) -> str:
    """Return a value with its unit; `digits` as in `format_number`.

    >>> format_quantity(12.5, "ug/m3", "nl"), format_quantity(3, "1", "en"), format_quantity(81, "%", "en")
    ('12,5 µg/m³', '3', '81%')
    """
    symbol = unit_symbol(unit)
    return format_number(value, language, digits) + (symbol if symbol in ("", "%", "°") else f" {symbol}")


def format_local_time(instant: Instant, timezone: str, language: Language) -> str:
    """Return the local time of the city, to the minute.

    >>> format_local_time(0, "Europe/Amsterdam", "en"), format_local_time(0, "Europe/Amsterdam", "nl")
    ('01:00 on 1 January 1970', '1 januari 1970 om 01:00')
    """
    local = to_datetime(instant).astimezone(ZoneInfo(timezone))
    day = f"{local.day} {_MONTHS[language][local.month - 1]} {local.year}"
    return f"{local:%H:%M} on {day}" if language == "en" else f"{day} om {local:%H:%M}"


def format_duration(duration: Duration) -> str:
    """Return a duration as text, equal in both languages; truncated to whole seconds.

    >>> [format_duration(one) for one in (HOUR, 90 * MINUTE, 30 * SECOND, 2 * DAY + 3 * HOUR)]
    ['1 h', '1 h 30 min', '30 s', '2 d 3 h']
    """
    parts = []
    for size, abbreviation in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s")):
        count, duration = divmod(duration, size)
        if count:
            parts.append(f"{count} {abbreviation}")
    return " ".join(parts) or "0 s"
