// Draws the text with its spans. The browser's own selection is the editor's: it is visible in every
// theme, a mouse and a finger make it, and a screen reader knows it.

import { blockAt, blocksOf, drawn, marksOf, piecesOf } from "./pieces.js";

const LINES = 6; // how far to look for a line above or below

export class TextView {
  constructor(element, text) {
    this.element = element;
    this.text = text;
    this.blocks = blocksOf(text);
    this.drawnAs = [];
    this.nodes = this.blocks.map((_, number) => {
      const node = document.createElement("div");
      node.className = "block";
      node.dir = "auto";
      node.dataset.block = number;
      return node;
    });
    element.replaceChildren(...this.nodes);
  }

  // Draw those blocks anew whose spans have changed.
  render(state) {
    const marks = marksOf(state).sort((a, b) => a.start - b.start);
    const byBlock = this.blocks.map(() => []);
    for (const mark of marks) {
      const last = blockAt(this.blocks, mark.end - 1);
      for (let at = blockAt(this.blocks, mark.start); at <= last; at++) byBlock[at]?.push(mark);
    }
    this.blocks.forEach((block, number) => {
      const key = byBlock[number]
        .map((m) => [m.id, m.part, m.start, m.end, m.tag, m.label, m.hue, m.active].join(" "))
        .join("|");
      if (this.drawnAs[number] === key) return;
      this.drawnAs[number] = key;
      const pieces = piecesOf(block, byBlock[number]).flatMap((piece) => this.#piece(piece));
      this.nodes[number].replaceChildren(...pieces);
    });
  }

  #piece({ start, end, covers, endings }) {
    let inner = drawn(this.text.slice(start, end)).map((part) => {
      if (typeof part === "string") return document.createTextNode(part);
      const sign = document.createElement("span");
      sign.className = "control";
      sign.title = `The character ${part.code}, which is not drawn as it is`;
      sign.textContent = part.sign;
      return sign;
    });
    covers.forEach((mark, depth) => {
      const node = document.createElement("mark");
      node.className = `${mark.kind}${depth ? ` deep${Math.min(depth, 3)}` : ""}${mark.active ? " active" : ""}`;
      node.style.setProperty("--h", mark.hue);
      node.dataset.id = mark.id;
      node.dataset.part = mark.part;
      if (mark.argument !== undefined) node.dataset.argument = mark.argument;
      node.title = covers.map(({ label }) => label).join("\n");
      node.append(...inner);
      inner = [node];
    });
    const tags = endings.filter(({ tag }) => tag).map((mark) => {
      const node = document.createElement("span");
      node.className = `marker ${mark.kind}`;
      node.dataset.tag = mark.tag; // drawn by the style sheet: it is no part of the text
      node.style.setProperty("--h", mark.hue);
      return node;
    });
    return [...inner, ...tags];
  }

  // Show the state's selection as the browser's.
  select({ selection: { anchor, focus } }) {
    if (this.blocks.length === 0) return;
    const [a, f] = [this.#position(anchor, anchor > focus), this.#position(focus, focus >= anchor)];
    const current = getSelection();
    if (current.anchorNode === a[0] && current.anchorOffset === a[1] &&
        current.focusNode === f[0] && current.focusOffset === f[1]) return;
    current.setBaseAndExtent(...a, ...f);
  }

  // Where a place is in the page. end: as the end of a range.
  #position(place, end) {
    const number = blockAt(this.blocks, end ? Math.max(place - 1, 0) : place);
    const walker = document.createTreeWalker(this.nodes[number], NodeFilter.SHOW_TEXT);
    let at = this.blocks[number].start;
    let last = null;
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const next = at + node.data.length;
      if (place < next || (end && place === next)) return [node, place - at];
      last = node;
      at = next;
    }
    return last ? [last, last.data.length] : [this.nodes[number], 0];
  }

  // The place in the text of a position in the page; null outside.
  placeOf(node, offset) {
    const element = node instanceof Element ? node : node?.parentElement;
    const block = element?.closest(".block");
    if (!block || !this.element.contains(block)) {
      if (node !== this.element) return null;
      return this.blocks[offset]?.start ?? this.text.length; // between blocks
    }
    const range = document.createRange();
    range.setStart(block, 0);
    range.setEnd(node, offset);
    return this.blocks[Number(block.dataset.block)].start + range.toString().length;
  }

  // The browser's selection as places, if it lies in the text.
  selected() {
    const current = getSelection();
    if (current.rangeCount === 0) return null;
    const anchor = this.placeOf(current.anchorNode, current.anchorOffset);
    const focus = this.placeOf(current.focusNode, current.focusOffset);
    return anchor === null || focus === null ? null : { anchor, focus };
  }

  rectOf(start, end) {
    const range = document.createRange();
    range.setStart(...this.#position(start, false));
    range.setEnd(...this.#position(end, true));
    return range;
  }

  isRightToLeft(place) {
    const node = this.nodes[blockAt(this.blocks, place)];
    return node !== undefined && getComputedStyle(node).direction === "rtl";
  }

  // The place a line further, beside `x` in the page. step: -1 or 1.
  line({ selection: { focus } }, step, x) {
    const from = focus > 0 ? this.rectOf(focus - 1, focus) : this.rectOf(0, 1);
    const box = from.getBoundingClientRect();
    const high = parseFloat(getComputedStyle(this.element).lineHeight) || 24;
    this.show(focus, step * high * 2);
    const moved = from.getBoundingClientRect().top - box.top;
    const column = x ?? box.right;
    for (let lines = 1; lines <= LINES; lines++) {
      const y = box.top + moved + box.height / 2 + step * lines * high;
      const found = caretAt(column, y);
      const place = found && this.placeOf(...found);
      if (place !== null && place !== undefined) return { place, x: column };
    }
    return { place: step > 0 ? this.text.length : 0, x: column };
  }

  // Scroll so that a place can be seen, with so many pixels above (negative) or below it.
  show(place, margin = 0) {
    if (this.text.length === 0) return;
    const at = Math.min(place, this.text.length - 1);
    const box = this.rectOf(at, at + 1).getBoundingClientRect();
    const frame = this.element.getBoundingClientRect();
    const top = box.top + Math.min(margin, 0);
    const bottom = box.bottom + Math.max(margin, 0);
    if (top < frame.top) this.element.scrollTop -= frame.top - top + 8;
    else if (bottom > frame.bottom) this.element.scrollTop += bottom - frame.bottom + 8;
    const seen = this.rectOf(at, at + 1).getBoundingClientRect();
    if (seen.top < 0 || seen.bottom > innerHeight) {
      scrollBy(0, seen.top < 0 ? seen.top - 60 : seen.bottom - innerHeight + 60);
    }
  }
}

function caretAt(x, y) {
  if (document.caretPositionFromPoint) {
    const found = document.caretPositionFromPoint(x, y);
    return found && [found.offsetNode, found.offset];
  }
  const range = document.caretRangeFromPoint?.(x, y);
  return range && [range.startContainer, range.startOffset];
}
