// Deleting the active record, and giving a record other words.

import { describe, sameSpan, targetsAt, targetsOf } from "./records.js";
import { MARK, changed, quoted, replaced, spanOf } from "./state.js";

export function removeActive(state) {
  const { id, argument } = state.active;
  const record = state.records.find((one) => one.id === id);
  const said = `Deleted ${describe(state, record, argument)}`;
  if (argument !== undefined) {
    const listed = record.arguments.filter((_, place) => place !== argument);
    return replaced(state, record, { arguments: listed }, said, { active: { id } });
  }
  const mode = state.mode.name === "arguments" && state.mode.event === id ? MARK : state.mode;
  const records = state.records.filter((one) => one.id !== id);
  return changed(state, records, said, { active: null, mode });
}

// The record that the selection overlaps takes the selected words: of several, the entity or event
// that was active last, else the one that shares most with it. Other records' spans that were equal to it
// (the ends of relations, arguments) go with it.
export function setSpan(state) {
  const span = spanOf(state);
  const here = targetsAt(state.records, span);
  if (span.start === span.end || here.length === 0) {
    return { ...state, said: "Select words that overlap a record first" };
  }
  const shared = ({ start, end }) => Math.min(end, span.end) - Math.max(start, span.start);
  const target =
    here.find(({ id, kind }) => kind !== "relation" && id === (state.active?.id ?? state.lastHeld)) ??
    here.reduce((best, one) => (shared(one) > shared(best) ? one : best));
  const from = { start: target.start, end: target.end };
  if (sameSpan(from, span)) return { ...state, said: "It has these words already" };
  const alone = target.kind === "argument" || target.kind === "relation";
  const moved = alone
    ? new Set([`${target.id} ${target.part} ${target.argument}`])
    : new Set(state.records.flatMap(targetsOf).filter((t) => sameSpan(t, from) && goesAlong(t, target))
        .map((t) => `${t.id} ${t.part} ${t.argument}`));
  const records = state.records.map((record) => withSpan(record, moved, span));
  const others = moved.size - 1;
  const along = others ? `, and ${others} that had the same words` : "";
  const said = `${target.label}: from ${quoted(state, from)} to ${quoted(state, span)}${along}`;
  const active = target.argument === undefined ? { id: target.id } : { id: target.id, argument: target.argument };
  return changed(state, records, said, { active });
}

// Another entity or trigger with the same words stays as it is.
function goesAlong(other, target) {
  return other.id === target.id || other.kind === "relation" || other.kind === "argument";
}

function withSpan(record, moved, { start, end }) {
  const goes = (part, argument) => moved.has(`${record.id} ${part} ${argument}`);
  if (record.kind === "relation") {
    const head = goes("head") ? { start, end } : record.head;
    const tail = goes("tail") ? { start, end } : record.tail;
    return head === record.head && tail === record.tail ? record : { ...record, head, tail, source: "person" };
  }
  const next = goes("span") ? { ...record, start, end, source: "person" } : record;
  if (!next.arguments?.some((_, place) => goes("argument", place))) return next;
  const listed = next.arguments.map((one, place) => (goes("argument", place) ? { ...one, start, end } : one));
  return { ...next, arguments: listed, source: "person" };
}
