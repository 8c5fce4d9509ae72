/** Themes of a city, in the order of the page. */

export const THEMES = ["environment", "mobility", "energy", "water", "climate", "device"] as const;

export type Theme = (typeof THEMES)[number];

/** Colours on a light and on a dark map, with a contrast of at least 3:1; they never show freshness. */
export const THEME_COLOURS: Readonly<Record<"light" | "dark", Readonly<Record<Theme, string>>>> = {
  light: {
    environment: "#1f7a4d",
    mobility: "#7b3fb5",
    energy: "#b45309",
    water: "#0369a1",
    climate: "#be185d",
    device: "#4b5563",
  },
  dark: {
    environment: "#4ade9b",
    mobility: "#c39bff",
    energy: "#fbb040",
    water: "#4cc2ff",
    climate: "#ff8fb8",
    device: "#b4bfcc",
  },
};

/** Keeps the known themes, once each, in the order of `THEMES`. */
export function themesOf(names: Iterable<string>): Theme[] {
  const given = new Set(names);
  return THEMES.filter((theme) => given.has(theme));
}
