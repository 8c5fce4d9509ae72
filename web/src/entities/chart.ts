/** The chart of one property over a day. */

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { numberText, timeText } from "../language/format";
import { language } from "../language/language.svelte";
import { DAY_S, type Series } from "./history";
import { quantityText } from "./quantity";

const HEIGHT = 160;
/** Values up to this number are drawn as dots too. */
const DOTS_MAX = 40;

export class Chart {
  readonly #plot: uPlot;
  readonly #resized: ResizeObserver;

  /** `point` is called with the text of the reading under the pointer, or "". */
  constructor(container: HTMLElement, property: string, unit: string, point: (text: string) => void) {
    const ink = colourOf(container, "--twin-ink-soft");
    const line = colourOf(container, "--theme") || colourOf(container, "--twin-accent");
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
        padding: [10, 22, 0, 0],
        ...(timezone === undefined ? {} : { tzDate: (time: number) => uPlot.tzDate(new Date(time * 1000), timezone) }),
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
        legend: { show: false },
        hooks: { setCursor: [(plot) => point(readingOf(plot, property, unit))] },
        scales: { x: { time: true } },
        axes: [
          { ...axis, values: (_, times) => times.map((time) => timeText(time * 1000, "clock")), space: 60, size: 26 },
          { ...axis, size: 46, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : numberText(tick))) },
        ],
        series: [
          {},
          {
            stroke: line,
            fill: `color-mix(in srgb, ${line} 13%, transparent)`,
            fillTo: (plot) => plot.scales["y"]?.min ?? 0,
            width: 1.75,
            // A few values make no visible line: each is drawn as a dot.
            points: { show: (_, __, from, to) => to - from < DOTS_MAX, size: 5, fill: line },
            spanGaps: false,
          },
        ],
      },
      [[], []],
      container,
    );
    this.#resized = new ResizeObserver(() => this.#plot.setSize({ width: container.clientWidth, height: HEIGHT }));
    this.#resized.observe(container);
  }

  /** Draws the series; the axis ends at `now`, in epoch milliseconds. */
  show(series: Series, now: number): void {
    this.#plot.setData([series.times, series.values], false);
    const values = series.values.filter((one) => one !== null);
    const low = Math.min(...values);
    const high = Math.max(...values);
    const [bottom, top] = values.length === 0 ? [0, 1] : uPlot.rangeNum(low, high, 0.12, true);
    this.#plot.batch(() => {
      this.#plot.setScale("x", { min: now / 1000 - DAY_S, max: now / 1000 });
      this.#plot.setScale("y", { min: bottom ?? low, max: top ?? high });
    });
  }

  destroy(): void {
    this.#resized.disconnect();
    this.#plot.destroy();
  }
}

/** Returns a colour of the design tokens as a canvas knows it: `light-dark()` is resolved for the element. */
function colourOf(element: HTMLElement, token: string): string {
  const { style } = element;
  if (getComputedStyle(element).getPropertyValue(token) === "") return "";
  style.outlineColor = `var(${token})`;
  const colour = getComputedStyle(element).outlineColor;
  style.outlineColor = "";
  return colour;
}

function readingOf(plot: uPlot, property: string, unit: string): string {
  const index = plot.cursor.idx;
  const time = index == null ? undefined : plot.data[0][index];
  const value = index == null ? undefined : plot.data[1]?.[index];
  return time == null || value == null ? "" : `${timeText(time * 1000, "clock")}  ${quantityText(property, value, unit)}`;
}
