/** Gaps with their causes, and what the sensors last said. */

import type { Gap, Sensor } from "./api";
import { el, fill } from "./dom";
import { ago, clock, date, half, length, say, sayCause } from "./words";

const PLAIN_PRESS = "pressed";

export class Gaps {
  readonly root = el("div", "gaps");

  show(gaps: readonly Gap[], nowNs: number): void {
    if (gaps.length === 0) {
      fill(this.root, el("p", "empty calm", say("no_gaps")));
      return;
    }
    const head = el("tr", "", ...(["camera", "when", "length", "cause", "said_by"] as const).map((word) => el("th", "", say(word))));
    const rows = gaps.map((gap) => {
      const end = gap.end_ns;
      const range = `${clock(gap.start_ns)} – ${end === null ? say("lasting") : clock(end)}`;
      const when = el("td", "", range);
      when.title = date(gap.start_ns);
      const cause = el("td", "", el("span", "cause", sayCause(gap.cause)), gap.presumed ? el("span", "presumed-mark", say("presumed")) : null, gap.detail ? el("small", "", gap.detail) : null);
      const row = el("tr", end === null ? "lasting" : "", el("td", "", gap.camera_id), when, el("td", "", length(((end ?? nowNs) - gap.start_ns) / 1e9)), cause, el("td", "", gap.declared_by));
      row.dataset.cause = gap.cause;
      return row;
    });
    fill(this.root, el("table", "", el("thead", "", head), el("tbody", "", ...rows)));
  }
}

export class Sensors {
  readonly root = el("div", "sensors");

  show(sensors: readonly Sensor[], nowNs: number): void {
    if (sensors.length === 0) {
      fill(this.root, el("p", "empty", say("no_sensors")));
      return;
    }
    fill(this.root, ...sensors.map((sensor) => row(sensor, nowNs)));
  }
}

function row(sensor: Sensor, nowNs: number): HTMLElement {
  const node = el("div", "sensor", el("div", "", el("b", "", sensor.title ? half(sensor.title) : sensor.sensor_id), el("small", "", sensor.observed_ns === null ? say("no_reading") : ago(sensor.observed_ns, nowNs))), el("span", "reading", reading(sensor)));
  node.dataset.sensor = sensor.sensor_id;
  node.dataset.mood = mood(sensor, nowNs);
  return node;
}

/** A press stays in sight while somebody may still be on the way to it. */
const PRESS_COUNTS_NS = 10 * 60 * 1e9;

function mood(sensor: Sensor, nowNs: number): "good" | "warn" | "bad" {
  const at = sensor.observed_ns;
  if (typeof sensor.reading?.action === "string" && at !== null && nowNs - at < PRESS_COUNTS_NS) return "bad";
  return sensor.reading?.open === true ? "warn" : "good";
}

function reading(sensor: Sensor): string {
  const said = sensor.reading;
  if (!said) return "—";
  if (typeof said.open === "boolean") return say(said.open ? "door_open" : "door_shut");
  if (typeof said.locked === "boolean") return say(said.locked ? "locked" : "unlocked");
  if (typeof said.celsius === "number") return `${said.celsius.toFixed(1)} °C`;
  if (typeof said.percent === "number") return `${Math.round(said.percent)} %`;
  // Which press it was, if the button knows more than one: "double", "hold".
  if (typeof said.action === "string") return said.action === PLAIN_PRESS ? say("pressed") : `${say("pressed")} (${said.action})`;
  return "—";
}
