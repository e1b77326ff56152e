/** The page's words in both languages, and numbers and times as people write them. */

export type Language = "zh" | "en";

const WORDS = {
  tagline: ["每一秒都有记录，每一次危险都有人知道", "Every second recorded, every danger told"],
  cameras: ["摄像机", "Cameras"],
  incidents: ["事件", "Incidents"],
  sensors: ["传感器", "Sensors"],
  gaps: ["录像缺口", "Gaps in the recording"],
  add: ["添加摄像机", "Add a camera"],
  recording: ["录像中", "recording"],
  offline: ["离线", "offline"],
  refused: ["被拒绝", "refused"],
  connecting: ["连接中", "connecting"],
  unknown: ["状态未知", "state unknown"],
  removed: ["已移除", "removed"],
  open_now: ["未结束", "open"],
  all_calm: ["一切正常", "all calm"],
  n_recording: ["路录像中", "recording"],
  no_incidents: ["目前没有事件。有人进入布防区域，或门长时间未关时，会立刻出现在这里。", "Nothing so far. When somebody enters an armed zone, or a door is held open, it appears here at once."],
  no_gaps: ["没有缺口：每一秒都有录像。", "No gaps: every second is on record."],
  no_sensors: ["没有登记传感器。", "No sensor is enrolled."],
  no_cameras: ["还没有摄像机。", "No camera yet."],
  no_picture: ["等待第一幅画面…", "Waiting for the first picture…"],
  simulated_note: [
    "演示：这是一座模拟的托育园，并不存在；检测器只认识模拟的房间，看不见真实的人。添加一台真实摄像机即可开始使用。",
    "Demonstration: this nursery is simulated and does not exist; its detector knows only simulated rooms and sees no real people. Add a real camera to begin.",
  ],
  simulated: ["模拟", "simulated"],
  file: ["文件", "file"],
  watched: ["有人工智能值守", "watched"],
  watched_by: ["值守", "watched by"],
  not_watched: ["仅录像，未值守：没有可用的检测模型", "recorded, not watched: no detector for it"],
  watch_behind: ["值守落后", "watching lags"],
  analysis_off: ["仅录像（分析已关闭）", "recorded only (analysis is off)"],
  no_zone: ["没有布防区域", "no armed zone"],
  skipped: ["跳过", "skipped"],
  watched_fully: ["值守", "watched"],
  watched_less: ["降频值守", "watched at a lower rate"],
  unwatched: ["未值守", "not watched"],
  recorded: ["已封存", "sealed"],
  live: ["正在写入", "being written"],
  gap: ["缺口", "gap"],
  presumed: ["推定", "presumed"],
  cause: ["原因", "Cause"],
  when: ["时间", "When"],
  length: ["时长", "Length"],
  camera: ["摄像机", "Camera"],
  said_by: ["声明者", "Declared by"],
  lasting: ["仍在持续", "still lasting"],
  since: ["开始于", "since"],
  window_15: ["15 分钟", "15 min"],
  window_60: ["1 小时", "1 hour"],
  window_1440: ["24 小时", "24 hours"],
  name: ["名称", "Name"],
  name_hint: ["小写字母、数字、- 和 _", "lower-case letters, digits, - and _"],
  title: ["显示名", "Title"],
  optional: ["可选", "optional"],
  address: ["地址", "Address"],
  room: ["房间类型", "Kind of room"],
  username: ["用户名", "User name"],
  password: ["密码", "Password"],
  armed: ["整幅画面布防：有人出现就报警", "Arm the whole picture: alarm when anybody appears"],
  enrol: ["登记", "Enrol"],
  enrolling: ["登记中…", "Enrolling…"],
  enrolled: ["已登记，连接后画面会出现在左侧。", "Enrolled. Its picture appears once the agent has connected."],
  remove: ["移除", "Remove"],
  really: ["确认移除？录像保留至期满", "Remove? Footage stays until its term"],
  in_file: ["在配置文件中声明，请在那里移除", "declared in the settings file; take it out there"],
  away: ["与控制台的连接中断，正在重试…", "The console is away; trying again…"],
  spooling: ["日志暂时不可达，代理正在本地缓存录像", "the log is away; the agent keeps footage on its own disk"],
  kept_days: ["录像保存 {0} 天，最迟 {1} 天删除", "Footage is kept {0} days and gone after {1}"],
  viewing_logged: ["查看画面均有审计记录", "every viewing is entered in the audit trail"],
  door_open: ["开着", "open"],
  door_shut: ["关着", "shut"],
  locked: ["已锁", "locked"],
  unlocked: ["未锁", "unlocked"],
  pressed: ["按下", "pressed"],
  no_reading: ["尚无读数", "no reading yet"],
  ago: ["前", "ago"],
  just_now: ["刚刚", "just now"],
  after: ["发现用时", "raised after"],
  lasted: ["持续", "lasted"],
  zone: ["区域", "zone"],
  language: ["English", "中文"],
  scale: ["时间范围", "Time range"],
} as const satisfies Record<string, readonly [string, string]>;

export type Word = keyof typeof WORDS;

const CAUSES: Record<string, readonly [string, string]> = {
  camera: ["摄像机", "camera"],
  network: ["网络", "network"],
  power: ["断电", "power"],
  agent: ["代理程序", "agent"],
  overload: ["过载", "overload"],
  maintenance: ["维护", "maintenance"],
  unknown: ["不明", "unknown"],
};

/** Why the analysis left frames out (docs/design/analysis.md). */
const SKIPS: Record<string, readonly [string, string]> = {
  late: ["来不及分析", "too late"],
  overflow: ["等待过多", "too much waited"],
  shed: ["机器过载", "more than this machine can do"],
  undecodable: ["无法解码", "undecodable"],
  unsynchronised: ["等待关键帧", "waiting for a keyframe"],
  no_model: ["没有检测模型", "no detector"],
  no_run_start: ["缺少流的开头", "start of the stream not seen"],
  withdrawn: ["已撤销", "withdrawn"],
  defect: ["分析程序出错", "the analysis failed"],
};

const VIEWS: Record<string, readonly [string, string]> = {
  covered: ["镜头被遮挡", "lens covered"],
  dark: ["画面过暗", "dark"],
  defocused: ["失焦", "defocused"],
  moved: ["镜头被移动", "moved"],
  frozen: ["画面冻结", "frozen"],
  lost: ["无画面", "lost"],
};

const KINDS: Record<string, readonly [string, string]> = {
  "I-10": ["门长时间未关", "Door held open"],
  "I-12": ["布防区域有人", "Person in an armed zone"],
};

export const ROOM_KINDS: Record<string, readonly [string, string]> = {
  activity: ["活动室", "Activity room"],
  nap: ["午睡室", "Nap room"],
  corridor: ["走廊", "Corridor"],
  entrance: ["入口", "Entrance"],
  kitchen: ["厨房", "Kitchen"],
  yard: ["户外", "Yard"],
  office: ["办公室", "Office"],
};

const MEASURED: Record<string, readonly [string, string]> = {
  score: ["置信度", "score"],
  persons: ["人数", "persons"],
  people: ["人数", "people"],
  open_s: ["已开", "open for"],
  dwell_s: ["停留", "stayed"],
  present_s: ["停留", "present for"],
  allowed_s: ["允许", "allowed"],
};

const KEPT = "kanhu-language";
let language: Language =
  (localStorage.getItem(KEPT) as Language | null) ?? (navigator.language.startsWith("zh") ? "zh" : "en");
let zone = "Asia/Shanghai";

export function speak(next: Language): void {
  language = next;
  localStorage.setItem(KEPT, next);
  document.documentElement.lang = next;
}

export const spoken = (): Language => language;

export function setZone(name: string): void {
  zone = name;
}

function choose(pair: readonly [string, string]): string {
  return language === "zh" ? pair[0] : pair[1];
}

export function say(word: Word, ...values: (string | number)[]): string {
  return values.reduce<string>((text, value, index) => text.replace(`{${index}}`, String(value)), choose(WORDS[word]));
}

export const sayCause = (cause: string): string => choose(CAUSES[cause] ?? [cause, cause]);
export const saySkip = (cause: string): string => choose(SKIPS[cause] ?? [cause, cause]);
export const sayView = (view: string): string => choose(VIEWS[view] ?? [view, view]);
export const sayKind = (kind: string, fallback: string): string => choose(KINDS[kind] ?? [fallback, fallback]);
export const sayRoom = (kind: string): string => choose(ROOM_KINDS[kind] ?? [kind, kind]);

export function sayState(state: string): string {
  const words: Record<string, Word> = { streaming: "recording", offline: "offline", refused: "refused", connecting: "connecting", removed: "removed" };
  return say(words[state] ?? "unknown");
}

/** A title may be bilingual, Chinese first: "活动室 Playroom". The page shows the half that is asked for. */
export function half(title: string): string {
  const found = /^([\p{Script=Han}，、（）()0-9 -]+?)\s+([A-Za-z].*)$/u.exec(title);
  if (!found) return title;
  return (language === "zh" ? found[1] : found[2]) ?? title;
}

export function measured(name: string, value: number): string {
  const unit = /_(s|ms|px|celsius|percent|m)$/.exec(name)?.[1] ?? "";
  const units: Record<string, string> = { celsius: " °C", percent: " %" };
  const label = choose(MEASURED[name] ?? [plain(name), plain(name)]);
  const number = Number.isInteger(value) ? String(value) : value.toFixed(Math.abs(value) < 10 ? 2 : 1);
  return `${label} ${number}${units[unit] ?? (unit && ` ${unit}`)}`;
}

function plain(name: string): string {
  return name.replace(/_(s|ms|px|celsius|percent|m)$/, "").replaceAll("_", " ");
}

export function clock(ns: number, seconds = true): string {
  const parts: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", hour12: false, timeZone: zone };
  return new Intl.DateTimeFormat("en-GB", seconds ? { ...parts, second: "2-digit" } : parts).format(ns / 1e6);
}

export function date(ns: number): string {
  return new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", { month: "short", day: "numeric", weekday: "short", timeZone: zone }).format(ns / 1e6);
}

/** A length of time, coarse where it is long: 8.2 s, 3 min 05 s, 2 h 10 min. */
export function length(seconds: number): string {
  const [h, min, s] = language === "zh" ? [" 小时", " 分", " 秒"] : [" h", " min", " s"];
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)}${s}`;
  if (seconds < 60) return `${Math.round(seconds)}${s}`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)}${min} ${String(whole % 60).padStart(2, "0")}${s}`;
  return `${Math.floor(whole / 3600)}${h} ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")}${min}`;
}

export function ago(ns: number, nowNs: number): string {
  const seconds = (nowNs - ns) / 1e9;
  if (seconds < 3) return say("just_now");
  return language === "zh" ? `${length(seconds)}${say("ago")}` : `${length(seconds)} ${say("ago")}`;
}
