/** What the console's API answers, and how it is asked. Instants are nanoseconds since 1970 (as JSON numbers: good to a microsecond). */

export interface Watch {
  from_ns: number;
  to_ns: number;
  analysed_frames: number;
  skipped_chunks: number;
  model: string;
}

/** Whether the camera shows what it is meant to; without a reference "ok" is not yet known. */
export interface Health {
  state: string;
  since_ns: number;
  judged_ns: number;
  reference_age_s: number | null;
  measured: Record<string, number>;
}

export interface Camera {
  camera_id: string;
  title: string;
  room_kind: string;
  url: string;
  source: "rtsp" | "rtsps" | "file" | "sim";
  state: string;
  cause: string | null;
  detail: string;
  codec: string | null;
  width: number | null;
  height: number | null;
  frames_per_s: number | null;
  bits_per_s: number | null;
  picture_ns: number | null;
  armed_zones: number;
  analyse: boolean;
  watch: Watch | null;
  health: Health | null;
  declared_in_file: boolean;
}

export interface Incident {
  incident_id: string;
  kind: string;
  severity: "S1" | "S2" | "S3" | "S4";
  title: string;
  camera_id: string | null;
  sensor_id: string | null;
  zone: string | null;
  opened_ns: number;
  raised_ns: number;
  closed_ns: number | null;
  model: string | null;
  evidence: { measured: Record<string, number>; snapshot_key: string | null };
}

export interface BarSpan {
  start_ns: number;
  end_ns: number;
  kind: "recorded" | "gap" | "live" | "pending";
  cause?: string;
  detail?: string;
  presumed?: boolean;
}

/** How a stretch was watched; mode "none": not, for `cause`. Where there is no span nothing is known to have watched. */
export interface WatchedSpan {
  start_ns: number;
  end_ns: number;
  mode: "frames" | "gops" | "keyframes" | "none";
  cause: string | null;
  frames_per_s: number;
  asked_frames_per_s: number;
  view: string;
}

export interface Coverage {
  camera_id: string;
  from_ns: number;
  to_ns: number;
  now_ns: number;
  since_ns: number | null;
  spans: BarSpan[];
  recorded_s: number;
  gap_s: number;
  live_s: number;
  watched: WatchedSpan[];
}

export interface Gap {
  camera_id: string;
  start_ns: number;
  end_ns: number | null;
  cause: string;
  detail: string;
  presumed: boolean;
  declared_by: string;
}

export interface Sensor {
  sensor_id: string;
  title: string;
  kind: string;
  observed_ns: number | null;
  reading: Record<string, unknown> | null;
}

export interface Site {
  title: string;
  time_zone: string;
  version: string;
  now_ns: number;
  floor_days: number;
  ceiling_days: number;
  agents: { agent_id: string; log_reachable: boolean; spool_bytes: number }[];
}

export interface Fault {
  field: string | null;
  message: string;
}

/** A request that was refused; `faults` say which field of a form is meant. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly faults: Fault[],
  ) {
    super(faults.map((fault) => fault.message).join("; "));
  }
}

const PATIENCE_MS = 8000;

async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  const answer = await fetch(`/api/v1/${path}`, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) });
  if (answer.status === 401) location.assign("/login");
  if (!answer.ok) throw new Refusal(answer.status, await faultsOf(answer));
  return (await answer.json()) as T;
}

async function faultsOf(answer: Response): Promise<Fault[]> {
  try {
    return ((await answer.json()) as { errors: Fault[] }).errors;
  } catch {
    return [{ field: null, message: `HTTP ${answer.status}` }];
  }
}

export const api = {
  site: () => ask<Site>("site"),
  cameras: async () => (await ask<{ cameras: Camera[] }>("cameras")).cameras,
  incidents: async () => (await ask<{ incidents: Incident[] }>("incidents?limit=40")).incidents,
  gaps: async () => (await ask<{ gaps: Gap[] }>("gaps?limit=40")).gaps,
  sensors: async () => (await ask<{ sensors: Sensor[] }>("sensors")).sensors,
  coverage: (camera: string, fromNs: number, toNs: number) =>
    ask<Coverage>(`coverage?${new URLSearchParams({ camera, from: rfc3339(fromNs), to: rfc3339(toNs) }).toString()}`),
  enrol: (form: Record<string, unknown>) =>
    ask<{ camera_id: string }>("cameras", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(form),
    }),
  withdraw: (camera: string) => ask<{ camera_id: string }>(`cameras/${camera}`, { method: "DELETE" }),
  pictureUrl: (camera: Camera) => `/api/v1/cameras/${camera.camera_id}/picture.jpg?at=${camera.picture_ns ?? 0}`,
  snapshotUrl: (incident: Incident) => `/api/v1/incidents/${encodeURIComponent(incident.incident_id)}/snapshot.jpg`,
};

function rfc3339(ns: number): string {
  return new Date(ns / 1e6).toISOString();
}
