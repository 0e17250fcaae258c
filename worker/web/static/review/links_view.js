// Lines over the text that join the parts of the active record: a relation's head to its tail, an
// event to its arguments. They repeat what the list says, so a screen reader is told nothing of them.

const SVG = "http://www.w3.org/2000/svg";
const HEAD = 5; // pixels of an arrow's head

export class LinksView {
  // text: a TextView, whose element the lines lie in and scroll with.
  constructor(text) {
    this.text = text;
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("aria-hidden", "true");
    this.svg.classList.add("links");
    text.element.append(this.svg);
    new ResizeObserver(() => this.state && this.render(this.state)).observe(text.element);
  }

  render(state) {
    this.state = state;
    this.svg.replaceChildren();
    const record = state.records.find((one) => one.id === state.active?.id);
    const links = record ? linksOf(record, state.active.argument) : [];
    const { element } = this.text;
    // as large as all of the text, once the former size is not in the way
    this.svg.setAttribute("width", 0);
    this.svg.setAttribute("height", 0);
    if (links.length === 0) return;
    this.svg.setAttribute("width", element.scrollWidth);
    this.svg.setAttribute("height", element.scrollHeight);
    const frame = element.getBoundingClientRect();
    const at = ({ start, end }) => {
      const box = this.text.rectOf(start, end).getClientRects()[0];
      return box && {
        x: box.left + box.width / 2 - frame.left - element.clientLeft + element.scrollLeft,
        top: box.top - frame.top - element.clientTop + element.scrollTop,
        bottom: box.bottom - frame.top - element.clientTop + element.scrollTop,
      };
    };
    for (const { from, to } of links) {
      const [a, b] = [at(from), at(to)];
      if (a && b) this.svg.append(path(curve(a, b)), path(arrow(a, b)));
    }
  }
}

function linksOf(record, argument) {
  if (record.kind === "relation") return [{ from: record.head, to: record.tail }];
  return (record.arguments ?? [])
    .filter((_, place) => argument === undefined || place === argument)
    .map((one) => ({ from: record, to: one }));
}

// From above one to above the other on a line; else between the two that face each other.
function ends(a, b) {
  if (Math.abs(a.top - b.top) < 8) return { y1: a.top, y2: b.top, lift: -14 };
  return a.top < b.top ? { y1: a.bottom, y2: b.top, lift: 0 } : { y1: a.top, y2: b.bottom, lift: 0 };
}

function curve(a, b) {
  const { y1, y2, lift } = ends(a, b);
  const middle = lift ? y1 + lift : (y1 + y2) / 2;
  return `M${a.x},${y1} C${a.x},${middle} ${b.x},${middle} ${b.x},${y2}`;
}

function arrow(a, b) {
  const { y2, lift } = ends(a, b);
  const from = lift || a.top < b.top ? -HEAD : HEAD;
  return `M${b.x - HEAD},${y2 + from} L${b.x},${y2} L${b.x + HEAD},${y2 + from}`;
}

function path(d) {
  const element = document.createElementNS(SVG, "path");
  element.setAttribute("d", d);
  return element;
}
