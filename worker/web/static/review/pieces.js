// How a text is cut for drawing: into blocks (lines, and parts of very long ones), and these where
// a span begins or ends. A piece names every span that covers it, so that spans may nest and overlap.

import { targetsOf } from "./records.js";

const LONGEST = 4000; // units of a block: one that changes is drawn anew

// Characters that would turn the text around, hide parts of it, or are not drawn at all; each is
// one unit. A carriage return before a line feed is left out of it.
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc]/g;

export function blocksOf(text) {
  const blocks = [];
  let start = 0;
  while (start < text.length) {
    const newline = text.indexOf("\n", start);
    let end = newline < 0 ? text.length : newline + 1;
    if (end - start > LONGEST) {
      const space = text.lastIndexOf(" ", start + LONGEST);
      end = space > start ? space + 1 : start + LONGEST;
      if (/[\udc00-\udfff]/.test(text[end])) end++;
    }
    blocks.push({ start, end });
    start = end;
  }
  return blocks;
}

// The number of the block that has a place.
export function blockAt(blocks, place) {
  let low = 0;
  let high = blocks.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (blocks[middle].start <= place) low = middle;
    else high = middle - 1;
  }
  return low;
}

// All spans to draw, with the hue of their type.
export function marksOf({ records, schema, active }) {
  const hues = new Map();
  for (const kind of ["entities", "relations", "events"]) {
    for (const { name, hue } of schema[kind]) hues.set(`${kind} ${name}`, hue);
  }
  const listOf = { entity: "entities", relation: "relations", event: "events" };
  return records.flatMap((record) =>
    targetsOf(record).map((target) => ({
      ...target,
      hue: hues.get(`${listOf[record.kind]} ${record.type}`) ?? 0,
      tag: tagOf(target, record),
      active: active?.id === record.id && (active.argument === undefined || active.argument === target.argument),
    })),
  );
}

// What stands behind a span: its type or role; at the ends of relations nothing.
function tagOf(target, record) {
  if (target.kind === "relation") return "";
  return target.kind === "argument" ? record.arguments[target.argument].role : record.type;
}

// The pieces of a block: {start, end, covers, endings}; covers: the shortest first.
export function piecesOf({ start, end }, marks) {
  const here = marks.filter((mark) => mark.start < end && start < mark.end);
  const inside = here.flatMap((mark) => [mark.start, mark.end]).filter((at) => start < at && at < end);
  const cuts = [...new Set([start, ...inside, end])].sort((a, b) => a - b);
  return cuts.slice(1).map((to, place) => {
    const from = cuts[place];
    const covers = here
      .filter((mark) => mark.start < to && from < mark.end)
      .sort((a, b) => a.end - a.start - (b.end - b.start));
    return { start: from, end: to, covers, endings: covers.filter((mark) => mark.end === to) };
  });
}

// A piece's text as it is drawn: strings, and {sign, code} for what must not be drawn as it is. As
// many units as the text has.
export function drawn(text) {
  const parts = [];
  let from = 0;
  for (const { 0: found, index } of text.matchAll(CONTROL)) {
    if (found === "\r" && text[index + 1] === "\n") continue;
    if (index > from) parts.push(text.slice(from, index));
    parts.push({ sign: signOf(found), code: codeOf(found) });
    from = index + 1;
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts.map((part) => (typeof part === "string" ? part.replaceAll("\r", " ") : part));
}

function signOf(character) {
  const code = character.charCodeAt(0);
  return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "\u2421" : "\ufffd";
}

function codeOf(character) {
  return `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}
