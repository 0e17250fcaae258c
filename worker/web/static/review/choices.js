// What can be chosen at the moment, and by which key: the types of the schema, or an event's roles.

import { quoted } from "./state.js";

const DIGITS = "123456789";
const LETTERS = "bcdefghijklmotuvwyz"; // without the letters of commands.js

// The choices of a state: {kind, name, description, hue, key}; kind: entity, event, relation, role.
export function choicesOf(state) {
  const { schema, mode } = state;
  if (mode.name === "relation") {
    return mode.tail ? keyed(listed("relation", schema.relations)) : [];
  }
  if (mode.name === "arguments") return roleChoices(state, mode.event);
  const active = state.records.find((record) => record.id === state.active?.id);
  if (active?.kind === "relation") return keyed(listed("relation", schema.relations));
  if (active?.kind === "event" && state.active.argument !== undefined) {
    return roleChoices(state, active.id);
  }
  return keyed([...listed("entity", schema.entities), ...listed("event", schema.events)]);
}

// The words that stand over the choices: what choosing one does.
export function promptOf(state) {
  const { mode } = state;
  if (mode.name === "relation") {
    if (!mode.head) return "Relation: choose its head";
    if (!mode.tail) return `Relation from “${quoted(state, mode.head)}”: choose its tail`;
    return `Relation from “${quoted(state, mode.head)}” to “${quoted(state, mode.tail)}”: its type`;
  }
  if (mode.name === "arguments") {
    const event = state.records.find((record) => record.id === mode.event);
    return `Arguments of ${event.type} “${quoted(state, event)}”: select one, then its role`;
  }
  if (mode.name === "second") return "A second type for the same words";
  const active = state.records.find((record) => record.id === state.active?.id);
  if (!active) return "Mark the selection as";
  if (state.active.argument !== undefined) return "Change the role to";
  return "Change the type to";
}

function roleChoices(state, id) {
  const event = state.records.find((record) => record.id === id);
  const type = state.schema.events.find(({ name }) => name === event?.type);
  return keyed(
    (type?.roles ?? []).map((role) => ({ kind: "role", hue: type.hue, ...role })),
  );
}

function listed(kind, types) {
  return types.map((type) => ({ kind, ...type }));
}

// Digits first; then a letter of the name, or any that is free. What has no key left is found by
// its name (the key `/`).
function keyed(choices) {
  const free = new Set(LETTERS);
  return choices.map((choice, place) => {
    if (place < DIGITS.length) return { ...choice, key: DIGITS[place] };
    const own = [...choice.name.toLowerCase()].find((letter) => free.has(letter));
    const key = own ?? [...free][0] ?? "";
    free.delete(key);
    return { ...choice, key };
  });
}
