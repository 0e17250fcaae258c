// Choosing a type or a role: a record is added, or the active one is changed.

import { describe, sameSpan } from "./records.js";
import { MARK, changed, quoted, replaced, spanOf } from "./state.js";

// Mark the selection. Words that are marked already, as this kind, get the other type, unless a
// second one was asked for.
export function addRecord(state, { kind, name }) {
  if (kind !== "entity" && kind !== "event") return state;
  const { start, end } = spanOf(state);
  if (start === end || state.text.slice(start, end).trim() === "") {
    return { ...state, said: "Select the words first" };
  }
  const here = state.records.filter((one) => one.kind === kind && sameSpan(one, { start, end }));
  const same = here.find((one) => one.type === name);
  if (same) return entered({ ...state, active: { id: same.id }, said: "It is marked so already" }, same);
  if (here.length > 0 && state.mode.name !== "second") {
    return changeType({ ...state, active: { id: here.at(-1).id } }, { kind, name });
  }
  const record = { id: state.nextId, kind, type: name, start, end, source: "person" };
  if (kind === "event") record.arguments = [];
  const next = changed(state, [...state.records, record], `Added ${describe(state, record)}`, {
    active: { id: record.id },
    mode: MARK,
    nextId: record.id + 1,
  });
  return entered(next, record);
}

// After an event was marked its arguments are asked for, if it may have any.
function entered(state, record) {
  if (record.kind !== "event") return state;
  const roles = state.schema.events.find(({ name }) => name === record.type)?.roles ?? [];
  if (roles.length === 0) return state;
  const said = `${state.said}. Now its arguments: select one, then its role.`;
  return { ...state, active: null, mode: { name: "arguments", event: record.id }, said };
}

// Give the active record the chosen type, or the active argument the chosen role. Null where the
// choice is of another kind.
export function changeType(state, { kind, name }) {
  const { active } = state;
  const record = state.records.find((one) => one.id === active.id);
  if (!record) return null;
  if (kind === "role" && active.argument !== undefined) {
    const listed = record.arguments.map((one, place) =>
      place === active.argument ? { ...one, role: name } : one,
    );
    return replaced(state, record, { arguments: listed }, `Changed to ${name}`);
  }
  if (record.kind !== kind || active.argument !== undefined) return null;
  if (record.type === name) return { ...state, said: `It is ${name} already` };
  const said = `Changed from ${record.type} to ${name}`;
  if (twin(state, { ...record, type: name })) {
    return { ...state, said: `There is a ${name} with these words already` };
  }
  if (kind !== "event") return replaced(state, record, { type: name }, said);
  const roles = state.schema.events.find((type) => type.name === name)?.roles ?? [];
  const kept = record.arguments.filter(({ role }) => roles.some((one) => one.name === role));
  const lost = record.arguments.length - kept.length;
  const without = lost ? `, without ${lost} of its arguments, whose roles it has not` : "";
  return replaced(state, record, { type: name, arguments: kept }, said + without);
}

function twin(state, record) {
  const same =
    record.kind === "relation"
      ? (one) => sameSpan(one.head, record.head) && sameSpan(one.tail, record.tail)
      : (one) => sameSpan(one, record);
  return state.records.some(
    (one) => one.id !== record.id && one.kind === record.kind && one.type === record.type && same(one),
  );
}

// Give the event whose arguments are asked for the selection as one.
export function addArgument(state, { kind, name }) {
  if (kind !== "role") return state;
  const event = state.records.find((one) => one.id === state.mode.event);
  const { start, end } = spanOf(state);
  if (start === end) return { ...state, said: "Select the words first" };
  if (event.arguments.some((one) => one.role === name && sameSpan(one, { start, end }))) {
    return { ...state, said: "It is there already" };
  }
  const listed = [...event.arguments, { role: name, start, end }];
  const said = `Added ${name} ${quoted(state, { start, end })}, of ${event.type}`;
  return replaced(state, event, { arguments: listed }, said);
}
