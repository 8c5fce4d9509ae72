/** Quantities as people read them: names of properties, units and numbers. */

/** UCUM codes whose usual sign differs from the code. */
const UNIT_SIGNS: Readonly<Record<string, string>> = {
  "1": "",
  "1/h": "per hour",
  "m/h": "m per hour",
  "ug/m3": "µg/m³",
  Cel: "°C",
  "dB[A]": "dB(A)",
  "dB[mW]": "dBm",
  deg: "°",
  m3: "m³",
  "m3/s": "m³/s",
};

const PROPERTY_NAMES: Readonly<Record<string, string>> = {
  pm1: "PM1",
  pm2_5: "PM2.5",
  pm10: "PM10",
  no2: "Nitrogen dioxide",
  o3: "Ozone",
  so2: "Sulphur dioxide",
  co2: "Carbon dioxide",
  vehicle_count: "Vehicles",
  bicycle_count: "Bicycles",
  pedestrian_count: "Pedestrians",
  lki: "Air quality index (LKI)",
  eaqi: "European air quality index",
  pm2_5_24h: "PM2.5, 24-hour mean",
  pm10_24h: "PM10, 24-hour mean",
  o3_8h: "Ozone, 8-hour mean",
  intensity_capacity_ratio: "Intensity to capacity",
  freeboard_share: "Freeboard left",
};

/** What the name of a value that is rolled up over an area begins with. */
const AREA_PREFIX = "area_";

export type Kind = "observed" | "indicator" | "area";

/** Returns whether a value is observed on an entity, an indicator of it, or rolled up over it. */
export function kindOf(property: string, observed: readonly string[]): Kind {
  if (observed.includes(property)) return "observed";
  return property.startsWith(AREA_PREFIX) ? "area" : "indicator";
}

/** What people look for first; the rest follows in the order in which it came, the device's health last. */
const FIRST = ["pm2_5", "noise_level", "traffic_flow", "water_level", "power_import", "wind_speed", "air_temperature"];
const LAST = ["battery_level", "signal_strength"];

/** Properties whose two values are states, not amounts. */
const STATE_NAMES: Readonly<Record<string, readonly [string, string]>> = { pump_state: ["Off", "On"] };

/** Making a format is slow: one for each number of decimals. */
const FORMATS = [0, 1, 2].map((decimals) => new Intl.NumberFormat("en", { maximumFractionDigits: decimals }));

/** Returns the usual sign of a UCUM unit; the code itself where none is known. */
export function unitSign(unit: string): string {
  return UNIT_SIGNS[unit] ?? unit;
}

/** Returns the name of an observed property in plain English. */
export function propertyName(property: string): string {
  if (property.startsWith(AREA_PREFIX)) return propertyName(property.slice(AREA_PREFIX.length));
  const known = PROPERTY_NAMES[property];
  if (known !== undefined) return known;
  const words = property.replace(/_l(\d)$/, " phase $1").replace(/_t(\d)$/, " tariff $1").replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Returns the number with two decimals below 10, one below 100 and none above. */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const text = FORMATS[size < 10 ? 2 : size < 100 ? 1 : 0]!.format(value);
  return text === "-0" ? "0" : text.replace("-", "\u2212");
}

/** Returns where a property stands among others: lower is sooner. */
export function rankOf(property: string): number {
  if (property.startsWith(AREA_PREFIX)) return 100 + rankOf(property.slice(AREA_PREFIX.length));
  const first = FIRST.indexOf(property);
  return first >= 0 ? first : FIRST.length + (LAST.includes(property) ? 1 : 0);
}

/** Returns value and unit in one text, a state by its name. */
export function quantityText(property: string, value: number, unit: string): string {
  const states = STATE_NAMES[property];
  const state = states?.[value];
  if (state !== undefined) return state;
  const sign = unitSign(unit);
  const space = sign === "" || sign === "°" ? "" : "\u202f";
  return `${numberText(value)}${space}${sign}`;
}
