"""The weather of the city, the same for all entities, so that dependent values are consistent."""

from __future__ import annotations

from math import cos, pi

from simulators.truth.local_calendar import GeoPoint, sun_elevation_sine, year_phase
from simulators.truth.noise import noise_stream, smooth_noise
from simulators.truth.rain import Rain
from simulators.truth.scripted_events import NO_EVENTS, ScriptedEvents
from twin.instant import DAY, HOUR, MINUTE, Instant


class Weather:
    """Clouds, temperature, wind, pressure and humidity as functions of the instant."""

    def __init__(self, seed: int, place: GeoPoint, events: ScriptedEvents = NO_EVENTS) -> None:
        self.place = place
        self.events = events
        self.rain = Rain(seed, events.showers)
        self._cloud = noise_stream(seed, "cloud")
        self._warmth = noise_stream(seed, "warmth")
        self._wind = noise_stream(seed, "wind")
        self._direction = noise_stream(seed, "wind direction")
        self._pressure = noise_stream(seed, "pressure")

    def cloud(self, instant: Instant) -> float:
        """Return the cloud cover, 0 to 1."""
        slow = smooth_noise(self._cloud, instant / (9 * HOUR))
        fast = smooth_noise(self._cloud ^ 1, instant / (40 * MINUTE))
        return min(1.0, max(0.0, 0.62 + 0.5 * slow + 0.15 * fast))

    def sunshine(self, instant: Instant) -> float:
        """Return the irradiance on a horizontal surface, relative to 1,000 W/m2."""
        height = sun_elevation_sine(self.place, instant)
        return max(0.0, height) * (1.0 - 0.78 * self.cloud(instant))

    def season_temperature(self, instant: Instant) -> float:
        """Return the seasonal mean temperature in degrees Celsius; it is lowest in late January."""
        return 10.6 - 7.4 * cos(year_phase(instant - 32 * DAY))

    def temperature(self, instant: Instant) -> float:
        """Return the air temperature in degrees Celsius."""
        solar_hour = (instant % DAY) / HOUR + self.place.longitude / 15.0
        swing = 3.6 - 2.4 * self.cloud(instant - 2 * HOUR)
        day = swing * cos(2.0 * pi * (solar_hour - 14.5) / 24.0)
        spell = 4.5 * smooth_noise(self._warmth, instant / (60 * HOUR))
        return self.season_temperature(instant) + day + spell - self.events.cold.at(instant)

    def wind_speed(self, instant: Instant) -> float:
        """Return the wind speed at 10 m height in m/s."""
        slow = smooth_noise(self._wind, instant / (14 * HOUR))
        gust = smooth_noise(self._wind ^ 1, instant / (6 * MINUTE))
        return max(0.2, 5.0 + 3.8 * slow + 0.9 * gust)

    def wind_direction(self, instant: Instant) -> float:
        """Return the direction from which the wind comes, in degrees [0, 360); mostly south-west."""
        slow = smooth_noise(self._direction, instant / (30 * HOUR))
        fast = smooth_noise(self._direction ^ 1, instant / (10 * MINUTE))
        return (225.0 + 110.0 * slow + 12.0 * fast) % 360.0

    def pressure(self, instant: Instant) -> float:
        """Return the air pressure at sea level in hPa."""
        slow = smooth_noise(self._pressure, instant / (60 * HOUR))
        fast = smooth_noise(self._pressure ^ 1, instant / (8 * HOUR))
        return 1014.0 + 15.0 * slow + 2.5 * fast

    def humidity(self, instant: Instant) -> float:
        """Return the relative humidity in percent: high at night, in rain and under clouds."""
        warmer = self.temperature(instant) - self.season_temperature(instant)
        wet = min(1.0, self.rain.rate(instant))
        return min(99.5, max(28.0, 76.0 - 2.6 * warmer + 8.0 * self.cloud(instant) + 8.0 * wet))
