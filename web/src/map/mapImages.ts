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

export function alarmImage(severity: Severity): string {
  return `alarm-${severity}`;
}

/** Corners of the shapes, in a square of 26: square, triangle, triangle on its point; a warning is a disc. */
export const ALARM_SHAPES: Readonly<Record<Severity, string>> = {
  critical: "M3 3H23V23H3Z",
  major: "M13 2 25 24H1Z",
  minor: "M1 2H25L13 24Z",
  warning: "M13 3A10 10 0 1 1 12.99 3Z",
};

/** The height of the number in each shape, from above. */
export const NUMBER_HEIGHTS: Readonly<Record<Severity, number>> = { critical: 18, major: 21, minor: 14, warning: 17.5 };

/** Returns an image by its name; undefined for a name that is not ours. */
export function imageOf(name: string, scheme: Scheme): { image: ImageData; pixelRatio: number } | undefined {
  const severity = SEVERITIES.find((one) => alarmImage(one) === name);
  if (severity !== undefined) return drawn(SIZE, (context) => drawAlarm(context, severity, scheme));
  if (name === HATCH) return drawn(8, (context) => drawHatch(context, scheme));
  if (name === DOUBTFUL) return drawn(SIZE, (context) => drawDoubt(context, scheme));
  return undefined;
}

function drawn(size: number, draw: (context: CanvasRenderingContext2D) => void): { image: ImageData; pixelRatio: number } {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size * RATIO;
  const context = canvas.getContext("2d")!;
  context.scale(RATIO, RATIO);
  draw(context);
  return { image: context.getImageData(0, 0, canvas.width, canvas.height), pixelRatio: RATIO };
}

function drawAlarm(context: CanvasRenderingContext2D, severity: Severity, scheme: Scheme): void {
  const shape = new Path2D(ALARM_SHAPES[severity]);
  const { paper } = MAP_COLOURS[scheme];
  context.lineJoin = "round";
  context.lineWidth = 2;
  context.fillStyle = SEVERITY_COLOURS[scheme][severity];
  context.strokeStyle = paper;
  context.fill(shape);
  context.stroke(shape);
  context.fillStyle = paper;
  context.font = "700 13px system-ui, sans-serif";
  context.textAlign = "center";
  context.fillText(String(SEVERITIES.indexOf(severity) + 1), SIZE / 2, NUMBER_HEIGHTS[severity]);
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
