/** The page: asks the API at a steady beat while it is looked at, and follows incidents as they are told. */

import { api, type Camera, type Gap, type Incident, type Sensor, type Site } from "./api";
import { Cameras, type BarMinutes } from "./cameras";
import { el, fill, show } from "./dom";
import { EnrolForm } from "./enrol";
import { Incidents } from "./incidents";
import { Gaps, Sensors } from "./tables";
import { clock, date, half, say, setZone, speak, spoken } from "./words";

const BEAT_MS = 1000;
const WINDOWS: readonly BarMinutes[] = [15, 60, 1440];

class Page {
  private readonly cameras = new Cameras();
  private readonly incidents = new Incidents();
  private readonly gaps = new Gaps();
  private readonly sensors = new Sensors();
  private readonly form = new EnrolForm(() => { this.beat = 0; });
  private readonly heading = el("h1");
  private readonly tagline = el("p", "tagline");
  private readonly time = el("p", "time");
  private readonly summary = el("p", "summary");
  private readonly note = el("p", "note");
  private readonly away = el("p", "away");
  private readonly foot = el("footer");
  private readonly language = el("button", "quiet language");
  private readonly windows = el("div", "windows");
  private readonly titles = { cameras: el("h2"), gaps: el("h2"), incidents: el("h2"), sensors: el("h2"), add: el("h2") };
  private site: Site | null = null;
  private cameraList: Camera[] = [];
  private gapList: Gap[] = [];
  private sensorList: Sensor[] = [];
  private aheadMs = 0;
  private beat = 0;
  private busy = false;

  start(into: HTMLElement): void {
    into.append(...this.layout());
    this.language.type = "button";
    this.language.addEventListener("click", () => {
      speak(spoken() === "zh" ? "en" : "zh");
      this.draw();
    });
    speak(spoken());
    this.draw();
    this.follow();
    setInterval(() => void this.tick(), BEAT_MS);
    void this.tick();
  }

  private layout(): HTMLElement[] {
    const { cameras, gaps, incidents, sensors, add } = this.titles;
    const mark = el("img", "mark");
    mark.src = "/icon.svg";
    mark.alt = "";
    const top = el("header", "top", mark, el("div", "names", this.heading, this.tagline), this.summary, this.time, this.language);
    const wide = el("main", "wide",
      el("section", "", el("div", "section-head", cameras, this.windows), this.cameras.root),
      el("section", "panel", gaps, this.gaps.root));
    const side = el("aside", "side",
      el("section", "panel", incidents, this.incidents.root),
      el("section", "panel", sensors, this.sensors.root),
      el("section", "panel", add, this.form.root));
    return [top, this.away, this.note, el("div", "columns", wide, side), this.foot];
  }

  private get nowNs(): number {
    return (Date.now() + this.aheadMs) * 1e6;
  }

  /** One beat. What changes fast is asked often, what changes slowly seldom; nothing while nobody looks. */
  private async tick(): Promise<void> {
    if (document.hidden || this.busy) return;
    this.busy = true;
    try {
      if (this.beat % 10 === 0) this.takeSite(await api.site());
      this.cameraList = await api.cameras();
      if (this.beat % 2 === 0) this.sensorList = await api.sensors();
      if (this.beat % 5 === 0) this.gapList = await api.gaps();
      if (this.beat % 30 === 0) this.incidents.replace(await api.incidents());
      this.draw();
      if (this.beat % 3 === 0) await this.cameras.refreshCoverage(this.nowNs);
      this.beat += 1;
      show(this.away, false);
    } catch {
      fill(this.away, say("away"));
      show(this.away, true);
    } finally {
      this.busy = false;
    }
  }

  private takeSite(site: Site): void {
    this.site = site;
    this.aheadMs = site.now_ns / 1e6 - Date.now();
    setZone(site.time_zone);
  }

  private follow(): void {
    const stream = new EventSource("/api/v1/incidents/stream");
    stream.addEventListener("incident", (told: MessageEvent<string>) => {
      this.incidents.take(JSON.parse(told.data) as Incident);
      this.draw();
    });
    const anew = (): void => { this.beat = 0; };
    stream.addEventListener("anew", anew);
    stream.addEventListener("open", anew);
  }

  private draw(): void {
    const now = this.nowNs;
    for (const [word, node] of Object.entries(this.titles)) fill(node, say(word as "cameras" | "gaps" | "incidents" | "sensors" | "add"));
    fill(this.heading, "看护 Kanhu", el("small", "", half(this.site?.title ?? "")));
    fill(this.tagline, say("tagline"));
    fill(this.language, say("language"));
    fill(this.time, el("b", "", clock(now)), el("small", "", date(now)));
    this.cameras.show(this.cameraList, now);
    this.cameras.redrawBars();
    this.incidents.show(now);
    this.gaps.show(this.gapList, now);
    this.sensors.show(this.sensorList, now);
    this.form.translate();
    this.drawSummary();
    this.drawWindows();
    show(this.note, this.cameraList.some((camera) => camera.source === "sim"));
    fill(this.note, say("simulated_note"));
    fill(this.foot, this.footText());
  }

  private drawSummary(): void {
    const recording = this.cameraList.filter((camera) => camera.state === "streaming").length;
    const open = this.incidents.openCount;
    const spooling = this.site?.agents.some((agent) => !agent.log_reachable) ?? false;
    const whole = recording === this.cameraList.length && this.cameraList.length > 0;
    fill(this.summary,
      el("span", whole ? "pill good" : "pill warn", `${recording}/${this.cameraList.length} ${say("n_recording")}`),
      el("span", open > 0 ? "pill bad" : "pill good", open > 0 ? `${open} ${say("open_now")}` : say("all_calm")),
      spooling ? el("span", "pill warn", say("spooling")) : null);
  }

  private drawWindows(): void {
    if (this.windows.childElementCount === 0) {
      for (const minutes of WINDOWS) {
        const button = el("button", "quiet");
        button.type = "button";
        button.dataset.minutes = String(minutes);
        button.addEventListener("click", () => {
          this.cameras.minutes = minutes;
          this.drawWindows();
          this.cameras.refreshCoverage(this.nowNs).catch(() => { show(this.away, true); });
        });
        this.windows.append(button);
      }
      this.windows.setAttribute("role", "group");
    }
    this.windows.setAttribute("aria-label", say("scale"));
    const chosen = Math.round(this.cameras.span(this.nowNs) / 60e9);
    for (const button of this.windows.querySelectorAll("button")) {
      const minutes = Number(button.dataset.minutes);
      fill(button, say(minutes === 15 ? "window_15" : minutes === 60 ? "window_60" : "window_1440"));
      button.setAttribute("aria-pressed", String(minutes === chosen));
    }
  }

  private footText(): string {
    if (!this.site) return "";
    return `Kanhu ${this.site.version} · ${say("kept_days", this.site.floor_days, this.site.ceiling_days)} · ${say("viewing_logged")}`;
  }
}

const root = document.getElementById("page");
if (root) new Page().start(root);
