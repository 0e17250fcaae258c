// The keys and what they do: the table that the help shows, and the way from an event to a command.

export const COMMANDS = [
  ["In the text", [
    ["← →", "Word by word; with Alt, character by character"],
    ["↑ ↓", "Line by line"],
    ["Home End", "First and last word of the line; with Ctrl, of the text"],
    ["Shift + these", "Extend the selection"],
    [". ,", "Next and previous record in the text"],
    ["Enter", "Take the record here; again, the next one that overlaps it"],
  ]],
  ["Marking", [
    ["1 2 3 … letters", "Mark the selection as that type, or give the record that type"],
    ["/", "Find a type by its name"],
    ["+", "Give the same words a second type: + and its key"],
    ["x", "Change the words of a record: select the right ones, then x"],
    ["Delete", "Delete the record"],
    ["r", "Relation: r on the head, r on the tail, then its type; on a relation, turn it round"],
    ["a", "Arguments of the event: select one, then its role's key"],
    ["Escape", "Leave what was begun"],
    ["Ctrl + Z", "Undo; with Shift, or Ctrl + Y, do it again"],
  ]],
  ["Documents", [
    ["s or Ctrl + Enter", "Save the review and go on"],
    ["n p", "Next and previous document, without saving (a draft is kept)"],
    ["Tab", "Between the text, the records and the buttons"],
    ["↑ ↓", "In the list of records: from one to the next; Enter goes to its words"],
    ["?", "These keys"],
  ]],
];

const PLAIN = {
  r: "relation", a: "arguments", x: "setSpan", s: "save", n: "next", p: "previous",
  "/": "find", "?": "help", "+": "second", ".": "nextRecord", ",": "previousRecord",
  Delete: "remove", Backspace: "remove", Escape: "leave",
};
const CONTROLLED = { z: "undo", y: "redo", Enter: "save" };
const ARROWS = {
  ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", Home: "home", End: "end",
};
const ON_CODES = { Period: ".", Comma: ",", Slash: "/" };

// What a key press means: {command, extend, fine, far} or {key}, that of a type; null: nothing.
// inText: whether the text has the focus.
export function commandOf(event, inText) {
  const { key, shiftKey: extend, altKey: fine } = event;
  const far = event.ctrlKey || event.metaKey;
  if (inText && key in ARROWS) return { command: ARROWS[key], extend, fine, far };
  if (far) {
    const command = CONTROLLED[key.length === 1 ? letterOf(event) : key];
    if (fine || !command) return null;
    return { command: command === "undo" && extend ? "redo" : command };
  }
  if (fine) return null;
  if (inText && key === "Enter") return { command: "enter" };
  if (key in PLAIN) return { command: PLAIN[key] };
  const typed = letterOf(event);
  if (typed in PLAIN) return { command: PLAIN[typed] };
  return /^[0-9a-z]$/.test(typed) ? { key: typed } : null;
}

// The Latin letter or digit of a key, on keyboards of other scripts too, by its place; digits also
// where they need Shift.
function letterOf({ key, code = "", shiftKey }) {
  if (/^[0-9a-z]$/i.test(key)) return key.toLowerCase();
  const place = /^(?:Key|Digit|Numpad)([0-9A-Z])$/.exec(code);
  const latin = key.length === 1 && key.charCodeAt(0) < 0x250;
  if (place && (code.startsWith("Digit") ? !shiftKey || latin : !latin)) return place[1].toLowerCase();
  return latin || shiftKey ? key : (ON_CODES[code] ?? key);
}
