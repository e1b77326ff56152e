/** The form that enrols a camera by URL; what is wrong is said beside the field that is meant. */

import { api, Refusal } from "./api";
import { el, fill, show } from "./dom";
import { ROOM_KINDS, say, sayRoom, type Word } from "./words";

const FIELDS = ["camera_id", "url", "title", "username", "password"] as const;
type Field = (typeof FIELDS)[number];
const LABELS: Record<Field, Word> = { camera_id: "name", url: "address", title: "title", username: "username", password: "password" };

export class EnrolForm {
  readonly root = el("form", "enrol");
  private readonly inputs = {} as Record<Field, HTMLInputElement>;
  private readonly labels = {} as Record<Field, HTMLElement>;
  private readonly faults = {} as Record<Field, HTMLElement>;
  private readonly room = el("select");
  private readonly roomLabel = el("span");
  private readonly armed = el("input");
  private readonly armedLabel = el("span");
  private readonly outcome = el("p", "outcome");
  private readonly send = el("button", "primary");

  constructor(private readonly done: () => void) {
    this.root.noValidate = true;
    this.root.setAttribute("autocomplete", "off");
    for (const field of FIELDS) this.make(field);
    this.room.append(...Object.keys(ROOM_KINDS).map((kind) => new Option("", kind)));
    this.armed.type = "checkbox";
    this.armed.checked = true;
    this.send.type = "submit";
    this.outcome.setAttribute("role", "status");
    const { camera_id, url, title, username, password } = this.inputs;
    this.root.append(
      this.row("camera_id", camera_id), this.row("url", url),
      el("div", "pair", this.row("title", title), el("label", "field", this.roomLabel, this.room)),
      el("div", "pair", this.row("username", username), this.row("password", password)),
      el("label", "check", this.armed, this.armedLabel), el("div", "actions", this.send, this.outcome),
    );
    this.root.addEventListener("submit", (submission) => {
      submission.preventDefault();
      void this.submit();
    });
    this.translate();
  }

  translate(): void {
    for (const field of FIELDS) {
      const hint = field === "camera_id" ? say("name_hint") : field === "url" ? "" : say("optional");
      fill(this.labels[field], say(LABELS[field]), hint ? el("small", "", hint) : null);
    }
    fill(this.roomLabel, say("room"));
    for (const option of this.room.options) option.text = sayRoom(option.value);
    fill(this.armedLabel, say("armed"));
    fill(this.send, say("enrol"));
  }

  private make(field: Field): void {
    const input = el("input");
    input.name = field;
    input.type = field === "password" ? "password" : "text";
    input.autocomplete = field === "password" ? "new-password" : "off";
    input.spellcheck = false;
    if (field === "url") input.placeholder = "rtsp://192.168.1.20/stream1";
    if (field === "camera_id") input.placeholder = "front-door";
    this.inputs[field] = input;
    this.labels[field] = el("span");
    this.faults[field] = el("small", "fault");
    this.faults[field].id = `fault-${field}`;
    this.faults[field].setAttribute("role", "alert");
    input.setAttribute("aria-describedby", this.faults[field].id);
  }

  private row(field: Field, input: HTMLInputElement): HTMLElement {
    return el("label", "field", this.labels[field], input, this.faults[field]);
  }

  private async submit(): Promise<void> {
    this.clearFaults();
    this.send.disabled = true;
    fill(this.send, say("enrolling"));
    const { camera_id, url, title, username, password } = this.inputs;
    try {
      await api.enrol({
        camera_id: camera_id.value.trim(), url: url.value.trim(), title: title.value, room_kind: this.room.value,
        username: username.value, ...(password.value ? { password: password.value } : {}), armed: this.armed.checked,
      });
      this.root.reset();
      this.armed.checked = true;
      this.say(say("enrolled"), "good");
      this.done();
    } catch (error) {
      this.explain(error);
    } finally {
      this.send.disabled = false;
      fill(this.send, say("enrol"));
    }
  }

  private explain(error: unknown): void {
    if (!(error instanceof Refusal)) {
      this.say(say("away"), "bad");
      return;
    }
    for (const fault of error.faults) {
      const field = FIELDS.find((one) => one === fault.field);
      if (!field) {
        this.say(fault.message, "bad");
        continue;
      }
      fill(this.faults[field], fault.message);
      this.inputs[field].setAttribute("aria-invalid", "true");
    }
    FIELDS.map((field) => this.inputs[field]).find((input) => input.getAttribute("aria-invalid"))?.focus();
  }

  private clearFaults(): void {
    for (const field of FIELDS) {
      fill(this.faults[field], "");
      this.inputs[field].removeAttribute("aria-invalid");
    }
    this.say("", "plain");
  }

  private say(text: string, mood: string): void {
    fill(this.outcome, text);
    this.outcome.dataset.mood = mood;
    show(this.outcome, Boolean(text));
  }
}
