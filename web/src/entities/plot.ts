/** Draws the chart of a value: means with their band, what it is compared with, and the limits of rules. */

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { SEVERITY_COLOURS } from "../alarms/alarm";
import { numberText, timeText } from "../language/format";
import { language } from "../language/language.svelte";
import type { Limit } from "./limits";
import { quantityText } from "./quantity";
import type { ValueSeries } from "./valueSeries";

const HEIGHT = 200;
/** Values up to this number are drawn as dots too. */
const DOTS_MAX = 60;
/** A selection that is narrower, in pixels, is a click. */
const SELECTION_MIN = 6;
const DAY_S = 86_400;
const MEAN = 3;
const OTHER = 4;

/** What a value is compared with; times in epoch seconds. */
export interface Compared {
  readonly times: readonly number[];
  readonly values: readonly (number | null)[];
}

export interface Drawing {
  readonly series: ValueSeries;
  readonly compared: Compared | undefined;
  readonly limits: readonly Limit[];
  /** Epoch milliseconds. */
  readonly start: number;
  readonly end: number;
}

export interface PlotListener {
  /** The text of the reading under the pointer, or "". */
  point(text: string): void;
  /** A part was selected, in epoch milliseconds. */
  zoom(start: number, end: number): void;
}

export class Plot {
  readonly #plot: uPlot;
  readonly #resized: ResizeObserver;
  readonly #container: HTMLElement;
  #limits: readonly Limit[] = [];

  constructor(container: HTMLElement, property: string, unit: string, listener: PlotListener) {
    this.#container = container;
    const line = colourOf(container, "--theme") || colourOf(container, "--twin-accent");
    const ink = colourOf(container, "--twin-ink-soft");
    const { timezone } = language;
    const axis: uPlot.Axis = {
      stroke: ink,
      font: "12px system-ui, sans-serif",
      grid: { stroke: colourOf(container, "--twin-line"), width: 1 },
      ticks: { show: false },
    };
    const edge: uPlot.Series = { stroke: "transparent", width: 0, points: { show: false }, spanGaps: false };
    this.#plot = new uPlot(
      {
        width: container.clientWidth,
        height: HEIGHT,
        padding: [10, 22, 0, 0],
        ...(timezone === undefined ? {} : { tzDate: (time: number) => uPlot.tzDate(new Date(time * 1000), timezone) }),
        cursor: { y: false, drag: { x: true, y: false, setScale: false }, points: { size: 7 } },
        legend: { show: false },
        hooks: {
          setCursor: [(plot) => listener.point(readingOf(plot, property, unit))],
          setSelect: [(plot) => this.#select(plot, listener)],
          draw: [(plot) => this.#drawLimits(plot)],
        },
        scales: { x: { time: true } },
        axes: [
          { ...axis, values: (plot, times) => times.map((time) => tickText(time, plot)), space: 64, size: 26 },
          { ...axis, size: 50, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : numberText(tick))) },
        ],
        bands: [{ series: [1, 2], fill: `color-mix(in srgb, ${line} 22%, transparent)` }],
        series: [
          {},
          edge,
          edge,
          {
            stroke: line,
            width: 1.75,
            // A few values make no visible line: each is drawn as a dot.
            points: { show: (_, __, from, to) => to - from < DOTS_MAX, size: 5, fill: line },
            spanGaps: false,
          },
          { stroke: ink, width: 1.5, dash: [5, 4], points: { show: false }, spanGaps: false },
        ],
      },
      [[], [], [], [], []],
      container,
    );
    this.#resized = new ResizeObserver(() => this.#plot.setSize({ width: container.clientWidth, height: HEIGHT }));
    this.#resized.observe(container);
  }

  show({ series, compared, limits, start, end }: Drawing): void {
    this.#limits = limits;
    const own: uPlot.AlignedData = [series.times, series.highs, series.lows, series.means];
    const other: uPlot.AlignedData = compared === undefined ? [series.times, series.times.map(() => null)] : [[...compared.times], [...compared.values]];
    // Lines go on over times that only the other one has; gaps, which are null, stay.
    this.#plot.setData(uPlot.join([own, other]), false);
    const [bottom, top] = heightOf(series, compared, limits);
    this.#plot.batch(() => {
      this.#plot.setScale("x", { min: start / 1000, max: end / 1000 });
      this.#plot.setScale("y", { min: bottom, max: top });
    });
  }

  /** Returns the chart as a PNG, with a title above and a line of text below it. */
  picture(title: string, footer: string): Promise<Blob | null> {
    const { canvas } = this.#plot.ctx;
    const ratio = devicePixelRatio;
    const margin = 28 * ratio;
    const picture = document.createElement("canvas");
    picture.width = canvas.width;
    picture.height = canvas.height + 2 * margin;
    const context = picture.getContext("2d")!;
    context.fillStyle = colourOf(this.#container, "--twin-paper") || "white";
    context.fillRect(0, 0, picture.width, picture.height);
    context.drawImage(canvas, 0, margin);
    context.fillStyle = colourOf(this.#container, "--twin-ink");
    context.textBaseline = "middle";
    context.font = `600 ${14 * ratio}px system-ui, sans-serif`;
    context.fillText(title, 8 * ratio, margin / 2, picture.width - 16 * ratio);
    context.font = `${11 * ratio}px system-ui, sans-serif`;
    context.fillText(footer, 8 * ratio, picture.height - margin / 2, picture.width - 16 * ratio);
    return new Promise((resolve) => picture.toBlob(resolve, "image/png"));
  }

  destroy(): void {
    this.#resized.disconnect();
    this.#plot.destroy();
  }

  #select(plot: uPlot, listener: PlotListener): void {
    const { left, width } = plot.select;
    if (width < SELECTION_MIN) return;
    const time = (at: number) => plot.posToVal(at, "x") * 1000;
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    listener.zoom(time(left), time(left + width));
  }

  /** A limit is a dashed line with its name; a thin one stands where it ends again. */
  #drawLimits(plot: uPlot): void {
    const { ctx, bbox } = plot;
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (const { severity, level, clear } of this.#limits) {
      ctx.strokeStyle = ctx.fillStyle = SEVERITY_COLOURS[dark ? "dark" : "light"][severity];
      const line = (value: number, width: number, dash: number[]) => {
        const y = Math.round(plot.valToPos(value, "y", true));
        ctx.lineWidth = width * ratio;
        ctx.setLineDash(dash.map((one) => one * ratio));
        ctx.beginPath();
        ctx.moveTo(bbox.left, y);
        ctx.lineTo(bbox.left + bbox.width, y);
        ctx.stroke();
        return y;
      };
      const y = line(level, 1.5, [8, 4]);
      if (clear !== undefined) line(clear, 1, [2, 4]);
      ctx.font = `600 ${11 * ratio}px system-ui, sans-serif`;
      ctx.textAlign = "right";
      ctx.textBaseline = "bottom";
      ctx.fillText(severity, bbox.left + bbox.width - 4 * ratio, y - 2 * ratio);
    }
    ctx.restore();
  }
}

/** Returns the lowest and highest value of the axis; a limit that is not far from the values is within. */
export function heightOf(series: ValueSeries, compared: Compared | undefined, limits: readonly Limit[]): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of [...series.lows, ...series.highs, ...(compared?.values ?? [])]) {
    if (value == null) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return [0, 1];
  const near = Math.max(high - low, 0.1 * Math.max(Math.abs(low), Math.abs(high)));
  const levels = limits.map((one) => one.level).filter((level) => level >= low - near && level <= high + near);
  const [bottom, top] = uPlot.rangeNum(Math.min(low, ...levels), Math.max(high, ...levels), 0.12, true);
  return [bottom ?? low, top ?? high];
}

/** Returns a colour of the design tokens as a canvas knows it: `light-dark()` is resolved for the element. */
export function colourOf(element: HTMLElement, token: string): string {
  const { style } = element;
  if (getComputedStyle(element).getPropertyValue(token) === "") return "";
  style.outlineColor = `var(${token})`;
  const colour = getComputedStyle(element).outlineColor;
  style.outlineColor = "";
  return colour;
}

/** The clock within two days, else the day. */
function tickText(time: number, plot: uPlot): string {
  const { min = 0, max = 0 } = plot.scales["x"] ?? {};
  return timeText(time * 1000, (max ?? 0) - (min ?? 0) > 2 * DAY_S ? "day" : "clock");
}

function readingOf(plot: uPlot, property: string, unit: string): string {
  const index = plot.cursor.idx;
  if (index == null) return "";
  const at = (column: number) => plot.data[column]?.[index];
  const time = at(0);
  const value = at(MEAN);
  if (time == null || value == null) return "";
  const [high, low, other] = [at(1), at(2), at(OTHER)];
  const band = low != null && high != null && low !== high ? ` (${numberText(low)} – ${numberText(high)})` : "";
  const compared = other == null ? "" : `, ${quantityText(property, other, unit)}`;
  return `${timeText(time * 1000)}  ${quantityText(property, value, unit)}${band}${compared}`;
}
