/** The chart of one property over the last day. */

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { DAY_S, type Series } from "./history";
import { numberText, quantityText } from "./quantity";

const HEIGHT = 160;
/** Values up to this number are drawn as dots too. */
const DOTS_MAX = 40;

export class Chart {
  readonly #plot: uPlot;
  readonly #resized: ResizeObserver;

  /** `point` is called with the text of the reading under the pointer, or "". */
  constructor(
    container: HTMLElement,
    property: string,
    unit: string,
    timezone: string | undefined,
    point: (text: string) => void,
  ) {
    const style = getComputedStyle(container);
    const ink = style.getPropertyValue("--ink-soft").trim();
    const colour = style.getPropertyValue("--theme").trim() || style.getPropertyValue("--accent").trim();
    const axis: uPlot.Axis = {
      stroke: ink,
      font: "12px system-ui, sans-serif",
      grid: { stroke: style.getPropertyValue("--line").trim(), width: 1 },
      ticks: { show: false },
    };
    const clock = new Intl.DateTimeFormat("en-GB", {
      hour: "2-digit",
      minute: "2-digit",
      ...(timezone === undefined ? {} : { timeZone: timezone }),
    });
    const hours = (_: uPlot, times: number[]) => times.map((time) => clock.format(time * 1000));
    this.#plot = new uPlot(
      {
        width: container.clientWidth,
        height: HEIGHT,
        padding: [10, 22, 0, 0],
        ...(timezone === undefined ? {} : { tzDate: (time: number) => uPlot.tzDate(new Date(time * 1000), timezone) }),
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
        legend: { show: false },
        hooks: { setCursor: [(plot) => point(this.#read(plot, clock, property, unit))] },
        scales: { x: { time: true } },
        axes: [
          { ...axis, values: hours, space: 60, size: 26 },
          { ...axis, size: 46, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : numberText(tick))) },
        ],
        series: [
          {},
          {
            stroke: colour,
            fill: `${colour}22`,
            fillTo: (plot) => plot.scales["y"]?.min ?? 0,
            width: 1.75,
            // A few values make no visible line: each is drawn as a dot.
            points: { show: (_, __, from, to) => to - from < DOTS_MAX, size: 5, fill: colour },
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

  #read(plot: uPlot, clock: Intl.DateTimeFormat, property: string, unit: string): string {
    const index = plot.cursor.idx;
    const time = index == null ? undefined : plot.data[0][index];
    const value = index == null ? undefined : plot.data[1]?.[index];
    return time == null || value == null ? "" : `${clock.format(time * 1000)}  ${quantityText(property, value, unit)}`;
  }

  destroy(): void {
    this.#resized.disconnect();
    this.#plot.destroy();
  }
}
