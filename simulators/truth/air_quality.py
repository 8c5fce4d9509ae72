"""Air quality and noise at an entity: emissions of traffic, dispersed by the wind."""

from __future__ import annotations

from math import log10

from simulators.truth.noise import noise_stream, smooth_noise, uniform_between
from simulators.truth.traffic import RoadTraffic
from simulators.truth.weather import Weather
from twin.instant import HOUR, MINUTE, Instant


class AirQuality:
    """Concentrations in ug/m3, and the sound level in dB(A), at one entity."""

    def __init__(self, seed: int, entity: str, weather: Weather, traffic: RoadTraffic) -> None:
        self._weather = weather
        self._traffic = traffic
        self._source = source = noise_stream(seed, "air", entity)
        self._region = noise_stream(seed, "air", "region")
        self._roadside = uniform_between(source, -1, 0.5, 1.4)
        self._smoke = uniform_between(source, -3, 0.85, 1.25)
        self._quiet_db = uniform_between(source, -2, 35.0, 43.0)

    def _stagnation(self, instant: Instant) -> float:
        return 1.0 / (1.0 + self._weather.wind_speed(instant) / 3.0)

    def pm2_5(self, instant: Instant) -> float:
        """Return PM2.5: of the region, of traffic, and of smoke in a scenario."""
        still = self._stagnation(instant)
        region = 7.0 + 5.0 * smooth_noise(self._region, instant / (20 * HOUR))
        local = 9.0 * self._roadside * self._traffic.load(instant) * still
        own = 0.8 * smooth_noise(self._source, instant / (12 * MINUTE))
        smoke = self._smoke * self._weather.events.smoke.at(instant)
        return max(0.3, region * (0.5 + still) + local + own) + smoke

    def pm1(self, instant: Instant) -> float:
        """Return PM1, a fixed share of PM2.5."""
        return 0.68 * self.pm2_5(instant)

    def pm10(self, instant: Instant) -> float:
        """Return PM10: PM2.5, and sea salt and sand with the wind."""
        salt = 0.9 * self._weather.wind_speed(instant)
        return (
            1.25 * self.pm2_5(instant)
            + 3.0
            + salt
            + 0.8 * smooth_noise(self._source ^ 1, instant / (15 * MINUTE))
        )

    def no2(self, instant: Instant) -> float:
        """Return nitrogen dioxide, mainly from exhaust gases."""
        still = self._stagnation(instant)
        own = 1.2 * smooth_noise(self._source ^ 2, instant / (10 * MINUTE))
        return max(
            0.5, 5.0 + 62.0 * self._roadside * self._traffic.load(instant) * still * 0.6 + 6.0 * still + own
        )

    def o3(self, instant: Instant) -> float:
        """Return ozone: produced by sunshine, consumed by exhaust gases."""
        produced = 48.0 + 70.0 * self._weather.sunshine(instant)
        return max(
            1.0,
            produced
            - 0.75 * self.no2(instant)
            + 3.0 * smooth_noise(self._source ^ 3, instant / (30 * MINUTE)),
        )

    def so2(self, instant: Instant) -> float:
        """Return sulphur dioxide, which is low nowadays."""
        return 1.4 + 0.6 * smooth_noise(self._source ^ 4, instant / (3 * HOUR))

    def co2(self, instant: Instant) -> float:
        """Return carbon dioxide in ppm."""
        return 424.0 + 40.0 * self._traffic.load(instant) * self._stagnation(instant)

    def noise(self, instant: Instant) -> float:
        """Return the sound level: ten times the traffic adds ten decibels."""
        sway = 1.5 * smooth_noise(self._source ^ 5, instant / (2 * MINUTE))
        return self._quiet_db + 10.0 * log10(1.0 + self._traffic.flow(instant) / 12.0) + sway
