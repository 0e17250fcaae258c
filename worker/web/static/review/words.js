// Where the selection may stop: at words and at signs between them, and, for fine steps, at
// characters as a reader sees them (an emoji or a letter with its accent is one).

const WORDS = new Intl.Segmenter(undefined, { granularity: "word" });
const CHARACTERS = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const NEAR = 64; // units around a place that are looked through for the next character

// All stops of a text, [start, end] each, in order; white space is none.
export function stopsOf(text) {
  const stops = [];
  for (const { segment, index } of WORDS.segment(text)) {
    if (segment.trim() !== "") stops.push([index, index + segment.length]);
  }
  return stops;
}

// The number of the stop at a place; where there is none, that of the one after it, or the last.
export function stopAt(stops, place) {
  let low = 0;
  let high = stops.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (stops[middle][1] > place) high = middle;
    else low = middle + 1;
  }
  return Math.max(low, 0);
}

// The selection after a step of words. step: -1 or 1. extend: move the focus alone, so that whole
// words are selected.
export function byWord(stops, selection, step, extend) {
  if (stops.length === 0) return selection;
  const { anchor, focus } = selection;
  const [start, end] = [Math.min(anchor, focus), Math.max(anchor, focus)];
  if (!extend) {
    let number = stopAt(stops, step > 0 ? end : start);
    const within = stops[number][0] < start && start < stops[number][1];
    if (step < 0 && !within) number--;
    const [from, to] = stops[Math.min(Math.max(number, 0), stops.length - 1)];
    return { anchor: from, focus: to };
  }
  if (anchor <= focus) {
    // the far end lies at the end of a word
    if (step > 0) {
      const next = stops[stopAt(stops, focus)];
      return { anchor, focus: Math.max(focus, next[1]) };
    }
    const last = stopAt(stops, focus - 1);
    if (last > 0 && stops[last - 1][1] > anchor) return { anchor, focus: stops[last - 1][1] };
    // nothing is left on this side: turn round and take the word before the first
    const first = stopAt(stops, anchor);
    if (first === 0) return selection;
    return { anchor: focus, focus: stops[first - 1][0] };
  }
  if (step < 0) {
    const before = stopAt(stops, focus) - 1;
    return before < 0 ? selection : { anchor, focus: stops[before][0] };
  }
  const first = stopAt(stops, focus);
  if (first + 1 < stops.length && stops[first + 1][0] < anchor) {
    return { anchor, focus: stops[first + 1][0] };
  }
  const next = stops[stopAt(stops, anchor)];
  return { anchor: focus, focus: Math.max(anchor, next[1]) };
}

// The selection after a step of one character. Without `extend`, the character itself is selected.
export function byCharacter(text, selection, step, extend) {
  const { anchor, focus } = selection;
  if (extend) return { anchor, focus: step > 0 ? after(text, focus) : before(text, focus) };
  const start = Math.min(anchor, focus);
  const from = step > 0 ? after(text, start) : before(text, start);
  return from >= text.length ? selection : { anchor: from, focus: after(text, from) };
}

// The end of the character that begins at a place.
export function after(text, place) {
  const near = text.slice(place, place + NEAR);
  const [first] = CHARACTERS.segment(near);
  return first ? place + first.segment.length : place;
}

// The beginning of the character that ends at a place.
export function before(text, place) {
  let from = Math.max(place - NEAR, 0);
  if (from > 0 && /[\udc00-\udfff]/.test(text[from])) from--;
  let last = 0;
  for (const { index } of CHARACTERS.segment(text.slice(from, place))) last = index;
  return from + last;
}

// A range without the white space at its ends; the range itself where there is nothing else in it.
export function trimmed(text, start, end) {
  const inner = text.slice(start, end);
  const bare = inner.trim();
  if (bare === "") return { start, end };
  const from = start + inner.indexOf(bare);
  return { start: from, end: from + bare.length };
}
