/**
 * Small images of the map, drawn by the browser: nothing is fetched for them.
 *
 * Alarms have a shape and a number for each priority, as ISA-101 wants: colour alone must not tell them apart.
 */

import type { Severity } from "../alarms/alarm";
import { SEVERITIES, SEVERITY_COLOURS } from "../alarms/alarm";
import { MAP_COLOURS, type Scheme } from "./mapColours";

/** In pixels of the screen, at two pixels of the image each. */
const SIZE = 26;
const RATIO = 2;

export const HATCH = "hatch";
export const DOUBTFUL = "doubtful";

/** Returns the name of the sign of an alarm; `well`: nothing is wrong now, so it is an outline in grey. */
export function alarmImage(severity: Severity, well: boolean): string {
  return `alarm-${severity}${well ? "-well" : ""}`;
}

/** Corners of the shapes, in a square of 26: those of the list, each with the number of its priority. */
export const ALARM_SHAPES: Readonly<Record<Severity, string>> = {
  critical: "M3 3H23V23H3Z",
  major: "M13 2 25 24H1Z",
  minor: "M13 1 25 13 13 25 1 13Z",
  warning: "M13 3A10 10 0 1 1 12.99 3Z",
};

/** The height of the number in each shape, from above. */
export const NUMBER_HEIGHTS: Readonly<Record<Severity, number>> = { critical: 17.7, major: 21, minor: 17.7, warning: 17.7 };

/** Returns the number of a priority: 1 is the most urgent. */
export function priorityOf(severity: Severity): number {
  return SEVERITIES.indexOf(severity) + 1;
}

/** How each image is drawn, by its name. */
const DRAWINGS: ReadonlyMap<string, { readonly size: number; readonly draw: (context: CanvasRenderingContext2D, scheme: Scheme) => void }> = new Map([
  ...SEVERITIES.flatMap((severity) =>
    [false, true].map((well) => {
      const draw = (context: CanvasRenderingContext2D, scheme: Scheme) => drawAlarm(context, severity, well, scheme);
      return [alarmImage(severity, well), { size: SIZE, draw }] as const;
    }),
  ),
  [HATCH, { size: 8, draw: drawHatch }],
  [DOUBTFUL, { size: SIZE, draw: drawDoubt }],
]);

/** The names of all images. */
export const IMAGES: readonly string[] = [...DRAWINGS.keys()];

/** Returns an image by its name; undefined for a name that is not ours. */
export function imageOf(name: string, scheme: Scheme): { image: ImageData; pixelRatio: number } | undefined {
  const drawing = DRAWINGS.get(name);
  return drawing && drawn(drawing.size, (context) => drawing.draw(context, scheme));
}

function drawn(size: number, draw: (context: CanvasRenderingContext2D) => void): { image: ImageData; pixelRatio: number } {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size * RATIO;
  const context = canvas.getContext("2d")!;
  context.scale(RATIO, RATIO);
  draw(context);
  return { image: context.getImageData(0, 0, canvas.width, canvas.height), pixelRatio: RATIO };
}

function drawAlarm(context: CanvasRenderingContext2D, severity: Severity, well: boolean, scheme: Scheme): void {
  const shape = new Path2D(ALARM_SHAPES[severity]);
  const { paper, ink } = MAP_COLOURS[scheme];
  context.lineJoin = "round";
  context.lineWidth = 2;
  context.fillStyle = well ? paper : SEVERITY_COLOURS[scheme][severity];
  context.strokeStyle = well ? ink : paper;
  context.fill(shape);
  context.stroke(shape);
  context.fillStyle = well ? ink : paper;
  context.font = "700 13px system-ui, sans-serif";
  context.textAlign = "center";
  context.fillText(String(priorityOf(severity)), SIZE / 2, NUMBER_HEIGHTS[severity]);
}

function drawHatch(context: CanvasRenderingContext2D, scheme: Scheme): void {
  context.strokeStyle = MAP_COLOURS[scheme].ink;
  context.globalAlpha = 0.55;
  context.lineWidth = 1.2;
  context.beginPath();
  for (const from of [-8, 0, 8]) {
    context.moveTo(from, 8);
    context.lineTo(from + 8, 0);
  }
  context.stroke();
}

function drawDoubt(context: CanvasRenderingContext2D, scheme: Scheme): void {
  const { ink, paper } = MAP_COLOURS[scheme];
  for (const [colour, width] of [[paper, 5], [ink, 2.4]] as const) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(4, 22);
    context.lineTo(22, 4);
    context.stroke();
  }
}
