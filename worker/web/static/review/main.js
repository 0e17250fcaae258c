// Begins the editor of a page, and brings keys, mouse and buttons to it.

import { COMMANDS, commandOf } from "./commands.js";
import { Editor } from "./editor.js";
import { targetsOf } from "./records.js";
import { make } from "./records_view.js";
import { load } from "./server.js";
import { stopAt, trimmed } from "./words.js";

const TOUCH_MS = 400; // after the last change of a selection that a finger makes

// a page that the browser kept would begin from a review that is no longer in force
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());

const root = document.querySelector("#editor");
try {
  const sent = await load(root.dataset.source);
  const editor = new Editor(root, sent);
  rememberReviewer();
  listen(editor);
  fillHelp();
  root.dataset.ready = "true";
  root.querySelector("#text").focus({ preventScroll: true });
} catch (error) {
  const place = root.querySelector("#problem");
  place.textContent = error.message;
  place.hidden = false;
}

function listen(editor) {
  const text = root.querySelector("#text");
  const records = root.querySelector("#records");
  document.addEventListener("keydown", (event) => onKey(editor, text, records, event));
  text.addEventListener("mouseup", (event) => onMouse(editor, event));
  document.addEventListener("selectionchange", () => onTouch(editor));
  text.addEventListener("pointerdown", ({ pointerType }) => (text.dataset.pointer = pointerType));
  records.addEventListener("click", ({ target }) => {
    if (target.closest("button.record")) editor.focusText();
  });
  const act = {
    undo: () => editor.dispatch({ type: "undo" }),
    redo: () => editor.dispatch({ type: "redo" }),
    relation: () => editor.dispatch({ type: "relation", open: !editor.state.active }),
    arguments: () => editor.dispatch({ type: "arguments" }),
    span: () => editor.dispatch({ type: "setSpan" }),
    delete: () => editor.dispatch({ type: "remove" }),
    leave: () => editor.dispatch({ type: "leave" }),
    save: () => editor.save(),
    help: () => root.querySelector("#keys").showModal(),
  };
  for (const [id, action] of Object.entries(act)) {
    const button = root.querySelector(`#${id}`);
    button.addEventListener("mousedown", (event) => event.preventDefault()); // the text keeps the focus
    button.addEventListener("click", action);
  }
  root.querySelector("#keys button").addEventListener("click", () => root.querySelector("#keys").close());
}

function onKey(editor, text, records, event) {
  const field = event.target.closest?.("input:not([type=checkbox]), textarea, select");
  if (event.defaultPrevented || event.isComposing || root.querySelector("dialog[open]")) return;
  if (field) {
    if (event.key === "Escape" || (event.ctrlKey && event.key === "Enter")) editor.focusText();
    else return;
  }
  const inText = text.contains(event.target);
  const inRecords = records.contains(event.target);
  if (inRecords && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    editor.recordsView.step(event.key === "ArrowDown" ? 1 : -1);
    return;
  }
  if (!inText && !root.contains(event.target) && event.target !== document.body) return;
  const meant = commandOf(event, inText);
  if (!meant) return;
  if (meant.key !== undefined) {
    const choice = editor.palette.withKey(meant.key);
    if (!choice) return;
    event.preventDefault();
    editor.choose(choice);
    return;
  }
  event.preventDefault();
  run(editor, meant);
}

function run(editor, meant) {
  const { command } = meant;
  const to = { next: root.dataset.next, previous: root.dataset.previous }[command];
  if (command === "next" || command === "previous") {
    if (to) location.assign(to);
    else editor.say(command === "next" ? "This is the last document" : "This is the first document");
  } else if (command === "save") editor.save();
  else if (command === "help") root.querySelector("#keys").showModal();
  else if (command === "find") editor.palette.field.focus();
  else if (command === "nextRecord") editor.stepRecord(1);
  else if (command === "previousRecord") editor.stepRecord(-1);
  else if (command === "enter") {
    editor.dispatch({ type: editor.state.mode.name === "relation" ? "pick" : "holdHere" });
  } else if (command === "relation" && editor.state.mode.name === "relation") {
    editor.dispatch({ type: "pick" });
  } else if (["relation", "arguments", "setSpan", "remove", "leave", "second", "undo", "redo"].includes(command)) {
    editor.dispatch({ type: command });
    if (editor.state.mode.name === "arguments") editor.focusText();
  } else editor.move(meant);
}

// A click takes the record or the word under it, a drag the words that it covers; where a relation
// is being made, as its next end.
function onMouse(editor, event) {
  const selected = editor.textView.selected();
  if (!selected || event.button !== 0) return;
  const relation = editor.state.mode.name === "relation";
  const start = Math.min(selected.anchor, selected.focus);
  const end = Math.max(selected.anchor, selected.focus);
  if (start !== end) {
    const span = trimmed(editor.text, start, end);
    if (relation) editor.dispatch({ type: "pick", span });
    else editor.dispatch({ type: "select", anchor: span.start, focus: span.end, quiet: true });
    return;
  }
  const mark = event.target.closest("mark");
  if (mark && !relation) {
    onMark(editor, mark.dataset);
    return;
  }
  const stop = editor.stops[stopAt(editor.stops, start)];
  if (!stop) return;
  editor.dispatch({ type: "select", anchor: stop[0], focus: stop[1], quiet: true });
  if (relation) editor.dispatch({ type: "pick" });
}

// A click on a span takes its record; where arguments are asked for, its words alone.
function onMark(editor, { id, argument, part }) {
  const place = argument === undefined ? undefined : Number(argument);
  if (editor.state.mode.name !== "arguments") {
    editor.dispatch({ type: "hold", id: Number(id), argument: place });
    return;
  }
  const record = editor.state.records.find((one) => one.id === Number(id));
  const { start, end } = targetsOf(record).find((one) => one.part === part && one.argument === place);
  editor.dispatch({ type: "select", anchor: start, focus: end, quiet: true });
}

let touched = 0;
function onTouch(editor) {
  if (root.querySelector("#text").dataset.pointer !== "touch") return;
  clearTimeout(touched);
  touched = setTimeout(() => {
    const selected = editor.textView.selected();
    if (!selected || selected.anchor === selected.focus) return;
    const span = trimmed(editor.text, Math.min(selected.anchor, selected.focus), Math.max(selected.anchor, selected.focus));
    const { selection } = editor.state;
    if (selection.anchor === span.start && selection.focus === span.end) return;
    editor.dispatch({ type: "select", anchor: span.start, focus: span.end, quiet: true });
  }, TOUCH_MS);
}

function rememberReviewer() {
  const field = root.querySelector("#reviewer");
  try {
    field.value ||= localStorage.getItem("ruie reviewer") ?? "";
    field.addEventListener("change", () => localStorage.setItem("ruie reviewer", field.value));
  } catch {
    // the browser keeps nothing: the name is asked for on each page
  }
}

function fillHelp() {
  const place = root.querySelector("#keys .listed");
  for (const [title, rows] of COMMANDS) {
    place.append(make("h3", "", title));
    const list = document.createElement("dl");
    for (const [keys, meaning] of rows) list.append(make("dt", "", keys), make("dd", "", meaning));
    place.append(list);
  }
}
