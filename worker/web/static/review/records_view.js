// The list of records beside the text: real buttons in real lists, one of them in the tab order.

import { reviewedTasks } from "./records.js";
import { quoted } from "./state.js";

const GROUPS = [
  { kind: "entity", title: "Entities", types: "entities", task: "NER" },
  { kind: "relation", title: "Relations", types: "relations", task: "RE" },
  { kind: "event", title: "Events", types: "events", task: "ED" },
];

export class RecordsView {
  // onHold: called with the id and the argument of what was chosen. onTask: with a task and whether
  // it was reviewed.
  constructor(element, onHold, onTask) {
    this.element = element;
    this.onHold = onHold;
    this.onTask = onTask;
  }

  render(state) {
    const shown = JSON.stringify([state.records, state.tasks]);
    if (shown !== this.shown) {
      this.shown = shown;
      this.#rebuild(state);
    }
    const buttons = this.buttons();
    const current = buttons.find((button) => isActive(state, button));
    for (const button of buttons) {
      button.tabIndex = button === (current ?? buttons[0]) ? 0 : -1;
      if (button === current) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }

  // Draw the list anew; what had the focus has it again, or what stands in its place now.
  #rebuild(state) {
    const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
    const number = focused ? this.buttons().indexOf(focused) : -1;
    const task = focused?.dataset.task;
    const groups = GROUPS.filter(({ types }) => state.schema[types].length > 0);
    this.quiet = true;
    this.element.replaceChildren(...groups.map((group) => this.#group(group, state)));
    if (task) this.element.querySelector(`[data-task="${task}"]`).focus();
    else if (number >= 0) {
      const buttons = this.buttons();
      const active = buttons.find((button) => isActive(state, button));
      (active ?? buttons[Math.min(number, buttons.length - 1)] ?? this.element).focus();
    }
    this.quiet = false;
  }

  // The record of the button that has the focus: {id, argument?}.
  focused() {
    const { activeElement } = document;
    return activeElement?.matches("button.record") && this.element.contains(activeElement)
      ? recordOf(activeElement)
      : null;
  }

  #group({ kind, title, types, task }, state) {
    const records = state.records.filter((record) => record.kind === kind);
    records.sort((a, b) => startOf(a) - startOf(b));
    const section = make("section", "group");
    const heading = make("h3", "", `${title} (${records.length})`);
    const label = make("label", "task");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = reviewedTasks(state)[task];
    box.dataset.task = task;
    box.setAttribute("aria-label", `${title} are reviewed`);
    box.addEventListener("change", () => this.onTask(task, box.checked));
    label.append(box, " reviewed");
    const head = make("div", "group-head");
    head.append(heading, label);
    section.append(head);
    const why = box.checked ? undefined : state.unanswered[task];
    if (why) section.append(make("p", "unanswered", unanswered(why, records.length > 0)));
    if (records.length === 0) {
      if (!why) section.append(make("p", "soft", "None."));
      return section;
    }
    const list = document.createElement("ul");
    const hues = new Map(state.schema[types].map(({ name, hue }) => [name, hue]));
    for (const record of records) list.append(this.#item(record, state, hues.get(record.type) ?? 0));
    section.append(list);
    return section;
  }

  #item(record, state, hue) {
    const item = document.createElement("li");
    const said =
      record.kind === "relation"
        ? [quote(state, record.head), make("span", "arrow", " → "), quote(state, record.tail)]
        : [quote(state, record)];
    item.append(this.#button(state, record, undefined, record.type, hue, said));
    if (record.arguments?.length) {
      const list = document.createElement("ul");
      record.arguments.forEach((argument, place) => {
        const inner = document.createElement("li");
        inner.append(this.#button(state, record, place, argument.role, hue, [quote(state, argument)]));
        list.append(inner);
      });
      item.append(list);
    }
    return item;
  }

  #button(state, record, argument, name, hue, said) {
    const button = make("button", `record ${argument === undefined ? record.kind : "argument"}`);
    button.type = "button";
    button.tabIndex = -1;
    button.dataset.id = record.id;
    if (argument !== undefined) button.dataset.argument = argument;
    button.style.setProperty("--h", hue);
    button.append(make("span", "type", name), " ", ...said);
    if (argument === undefined && record.source === "person") {
      button.append(" ", make("small", "by", "person"));
    }
    button.addEventListener("focus", () => {
      if (!this.quiet && !button.hasAttribute("aria-current")) this.onHold(record.id, argument);
    });
    return button;
  }

  buttons() {
    return [...this.element.querySelectorAll("button.record")];
  }

  // Move the focus by so many records.
  step(by) {
    const buttons = this.buttons();
    const at = buttons.indexOf(document.activeElement);
    const next = buttons[Math.min(Math.max(at + by, 0), buttons.length - 1)];
    next?.focus();
  }
}

function recordOf({ dataset: { id, argument } }) {
  return argument === undefined ? { id: Number(id) } : { id: Number(id), argument: Number(argument) };
}

function isActive({ active }, button) {
  const { id, argument } = recordOf(button);
  return active?.id === id && active.argument === argument;
}

// Why the model says nothing, or not all: "None" would be a claim that it never made.
function unanswered(why, some) {
  const what = some ? "No answer for a part" : "No answer";
  return why === "not answered yet" && !some ? "Not answered yet." : `${what}: ${why}.`;
}

function startOf(record) {
  return (record.head ?? record).start;
}

function quote(state, span) {
  return make("q", "", quoted(state, span).replace(/\s+/g, " "));
}

export function make(name, className = "", text = "") {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}
