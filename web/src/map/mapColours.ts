/** Colours of the map below the values, on a light and on a dark screen. */

export type Scheme = "light" | "dark";

export interface MapColours {
  beyond: string;
  land: string;
  polder: string;
  water: string;
  road: string;
  border: string;
  /** Places without the value that the map shows. */
  lacking: string;
  ink: string;
  halo: string;
  paper: string;
  accent: string;
}

export const MAP_COLOURS: Readonly<Record<Scheme, MapColours>> = {
  light: {
    beyond: "#e4eaee",
    land: "#f6f7f4",
    polder: "#e7efdf",
    water: "#a9cfe6",
    road: "#d3d5d2",
    border: "#b9c2c8",
    lacking: "#8b969e",
    ink: "#33424d",
    halo: "#ffffff",
    paper: "#ffffff",
    accent: "#0b1f2e",
  },
  dark: {
    beyond: "#0c1318",
    land: "#151e25",
    polder: "#16241f",
    water: "#1d4763",
    road: "#33404a",
    border: "#3c4a55",
    lacking: "#6b7985",
    ink: "#c4d0d9",
    halo: "#0c1318",
    paper: "#10181e",
    accent: "#ffffff",
  },
};
