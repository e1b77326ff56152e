/** The cameras: newest picture, state, who watches, and a bar of what is on record. */

import { api, Refusal, type BarSpan, type Camera, type Coverage, type WatchedSpan } from "./api";
import { el, fill, keyed, show } from "./dom";
import { clock, half, length, say, sayCause, sayRoom, saySkip, sayState, sayView } from "./words";

/** Minutes shown by the bars; 0 chooses by how long there has been anything to show. */
export type BarMinutes = 0 | 15 | 60 | 1440;

interface Card {
  root: HTMLElement;
  picture: HTMLImageElement;
  shownNs: number;
  loading: boolean;
  empty: HTMLElement;
  badge: HTMLElement;
  health: HTMLElement;
  stamp: HTMLElement;
  name: HTMLElement;
  facts: HTMLElement;
  watch: HTMLElement;
  trouble: HTMLElement;
  bar: HTMLElement;
  watchBar: HTMLElement;
  barNote: HTMLElement;
  remove: HTMLButtonElement;
  sinceNs: number | null;
}

const LATE_NS = 15e9;
const WATCH_LATE_NS = 90e9;
/** What the analysis says when it has no detector for a camera. */
const NO_MODEL = "none";

export class Cameras {
  readonly root = el("div", "cameras");
  minutes: BarMinutes = 0;
  private readonly cards = new Map<string, Card>();
  private readonly coverage = new Map<string, Coverage>();
  private readonly empty = el("p", "empty");

  show(cameras: readonly Camera[], nowNs: number): void {
    keyed(this.root, cameras, this.cards, (camera) => camera.camera_id, makeCard, (card, camera) => {
      updateCard(card, camera, nowNs);
    });
    fill(this.empty, say("no_cameras"));
    if (cameras.length === 0) this.root.append(this.empty);
    else this.empty.remove();
    for (const name of this.coverage.keys()) if (!this.cards.has(name)) this.coverage.delete(name);
  }

  async refreshCoverage(nowNs: number): Promise<void> {
    const span = this.span(nowNs);
    for (const [name, card] of this.cards) {
      const found = await api.coverage(name, nowNs - span, nowNs);
      this.coverage.set(name, found);
      card.sinceNs = found.since_ns ?? found.spans[0]?.start_ns ?? null;
      drawBar(card, found);
    }
  }

  redrawBars(): void {
    for (const [name, card] of this.cards) {
      const found = this.coverage.get(name);
      if (found) drawBar(card, found);
    }
  }

  /** How much time the bars show (ns). */
  span(nowNs: number): number {
    if (this.minutes !== 0) return this.minutes * 60e9;
    const oldest = Math.min(...[...this.cards.values()].map((card) => card.sinceNs ?? nowNs));
    return (nowNs - oldest < 15 * 60e9 ? 15 : nowNs - oldest < 3600e9 ? 60 : 1440) * 60e9;
  }
}

function makeCard(camera: Camera): Card {
  const card: Card = {
    root: el("article", "card camera"), picture: el("img", "picture"), shownNs: 0, loading: false, empty: el("p", "picture-empty"),
    badge: el("span", "badge"), health: el("span", "health"), stamp: el("span", "stamp"), name: el("h3"), facts: el("p", "facts"), watch: el("p", "watch"),
    trouble: el("p", "trouble"), bar: el("div", "bar"), watchBar: el("div", "bar watch-bar"), barNote: el("p", "bar-note"), remove: el("button", "quiet remove"), sinceNs: null,
  };
  card.root.dataset.camera = camera.camera_id;
  card.picture.alt = "";
  show(card.picture, false);
  card.remove.type = "button";
  askBeforeRemoving(card, camera.camera_id);
  const frame = el("div", "frame", card.picture, card.empty, card.badge, card.health, card.stamp);
  card.root.append(
    frame,
    el("div", "camera-body", el("header", "camera-head", card.name, card.remove), card.facts, card.trouble, card.bar, card.watchBar, card.barNote, card.watch),
  );
  return card;
}

function updateCard(card: Card, camera: Camera, nowNs: number): void {
  const title = camera.title ? half(camera.title) : camera.camera_id;
  fill(card.name, title, ...(camera.title ? [el("small", "", camera.camera_id)] : []));
  card.root.dataset.state = camera.state;
  fill(card.badge, sayState(camera.state));
  card.badge.dataset.state = camera.state;
  const late = camera.picture_ns !== null && nowNs - camera.picture_ns > LATE_NS;
  fill(card.stamp, camera.picture_ns === null ? "" : clock(camera.picture_ns));
  card.stamp.classList.toggle("late", late);
  fill(card.empty, say("no_picture"));
  fill(card.facts, factsOf(camera));
  const troubled = camera.state === "offline" || camera.state === "refused" || camera.state === "unknown";
  show(card.trouble, troubled && Boolean(camera.cause ?? camera.detail));
  fill(card.trouble, [camera.cause && sayCause(camera.cause), camera.detail].filter(Boolean).join(" · "));
  updateHealth(card.health, camera, nowNs);
  updateWatch(card.watch, camera, nowNs);
  updateRemove(card.remove, camera);
  loadPicture(card, camera, title);
}

function factsOf(camera: Camera): string {
  const facts = [sayRoom(camera.room_kind)];
  if (camera.source === "sim") facts.push(say("simulated"));
  if (camera.source === "file") facts.push(say("file"));
  if (camera.width && camera.height) facts.push(`${camera.width}×${camera.height}`);
  if (camera.codec) facts.push(camera.codec.startsWith("avc") ? "H.264" : camera.codec.startsWith("h") ? "H.265" : camera.codec);
  if (camera.frames_per_s) facts.push(`${Math.round(camera.frames_per_s)} fps`);
  if (camera.bits_per_s) facts.push(`${(camera.bits_per_s / 1e6).toFixed(1)} Mbit/s`);
  return facts.join(" · ");
}

/** A lens that is covered is told on the picture itself: it looks like a quiet room. */
function updateHealth(node: HTMLElement, camera: Camera, nowNs: number): void {
  const health = camera.health;
  const wrong = health !== null && health.state !== "ok" && camera.analyse && camera.state === "streaming";
  show(node, wrong);
  node.dataset.health = health?.state ?? "";
  fill(node, wrong ? `${sayView(health.state)} · ${length((nowNs - health.since_ns) / 1e9)}` : "");
}

/** "No incident" must always be told from "not watched". */
function updateWatch(node: HTMLElement, camera: Camera, nowNs: number): void {
  const watch = camera.watch;
  let mood = "good";
  let text: string;
  if (!camera.analyse) [mood, text] = ["plain", say("analysis_off")];
  else if (!watch || watch.model === NO_MODEL) [mood, text] = ["warn", say("not_watched")];
  else {
    const lag = nowNs - watch.to_ns;
    const rate = watch.analysed_frames / Math.max(0.001, (watch.to_ns - watch.from_ns) / 1e9);
    // The model's digest is cut to what a person can compare; the whole of it is in the API.
    text = `${say("watched_by")} ${watch.model.replace(/@(\w{8})\w+$/, "@$1")} · ${rate.toFixed(1)} fps`;
    if (watch.skipped_chunks > 0) text += ` · ${say("skipped")} ${watch.skipped_chunks}`;
    if (lag > WATCH_LATE_NS || watch.analysed_frames === 0) [mood, text] = ["warn", `${say("watch_behind")} ${length(lag / 1e9)}`];
    if (camera.armed_zones === 0) text += ` · ${say("no_zone")}`;
  }
  node.dataset.mood = mood;
  fill(node, text);
}

function updateRemove(button: HTMLButtonElement, camera: Camera): void {
  button.disabled = camera.declared_in_file;
  button.title = camera.declared_in_file ? say("in_file") : "";
  if (!button.dataset.asking) fill(button, say("remove"));
}

function askBeforeRemoving(card: Card, name: string): void {
  card.remove.addEventListener("click", () => {
    if (!card.remove.dataset.asking) {
      card.remove.dataset.asking = "1";
      fill(card.remove, say("really"));
      setTimeout(() => delete card.remove.dataset.asking, 5000);
      return;
    }
    delete card.remove.dataset.asking;
    card.remove.disabled = true;
    api.withdraw(name).catch((error: unknown) => {
      show(card.trouble, true);
      fill(card.trouble, error instanceof Refusal ? error.message : say("away"));
      card.remove.disabled = false;
    });
  });
}

/** Load the next picture beside the shown one and change them when it is whole, so that nothing flickers. */
function loadPicture(card: Card, camera: Camera, title: string): void {
  if (camera.picture_ns === null || camera.picture_ns === card.shownNs || card.loading) return;
  card.loading = true;
  const wanted = camera.picture_ns;
  const next = new Image();
  next.className = "picture";
  next.alt = title;
  next.src = api.pictureUrl(camera);
  next.decode().then(
    () => {
      card.picture.replaceWith(next);
      card.picture = next;
      card.shownNs = wanted;
      show(card.empty, false);
      card.loading = false;
    },
    () => (card.loading = false),
  );
}

function drawBar(card: Card, found: Coverage): void {
  const width = found.to_ns - found.from_ns;
  const pieces = found.spans.map((span) => {
    const piece = el("i", `span ${span.kind}${span.presumed ? " presumed" : ""}`);
    piece.style.left = `${((span.start_ns - found.from_ns) / width) * 100}%`;
    piece.style.width = `${((span.end_ns - span.start_ns) / width) * 100}%`;
    piece.title = describe(span);
    return piece;
  });
  card.bar.replaceChildren(...pieces);
  const notWatched = drawWatch(card.watchBar, found);
  card.bar.dataset.recordedS = (found.recorded_s + found.live_s).toFixed(1);
  const total = found.recorded_s + found.live_s;
  const parts = [
    found.recorded_s > 0 ? el("span", "key recorded", `${say("recorded")} ${length(found.recorded_s)}`) : null,
    found.live_s > 0 ? el("span", "key live", `${say("live")} ${length(found.live_s)}`) : null,
    found.gap_s > 0 ? el("span", "key gap", `${say("gap")} ${length(found.gap_s)}`) : null,
    notWatched > 0 ? el("span", "key unwatched", `${say("unwatched")} ${length(notWatched)}`) : null,
    el("span", "axis", `${clock(found.from_ns, false)} – ${clock(found.to_ns, false)}`),
  ];
  card.bar.setAttribute("role", "img");
  card.bar.setAttribute("aria-label", `${say("recorded")} ${length(total)}, ${say("gap")} ${length(found.gap_s)}`);
  fill(card.barNote, ...parts);
}

/** A thin bar below: watched as asked, watched at a lower rate, not watched and why. Returns the seconds not watched. */
function drawWatch(bar: HTMLElement, found: Coverage): number {
  const width = found.to_ns - found.from_ns;
  let notWatched = 0;
  const pieces = found.watched.map((span) => {
    const mood = moodOf(span);
    if (mood === "not") notWatched += (span.end_ns - span.start_ns) / 1e9;
    const piece = el("i", `span watch-${mood}`);
    piece.style.left = `${((span.start_ns - found.from_ns) / width) * 100}%`;
    piece.style.width = `${((span.end_ns - span.start_ns) / width) * 100}%`;
    piece.title = describeWatch(span, mood);
    return piece;
  });
  bar.replaceChildren(...pieces);
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", `${say("unwatched")} ${length(notWatched)}`);
  return notWatched;
}

type WatchMood = "full" | "less" | "not";

function moodOf(span: WatchedSpan): WatchMood {
  if (span.mode === "none" || span.view === "covered") return "not";
  return span.cause === null ? "full" : "less";
}

function describeWatch(span: WatchedSpan, mood: WatchMood): string {
  const range = `${clock(span.start_ns)} – ${clock(span.end_ns)} (${length((span.end_ns - span.start_ns) / 1e9)})`;
  const what = say(mood === "full" ? "watched_fully" : mood === "less" ? "watched_less" : "unwatched");
  const why = [
    span.mode !== "none" && `${span.frames_per_s.toFixed(1)} / ${span.asked_frames_per_s.toFixed(1)} fps`,
    span.cause && saySkip(span.cause),
    span.view !== "unjudged" && span.view !== "clear" && sayView(span.view),
  ].filter(Boolean);
  return `${what} ${range}${why.length ? `: ${why.join(", ")}` : ""}`;
}

function describe(span: BarSpan): string {
  const range = `${clock(span.start_ns)} – ${clock(span.end_ns)} (${length((span.end_ns - span.start_ns) / 1e9)})`;
  if (span.kind !== "gap") return `${say(span.kind === "live" ? "live" : "recorded")} ${range}`;
  const why = [span.cause && sayCause(span.cause), span.presumed && say("presumed"), span.detail].filter(Boolean).join(", ");
  return `${say("gap")} ${range}: ${why}`;
}
