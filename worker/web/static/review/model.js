// The state of the editor and what changes it: `reduce(state, action)` gives a new state and touches
// nothing else. Offsets are UTF-16 units (offsets.js).
//
// records: {id, kind: "entity" | "event", type, start, end, arguments?: [{role, start, end}]} and
// {id, kind: "relation", type, head: {start, end}, tail: {start, end}}.
// selection: {anchor, focus}. active: {id, argument?}, what a type's key changes, or null.
// mode: {name: "mark" | "second"}, {name: "relation", head?, tail?}, {name: "arguments", event}.
// lastHeld: the record that was active before. tasks: which were reviewed, by
// name; null: nobody said, and the model gave no answer. unanswered: why it gave none, by task.
// said: what a screen reader is told of the last action; saidCount: counts what was said.

import { removeActive, setSpan } from "./changing.js";
import { addArgument, addRecord, changeType } from "./marking.js";
import { describe, sameSpan, targetsAt } from "./records.js";
import { MARK, changed, quoted, spanOf } from "./state.js";

export function initial(text, schema, records, tasks, unanswered = {}) {
  return {
    text,
    schema,
    records,
    tasks,
    unanswered,
    selection: { anchor: 0, focus: 0 },
    active: null,
    lastHeld: null,
    mode: MARK,
    past: [],
    future: [],
    said: "",
    saidCount: 0,
    nextId: records.reduce((most, record) => Math.max(most, record.id), 0) + 1,
  };
}

export function reduce(state, action) {
  const step = STEPS[action.type];
  if (!step) throw new Error(`there is no action ${action.type}`);
  const silent = { ...state, said: "" };
  const next = step(silent, action);
  if (next === silent) return state;
  return next.said ? { ...next, saidCount: state.saidCount + 1 } : { ...next, said: state.said };
}

const STEPS = {
  // Move the selection. quiet: it comes from a mouse, whose owner sees it.
  select(state, { anchor, focus, quiet }) {
    const mode = state.mode.name === "second" ? MARK : state.mode;
    const lastHeld = state.active?.id ?? state.lastHeld;
    const next = { ...state, selection: { anchor, focus }, active: null, lastHeld, mode };
    return quiet ? next : { ...next, said: sayingOf(next) };
  },

  // Make a record the active one and select its words. quiet: say nothing.
  hold(state, { id, argument, quiet }) {
    const record = state.records.find((one) => one.id === id);
    if (!record) return state;
    const target = argument === undefined ? (record.head ?? record) : record.arguments[argument];
    const mode = state.mode.name === "second" ? MARK : state.mode;
    return {
      ...state,
      active: argument === undefined ? { id } : { id, argument },
      selection: { anchor: target.start, focus: target.end },
      mode,
      said: quiet ? "" : describe(state, record, argument),
    };
  },

  // The next of the records at the selection, from the innermost on; after the last, the first.
  holdHere(state) {
    const here = targetsAt(state.records, spanOf(state));
    if (here.length === 0) return { ...state, said: "No record here" };
    const at = here.findIndex(
      ({ id, argument }) => id === state.active?.id && argument === state.active?.argument,
    );
    const { id, argument } = here[(at + 1) % here.length];
    return STEPS.hold(state, { id, argument });
  },

  // A type or role was chosen.
  choose(state, { choice }) {
    if (state.mode.name === "relation") return finishRelation(state, choice);
    if (state.mode.name === "arguments") return addArgument(state, choice);
    if (state.mode.name === "mark" && state.active) {
      const next = changeType(state, choice);
      if (next) return next;
    }
    return addRecord(state, choice);
  },

  second(state) {
    return { ...state, mode: { name: "second" }, active: null, said: "Choose a second type" };
  },

  remove(state) {
    if (state.active) return removeActive(state);
    const [innermost] = targetsAt(state.records, spanOf(state));
    if (!innermost) return { ...state, said: "No record here to delete" };
    return removeActive(STEPS.hold(state, innermost));
  },

  setSpan,

  // Begin a relation: from the active record or the selection, unless neither has words. Of an
  // active relation: exchange head and tail.
  relation(state, { open }) {
    const active = state.records.find((one) => one.id === state.active?.id);
    if (active?.kind === "relation" && !open) return turnRound(state, active);
    if (state.schema.relations.length === 0) {
      return { ...state, said: "The schema has no relations" };
    }
    const started = { ...state, mode: { name: "relation" }, active: null };
    return open
      ? { ...started, said: "Relation: choose its head" }
      : STEPS.pick({ ...started, active: state.active }, {});
  },

  // Take an end of the relation that was begun: of a record, or at the selection the innermost
  // entity or trigger, or the selected words themselves. span: those words, whatever is there.
  pick(state, { span }) {
    const { mode } = state;
    if (mode.name !== "relation" || mode.tail) return state;
    const end = span ?? endAt(state);
    if (end.start === end.end) return { ...state, said: "Select the words first" };
    const picked = { start: end.start, end: end.end };
    const selection = { anchor: picked.start, focus: picked.end };
    if (!mode.head) {
      const said = `Relation from ${quoted(state, picked)}. Choose its tail.`;
      return { ...state, active: null, selection, mode: { name: "relation", head: picked }, said };
    }
    const ready = { ...state, active: null, selection, mode: { ...mode, tail: picked } };
    const { relations } = state.schema;
    if (relations.length === 1) return finishRelation(ready, relations[0]);
    return { ...ready, said: `To ${quoted(state, picked)}. Choose the type of the relation.` };
  },

  // Give the event at the selection, or the active one, further arguments.
  arguments(state) {
    const here = targetsAt(state.records, spanOf(state));
    const id =
      state.records.find((one) => one.id === state.active?.id && one.kind === "event")?.id ??
      here.find((target) => target.kind === "event" && target.argument === undefined)?.id;
    const event = state.records.find((one) => one.id === id);
    if (!event) return { ...state, said: "Go to an event first: arguments belong to one" };
    const roles = state.schema.events.find(({ name }) => name === event.type)?.roles ?? [];
    if (roles.length === 0) return { ...state, said: `${event.type} has no arguments` };
    const said = `Arguments of ${event.type} ${quoted(state, event)}. Select one, then its role.`;
    return { ...state, mode: { name: "arguments", event: id }, active: null, said };
  },

  leave(state) {
    if (state.mode.name === "mark") return { ...state, active: null, said: sayingOf(state) };
    return { ...state, mode: MARK, active: null, said: "Back to marking" };
  },

  undo(state) {
    const last = state.past.at(-1);
    if (!last) return { ...state, said: "Nothing to undo" };
    return {
      ...back(state, last.records),
      past: state.past.slice(0, -1),
      future: [{ records: state.records, said: last.said }, ...state.future],
      said: `Undone: ${last.said}`,
    };
  },

  redo(state) {
    const [next, ...future] = state.future;
    if (!next) return { ...state, said: "Nothing to redo" };
    return {
      ...back(state, next.records),
      past: [...state.past, { records: state.records, said: next.said }],
      future,
      said: `Done again: ${next.said}`,
    };
  },

  // Put other records in the place of these, as a change like any other.
  load(state, { records, said }) {
    let id = state.nextId;
    const renumbered = records.map((record) => ({ ...record, id: id++ }));
    return changed(state, renumbered, said, { active: null, mode: MARK, nextId: id });
  },

  task(state, { task, on }) {
    return { ...state, tasks: { ...state.tasks, [task]: on } };
  },

  say(state, { said }) {
    return { ...state, said };
  },
};

function back(state, records) {
  const known = (id) => records.some((record) => record.id === id);
  const lost = state.mode.name === "arguments" && !known(state.mode.event);
  return { ...state, records, active: null, mode: lost ? MARK : state.mode };
}

function finishRelation(state, { name }) {
  const { head, tail } = state.mode;
  if (!head || !tail) return state;
  const next = { ...state, mode: MARK };
  const same = next.records.find(
    (r) => r.kind === "relation" && r.type === name && sameSpan(r.head, head) && sameSpan(r.tail, tail),
  );
  if (same) return { ...next, active: { id: same.id }, said: "This relation is there already" };
  const record = { id: next.nextId, kind: "relation", type: name, head, tail, source: "person" };
  const said = `Added ${describe(next, record)}`;
  return changed(next, [...next.records, record], said, {
    active: { id: record.id },
    nextId: record.id + 1,
  });
}

function turnRound(state, relation) {
  const turned = { ...relation, head: relation.tail, tail: relation.head, source: "person" };
  const records = state.records.map((one) => (one.id === relation.id ? turned : one));
  return changed(state, records, `Turned round: ${describe(state, turned)}`);
}

function endAt(state) {
  const active = state.records.find((one) => one.id === state.active?.id);
  if (active && state.active.argument !== undefined) return active.arguments[state.active.argument];
  if (active && active.kind !== "relation") return active;
  const span = spanOf(state);
  return targetsAt(state.records, span).find(({ kind }) => kind !== "relation") ?? span;
}

// The selected words, and what they are part of.
function sayingOf(state) {
  const span = spanOf(state);
  if (span.start === span.end) return "";
  const here = targetsAt(state.records, span).map(({ label }) => label);
  return [quoted(state, span), ...new Set(here)].join(", ");
}
