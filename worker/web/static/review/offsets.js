// Offsets: ruie counts Unicode characters (code points), JavaScript counts UTF-16 units.
// Everything in this folder counts units; what comes from the server or goes to it passes here.

export class Offsets {
  constructor(text) {
    this.length = text.length;
    this.pairs = []; // where, in characters, those are that take two units
    let characters = 0;
    for (let unit = 0; unit < text.length; unit++, characters++) {
      if (isPair(text, unit)) {
        this.pairs.push(characters);
        unit++;
      }
    }
    this.characters = characters;
  }

  // The unit at which a character begins.
  toUnits(character) {
    return character + countBelow(this.pairs, (at) => at < character);
  }

  // The number of characters before a unit; in the middle of a pair, those before the pair.
  toCharacters(unit) {
    return unit - countBelow(this.pairs, (at, place) => at + place < unit);
  }
}

function isPair(text, unit) {
  const first = text.charCodeAt(unit);
  const second = text.charCodeAt(unit + 1);
  return first >= 0xd800 && first <= 0xdbff && second >= 0xdc00 && second <= 0xdfff;
}

// How many entries, from the first on, `holds`: they come before all of which it does not hold.
function countBelow(sorted, holds) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(sorted[middle], middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

// A document's records as the server sends them, as records of the model (model.js).
export function fromServer(sent, text, offsets = new Offsets(text)) {
  const span = (raw) => ({ start: offsets.toUnits(raw.start), end: offsets.toUnits(raw.end) });
  const records = [];
  const add = (record) => records.push({ id: records.length + 1, ...record });
  for (const e of sent.entities ?? []) {
    add({ kind: "entity", type: e.type, ...span(e), source: e.source });
  }
  for (const r of sent.relations ?? []) {
    add({ kind: "relation", type: r.type, head: span(r.head), tail: span(r.tail), source: r.source });
  }
  for (const v of sent.events ?? []) {
    const listed = v.arguments.map((a) => ({ role: a.role, ...span(a) }));
    add({ kind: "event", type: v.type, ...span(v.trigger), arguments: listed, source: v.source });
  }
  return records;
}

// The records of the tasks that were reviewed, as the server takes them.
export function toServer(records, tasks, text, offsets = new Offsets(text)) {
  const span = ({ start, end }) => ({
    text: text.slice(start, end),
    start: offsets.toCharacters(start),
    end: offsets.toCharacters(end),
  });
  const of = (kind) => records.filter((record) => record.kind === kind);
  const sent = {};
  if (tasks.NER) sent.entities = of("entity").map((e) => ({ type: e.type, ...span(e) }));
  if (tasks.RE) {
    sent.relations = of("relation").map((r) => ({
      type: r.type,
      head: span(r.head),
      tail: span(r.tail),
    }));
  }
  if (tasks.ED) {
    sent.events = of("event").map((v) => ({
      type: v.type,
      trigger: span(v),
      arguments: v.arguments.map((a) => ({ role: a.role, ...span(a) })),
    }));
  }
  return sent;
}
