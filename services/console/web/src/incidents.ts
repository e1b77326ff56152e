/** Incidents as they happen: the newest on top, open ones counting. */

import { api, type Incident } from "./api";
import { el, fill, keyed, show } from "./dom";
import { ago, clock, date, length, measured, say, sayKind } from "./words";

const SHOWN = 40;
/** How long somebody stayed is the incident's own length, which counts on the page. */
const TOLD_ALREADY = "dwell_s";

interface Row {
  root: HTMLElement;
  picture: HTMLImageElement;
  head: HTMLElement;
  title: HTMLElement;
  place: HTMLElement;
  values: HTMLElement;
  time: HTMLTimeElement;
}

export class Incidents {
  readonly root = el("div", "incidents");
  private readonly rows = new Map<string, Row>();
  private readonly known = new Map<string, Incident>();
  private readonly empty = el("p", "empty");

  constructor() {
    this.root.setAttribute("aria-live", "polite");
  }

  get openCount(): number {
    return [...this.known.values()].filter((incident) => incident.closed_ns === null).length;
  }

  /** Take the whole list (at first, and whenever the stream lost its place). */
  replace(list: readonly Incident[]): void {
    this.known.clear();
    for (const incident of list) this.known.set(incident.incident_id, incident);
  }

  take(incident: Incident): void {
    this.known.set(incident.incident_id, incident);
  }

  show(nowNs: number): void {
    const newest = [...this.known.values()].sort((a, b) => b.opened_ns - a.opened_ns);
    for (const old of newest.slice(SHOWN)) this.known.delete(old.incident_id);
    keyed(this.root, newest.slice(0, SHOWN), this.rows, (one) => one.incident_id, makeRow, (row, one) => {
      updateRow(row, one, nowNs);
    });
    fill(this.empty, say("no_incidents"));
    if (newest.length === 0) this.root.append(this.empty);
    else this.empty.remove();
  }
}

function makeRow(incident: Incident): Row {
  const row: Row = {
    root: el("article", "incident"), picture: el("img", "snapshot"), head: el("p", "incident-head"), title: el("h3"),
    place: el("p", "place"), values: el("p", "values"), time: el("time"),
  };
  row.root.dataset.incident = incident.incident_id;
  row.root.dataset.kind = incident.kind;
  row.picture.alt = "";
  show(row.picture, false);
  loadSnapshot(row, incident, 0);
  row.picture.addEventListener("click", () => row.root.classList.toggle("expanded"));
  row.root.append(el("div", "incident-text", row.head, row.title, row.place, row.values), row.picture);
  return row;
}

/** The snapshot may be stored a moment after the incident was told: try again a few times. */
function loadSnapshot(row: Row, incident: Incident, attempt: number): void {
  if (incident.evidence.snapshot_key === null || attempt > 4) return;
  const next = new Image();
  next.src = api.snapshotUrl(incident);
  next.decode().then(
    () => {
      row.picture.src = next.src;
      show(row.picture, true);
    },
    () => setTimeout(() => { loadSnapshot(row, incident, attempt + 1); }, 1500 * (attempt + 1)),
  );
}

function updateRow(row: Row, incident: Incident, nowNs: number): void {
  const open = incident.closed_ns === null;
  row.root.dataset.severity = incident.severity;
  row.root.classList.toggle("open", open);
  row.time.dateTime = new Date(incident.opened_ns / 1e6).toISOString();
  fill(row.time, clock(incident.opened_ns));
  row.time.title = date(incident.opened_ns);
  fill(row.head, el("b", "severity", incident.severity), el("span", "code", incident.kind), row.time, el("span", "ago", ago(incident.opened_ns, nowNs)));
  fill(row.title, sayKind(incident.kind, incident.title));
  const place = [incident.camera_id ?? incident.sensor_id, incident.zone && `${say("zone")} ${incident.zone}`];
  fill(row.place, place.filter(Boolean).join(" · "));
  const lasted = ((incident.closed_ns ?? nowNs) - incident.opened_ns) / 1e9;
  const delay = (incident.raised_ns - incident.opened_ns) / 1e9;
  const values = Object.entries(incident.evidence.measured).filter(([name]) => name !== TOLD_ALREADY).slice(0, 4).map(([name, value]) => el("span", "value", measured(name, value)));
  fill(
    row.values,
    el("span", open ? "value lasting" : "value", `${open ? say("open_now") : say("lasted")} ${length(lasted)}`),
    delay >= 0 && (open || delay < lasted) ? el("span", "value", `${say("after")} ${length(delay)}`) : null,
    ...values,
  );
}
