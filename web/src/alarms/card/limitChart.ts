/** The chart of an alarm: its value with the limits, deadbands, the delay and the time in which it was active. */

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { colourOf } from "../../design/colourOf";
import { numberText, timeText } from "../../language/format";
import { language } from "../../language/language.svelte";
import type { Severity } from "../alarm";
import type { Level } from "../limits";
import type { Series, Span } from "./chartData";

const HEIGHT = 190;
/** A series with fewer values than this is drawn with dots. */
const DOTS_MAX = 60;
/** Above and below what is in sight, as a share of it. */
const ROOM = 0.15;

/** What is drawn around the values. Epoch milliseconds. */
export interface Drawing {
  readonly series: Series;
  readonly span: Span;
  readonly levels: readonly Level[];
  /** The level that the alarm is about: it and the deadband below it are always in sight. */
  readonly severity: Severity;
  /** From when on the condition held, until the alarm was raised. */
  readonly delay: Span | undefined;
  readonly active: Span | undefined;
}

export class LimitChart {
  readonly #plot: uPlot;
  readonly #container: HTMLElement;
  readonly #resized: ResizeObserver;
  #drawing: Drawing | undefined;
  #range: [low: number, high: number] = [0, 1];

  constructor(container: HTMLElement) {
    this.#container = container;
    const ink = colourOf(container, "--twin-ink-soft");
    const line = colourOf(container, "--twin-accent");
    const axis: uPlot.Axis = {
      stroke: ink,
      font: "12px system-ui, sans-serif",
      grid: { stroke: colourOf(container, "--twin-line"), width: 1 },
      ticks: { show: false },
    };
    const { timezone } = language;
    this.#plot = new uPlot(
      {
        width: container.clientWidth,
        height: HEIGHT,
        padding: [10, 12, 0, 0],
        ...(timezone === undefined ? {} : { tzDate: (time: number) => uPlot.tzDate(new Date(time * 1000), timezone) }),
        cursor: { show: false },
        legend: { show: false },
        // The library's own range knows the values only, and reaches down to zero.
        scales: { x: { time: true }, y: { range: () => this.#range } },
        axes: [
          { ...axis, values: (plot, times) => times.map((time) => timeText(time * 1000, isLong(plot) ? "day" : "clock")), space: 60, size: 26 },
          { ...axis, size: 52, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : numberText(tick))) },
        ],
        series: [
          {},
          { stroke: line, width: 1.75, points: { show: (_, __, from, to) => to - from < DOTS_MAX, size: 5, fill: line }, spanGaps: false },
        ],
        hooks: { drawClear: [() => this.#drawBehind()], draw: [() => this.#drawLimits()] },
      },
      [[], []],
      container,
    );
    this.#resized = new ResizeObserver(() => this.#plot.setSize({ width: container.clientWidth, height: HEIGHT }));
    this.#resized.observe(container);
  }

  show(drawing: Drawing): void {
    this.#drawing = drawing;
    const { series, span } = drawing;
    const shown = [...series.values.filter((one) => one !== null), ...this.#inSight()];
    const [low, high] = [Math.min(...shown), Math.max(...shown)];
    const room = (high - low) * ROOM || 1;
    this.#range = shown.length === 0 ? [0, 1] : [low - room, high + room];
    this.#plot.setData([[...series.times], [...series.values]], false);
    this.#plot.batch(() => {
      this.#plot.setScale("x", { min: span.start / 1000, max: span.end / 1000 });
      this.#plot.setScale("y", { min: this.#range[0], max: this.#range[1] });
    });
    // Limits may have changed where the scales have not.
    this.#plot.redraw();
    const { min, max } = this.#plot.scales["y"] ?? {};
    this.#container.dataset["low"] = String(min);
    this.#container.dataset["high"] = String(max);
  }

  destroy(): void {
    this.#resized.disconnect();
    this.#plot.destroy();
  }

  #inSight(): number[] {
    const own = this.#drawing?.levels.find((one) => one.severity === this.#drawing?.severity) ?? this.#drawing?.levels[0];
    return own === undefined ? [] : [own.raised, own.clear];
  }

  /** The time in which it was active, the delay before it, and the deadbands. */
  #drawBehind(): void {
    const drawing = this.#drawing;
    if (drawing === undefined) return;
    const { ctx, bbox } = this.#plot;
    ctx.save();
    const own = colourOf(this.#container, "--severity") || colourOf(this.#container, "--twin-ink-soft");
    const paint = (colour: string | CanvasPattern, alpha: number, left: number, top: number, right: number, bottom: number) => {
      ctx.globalAlpha = alpha;
      ctx.fillStyle = colour;
      const [x, y] = [Math.max(left, bbox.left), Math.max(top, bbox.top)];
      const [width, height] = [Math.min(right, bbox.left + bbox.width) - x, Math.min(bottom, bbox.top + bbox.height) - y];
      if (width > 0 && height > 0) ctx.fillRect(x, y, width, height);
    };
    const x = (time: number) => this.#plot.valToPos(time / 1000, "x", true);
    const column = (span: Span | undefined, colour: string, alpha: number) => {
      if (span !== undefined) paint(colour, alpha, x(span.start), bbox.top, x(span.end), bbox.top + bbox.height);
    };
    column(drawing.active, own, 0.12);
    column(drawing.delay, colourOf(this.#container, "--twin-ink-soft"), 0.22);
    for (const level of drawing.levels) {
      const [one, other] = [this.#y(level.raised), this.#y(level.clear)];
      // Hatched: the time in which it was active has the same colour.
      const hatched = hatching(ctx, colourOf(this.#container, `--twin-${level.severity}`));
      paint(hatched, 0.4, bbox.left, Math.min(one, other), bbox.left + bbox.width, Math.max(one, other));
    }
    ctx.restore();
  }

  #drawLimits(): void {
    const drawing = this.#drawing;
    if (drawing === undefined) return;
    const { ctx, bbox } = this.#plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (const level of drawing.levels) {
      const colour = colourOf(this.#container, `--twin-${level.severity}`);
      ctx.strokeStyle = colour;
      ctx.lineWidth = (level.severity === drawing.severity ? 2 : 1) * devicePixelRatio;
      for (const [at, dashes] of [[level.raised, []], [level.clear, [4, 4]]] as const) {
        ctx.setLineDash(dashes.map((one) => one * devicePixelRatio));
        ctx.beginPath();
        ctx.moveTo(bbox.left, this.#y(at));
        ctx.lineTo(bbox.left + bbox.width, this.#y(at));
        ctx.stroke();
      }
    }
    ctx.restore();
  }

  #y(value: number): number {
    return this.#plot.valToPos(value, "y", true);
  }
}

/** Returns diagonal lines of a colour; the colour itself where the browser makes no pattern. */
function hatching(ctx: CanvasRenderingContext2D, colour: string): CanvasPattern | string {
  const side = 8 * devicePixelRatio;
  const tile = document.createElement("canvas");
  tile.width = tile.height = side;
  const drawn = tile.getContext("2d");
  if (drawn === null) return colour;
  drawn.strokeStyle = colour;
  drawn.lineWidth = 1.2 * devicePixelRatio;
  drawn.beginPath();
  // Three lines, so that the corners of neighbouring tiles join.
  for (const shift of [-side, 0, side]) {
    drawn.moveTo(shift, side);
    drawn.lineTo(shift + side, 0);
  }
  drawn.stroke();
  return ctx.createPattern(tile, "repeat") ?? colour;
}

/** Whether the axis has days. */
function isLong(plot: uPlot): boolean {
  const { min = 0, max = 0 } = plot.scales["x"] ?? {};
  return (max ?? 0) - (min ?? 0) > 2 * 24 * 60 * 60;
}
