"use strict";
// The labelling page. Texts reach the page through textContent only, so nothing that a model wrote is markup.
const $ = (id) => document.getElementById(id);
const SCALE = Number(document.body.dataset.scale);
const KEPT = "truenorth annotator";
const BURST_MS = 400;
const DIGITS = /^[1-9]$/;
const QUESTION = {
  rank: "Which answer is best? Press their numbers, best first.",
  rate: `How good is the marked answer, from 1 (bad) to ${SCALE} (very good)?`,
  approve: "Is the marked answer good?",
};
// key -> what it does; each is a button too, for those without a keyboard
const KEYS = {
  rank: { "1 2 …": "best first", "=": "ties with the one before", Enter: "the rest follows", Backspace: "take back" },
  rate: Object.fromEntries([...Array(SCALE)].map((_, i) => [String(i + 1), { 1: "bad", [SCALE]: "very good" }[i + 1] ?? ""])),
  approve: { y: "good", n: "not good" },
};
const ALWAYS = { "→": "another answer", e: "edit", f: "flag", s: "skip", u: "undo" };
const NAMED = { "→": "ArrowRight" };

let annotator = "";
let ask = document.body.dataset.ask;
let task = null; // as the server sent it: {task, prompt, answers, marks}
let focus = 0; // place of the marked answer
let tiers = []; // of the ranking in the making: lists of places, best first
let tied = false; // the next number joins the last tier
let since = 0; // when the task was shown
let busy = false;
let lost = -1e9; // when a key last came too early
let writing = null; // {kind, field} while an edit or a flag is being written

// ---- the server

async function send(path, body) {
  const options = body
    ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }
    : {};
  const failed = body ? "Not kept" : "Cannot go on";
  let reply;
  try {
    reply = await fetch(path, options);
  } catch (_) {
    throw new Error(`${failed}: the server does not answer. Is it still running? Press the key again.`);
  }
  const found = await reply.json().catch(() => ({ error: `the server said ${reply.status}` }));
  if (!reply.ok) throw new Error(`${failed}: ${found.error}`);
  return found;
}

// One request at a time: a key pressed while one is under way is not lost on the wrong task, it does nothing.
async function once(work) {
  if (busy) return;
  busy = true;
  try {
    await work();
  } catch (error) {
    say(error.message, true);
  } finally {
    busy = false;
  }
}

const fetchNext = async () => {
  const found = await send(`/api/task?annotator=${encodeURIComponent(annotator)}&ask=${ask}`);
  show(found.task, found.state);
};

function mark(kind, value, answer) {
  return once(async () => {
    const seconds = (performance.now() - since) / 1000;
    const found = await send("/api/label", { annotator, ask, task: task.task, kind, value, answer, seconds });
    writing = null;
    say("kept");
    teach(found.lesson);
    if (isDone(found.task)) return fetchNext();
    const here = focus;
    show(found.task, found.state, true);
    focus = kind === ask ? nextOpen(here) : here;
    paint();
  });
}

const undo = () =>
  once(async () => {
    const found = await send("/api/undo", { annotator, ask });
    if (!found.task) return say("nothing to take back");
    show(found.task, found.state);
    say(`took back: ${found.task.undone}`);
  });

// ---- what is known of the task

const marksOf = (kind, place) => task.marks.filter((m) => m.kind === kind && m.answer === place);
const isDone = (t) => {
  if (t.marks.some((m) => m.kind === "skip" || (ask === "rank" && m.kind === "rank"))) return true;
  const valued = new Set(t.marks.filter((m) => m.kind === ask).map((m) => m.answer));
  return ask !== "rank" && valued.size === t.answers.length;
};
const nextOpen = (from) => {
  const n = task.answers.length;
  for (let i = 1; i <= n; i++) if (!marksOf(ask, (from + i) % n).length) return (from + i) % n;
  return from;
};

// ---- drawing

function make(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function words(text) {
  const made = make("p", "text", text);
  made.dir = "auto";
  return made;
}

function say(text, bad = false) {
  $("said").textContent = text;
  $("said").classList.toggle("bad", bad);
}

function teach(lesson) {
  $("lesson").hidden = !lesson;
  $("lesson").className = lesson?.right ? "good" : "bad";
  if (lesson) $("lesson").textContent = (lesson.right ? "Right: " : "Known to be otherwise: ") + lesson.says;
}

function show(found, state, same = false) {
  task = found;
  const p = state.total ? state.done / state.total : 0;
  $("progress").value = p;
  $("count").textContent = `${state.done} of ${state.total}`;
  $("agreement").textContent = agreementTold(state.agreement);
  $("task").hidden = !task;
  $("finished").hidden = !!task;
  const practice = state.practice;
  $("end").textContent = practice?.failed ? "The practice was not passed." : "All done. Thank you.";
  if (practice && practice.done < practice.of) $("count").textContent = `practice, ${practice.done} of ${practice.of}`;
  if (practice?.failed) $("spent").textContent = `${practice.right} of ${practice.of} were right; ${practice.needed} are needed. Please ask whoever sent you here.`;
  else $("spent").textContent = `${state.done} of ${state.total} tasks. So far: ${agreementTold(state.agreement)}.`;
  keys();
  if (!task) return;
  if (!same) {
    since = performance.now();
    const ranked = task.marks.find((m) => m.kind === "rank");
    tiers = ranked && !isDone(task) ? ranked.value : [];
    tied = false;
    writing = null;
    focus = ask === "rank" ? 0 : nextOpen(task.answers.length - 1);
    window.scrollTo(0, 0);
  }
  paint();
}

const two = (x) => x.toFixed(2).replace("-", "−");
function agreementTold(a) {
  if (!a.items) return a.people > 1 ? "no answer in common yet" : "nobody else so far";
  const alpha = a.alpha.mean === null ? "–" : two(a.alpha.mean);
  const between = a.alpha.mean === null ? "" : ` (${two(Math.max(-1, a.alpha.low))} to ${two(a.alpha.high)})`;
  const items = (ask === "rank" ? "pair" : "answer") + (a.items === 1 ? "" : "s");
  return `agreement α ${alpha}${between}, same ${Math.round(100 * a.same.mean)}% of ${a.items} ${items}, ${a.people} people`;
}

function paint() {
  const prompt = task.prompt.map((turn) => {
    const made = make("div", "turn");
    made.append(make("small", "", turn.role), words(turn.text));
    return made;
  });
  $("prompt").replaceChildren(...prompt);
  $("question").textContent = QUESTION[ask];
  $("answers").replaceChildren(...task.answers.map(card));
  $("answers").children[focus]?.scrollIntoView({ block: "nearest" });
  if (writing) writing.field.focus();
}

function card(answer, place) {
  const made = make("article", "answer" + (place === focus && (ask !== "rank" || task.answers.length > 0) ? " focus" : ""));
  const nth = make("button", "nth", String(place + 1));
  nth.tabIndex = -1;
  nth.addEventListener("click", (event) => { if (ask === "rank") { event.stopPropagation(); press(nth.textContent, event); } });
  made.append(nth, words(answer.text));
  const marks = make("div", "marks");
  const tier = tiers.findIndex((t) => t.includes(place));
  if (ask === "rank" && tier >= 0) marks.append(make("span", "chip good", `place ${tier + 1}`));
  for (const m of marksOf("rate", place)) marks.append(make("span", "chip good", `${m.value} of ${SCALE}`));
  for (const m of marksOf("approve", place)) marks.append(make("span", `chip ${m.value ? "good" : "bad"}`, m.value ? "✓ good" : "✗ not good"));
  for (const m of marksOf("edit", place)) marks.append(make("span", "chip wait", `edited: ${m.value.slice(0, 60)}`));
  for (const m of marksOf("flag", place)) marks.append(make("span", "chip bad", `⚑ ${m.value}`));
  made.append(marks);
  if (writing && place === focus) made.append(writing.field);
  made.addEventListener("click", () => { if (!writing) { focus = place; paint(); } });
  return made;
}

function keys() {
  const shown = task ? { ...KEYS[ask], ...ALWAYS } : { u: "undo" };
  $("keys").replaceChildren(...Object.entries(shown).map(([key, about]) => {
    const made = make("button");
    made.tabIndex = -1;
    made.append(make("kbd", "", key), about);
    made.addEventListener("click", (event) => { made.blur(); press(NAMED[key] ?? key, event); });
    return made;
  }));
  $("keys").hidden = false;
}

// ---- what keys do

function rankKey(key) {
  const n = task.answers.length;
  const placed = new Set(tiers.flat());
  const left = [...Array(n).keys()].filter((place) => !placed.has(place));
  if (DIGITS.test(key) && left.includes(Number(key) - 1)) {
    const place = Number(key) - 1;
    if (tied && tiers.length) tiers[tiers.length - 1].push(place);
    else tiers.push([place]);
    tied = false;
    focus = place;
    if (n === 2 && tiers.flat().length === 1) tiers.push([1 - place]);
  } else if (key === "=" && n === 2 && !placed.size) {
    tiers = [[0, 1]];
  } else if (key === "=" && tiers.length) {
    tied = true;
    say("the next one ties with the one before");
    return true;
  } else if (key === "Enter" && left.length === 1 && n > 2) {
    if (tied) tiers[tiers.length - 1].push(left[0]);
    else tiers.push(left);
  } else if (key === "Backspace" && tiers.length) {
    tiers[tiers.length - 1].pop();
    tiers = tiers.filter((tier) => tier.length);
    tied = false;
  } else return false;
  paint();
  if (tiers.flat().length === n) keep();
  return true;
}

async function keep() {
  const ranked = tiers;
  await mark("rank", ranked, null);
  if (task && tiers === ranked) tiers = []; // it was not kept: start the ranking again
  if (task) paint();
}

function valueKey(key) {
  if (ask === "rate" && DIGITS.test(key) && Number(key) <= SCALE) mark("rate", Number(key), focus);
  else if (ask === "approve" && (key === "y" || key === "n")) mark("approve", key === "y", focus);
  else return false;
  return true;
}

function write(kind) {
  const field = make(kind === "edit" ? "textarea" : "input");
  const before = marksOf(kind, focus)[0];
  const answer = task.answers[focus];
  field.value = before ? before.value : kind === "edit" ? (answer.raw ?? answer.text) : "";
  field.setAttribute("aria-label", kind === "edit" ? "A better answer" : "Why is it flagged?");
  if (kind === "flag") field.placeholder = "why? (may stay empty)";
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { writing = null; paint(); }
    else if (event.key === "Enter" && !event.isComposing && (kind === "flag" || event.ctrlKey || event.metaKey)) mark(kind, field.value, focus);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  writing = { kind, field };
  paint();
  say(kind === "edit" ? "Ctrl+Enter keeps it, Escape leaves it" : "Enter keeps it, Escape leaves it");
}

function switchTo(wanted) {
  ask = wanted;
  for (const tab of document.querySelectorAll("[role=tab]")) tab.setAttribute("aria-selected", String(tab.dataset.ask === ask));
  say("");
  once(fetchNext);
}

// A key that comes while the last label is on its way does nothing, and neither do those typed along with it:
// of "f", "r", "u", "d", "e" the "u" alone would undo.
function tooEarly(event) {
  const early = busy || event.timeStamp - lost < BURST_MS;
  if (early) {
    lost = event.timeStamp;
    say("too fast: wait until the last one is kept", true);
  }
  return early;
}

function press(key, event) {
  if (writing || (key.length === 1 && tooEarly(event))) return true;
  const n = task ? task.answers.length : 0;
  if (key === "u") undo();
  else if (!task || busy) return false;
  else if (key === "s") mark("skip", null, null);
  else if (key === "e" || key === "f") write(key === "e" ? "edit" : "flag");
  else if (["ArrowRight", "ArrowDown", "j"].includes(key)) { focus = (focus + 1) % n; paint(); }
  else if (["ArrowLeft", "ArrowUp", "k"].includes(key)) { focus = (focus + n - 1) % n; paint(); }
  else return ask === "rank" ? rankKey(key) : valueKey(key);
  return true;
}

document.addEventListener("keydown", (event) => {
  if (!annotator || writing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const onButton = document.activeElement?.tagName === "BUTTON" && (event.key === "Enter" || event.key === " ");
  if (!onButton && press(event.key, event)) event.preventDefault();
});

// ---- who is labelling

function enter(name) {
  annotator = name.trim();
  if (!annotator) return;
  try { localStorage.setItem(KEPT, annotator); } catch (_) { /* a private window keeps nothing */ }
  const other = make("button", "", "not you?");
  other.addEventListener("click", leave);
  $("who").replaceChildren(annotator, other);
  $("welcome").hidden = true;
  $("desk").hidden = false;
  document.activeElement?.blur();
  once(fetchNext);
}

function leave() {
  try { localStorage.removeItem(KEPT); } catch (_) { /* nothing was kept */ }
  location.reload();
}

for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.addEventListener("click", () => { tab.blur(); switchTo(tab.dataset.ask); });
}
$("enter").addEventListener("submit", (event) => { event.preventDefault(); enter($("name").value); });
try { $("name").value = localStorage.getItem(KEPT) || ""; } catch (_) { /* a private window */ }
$("name").focus();
$("name").select();
