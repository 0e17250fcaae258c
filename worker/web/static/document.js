// Joins a record with its spans in the text: the spans light up, and lines lead from a relation's
// head to its tail and from an event's trigger to its arguments.
"use strict";
(() => {
  const text = document.querySelector(".text.marked");
  if (!text) return;
  const NS = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("class", "arcs");
  svg.setAttribute("aria-hidden", "true");
  text.append(svg);
  const rows = [...document.querySelectorAll(".records li[data-places]")];
  const places = (row) => row.dataset.places.split(" ").filter(Boolean);
  const marks = (place) => [...text.querySelectorAll(`mark[data-span="${place}"]`)];
  let chosen = null;

  function middle(place) {
    const [first] = marks(place);
    if (!first) return null;
    const box = first.getClientRects()[0];
    const frame = text.getBoundingClientRect();
    return { x: box.left - frame.left + box.width / 2, y: box.top - frame.top };
  }

  function arc(from, to, row, strong) {
    const a = middle(from), b = middle(to);
    if (!a || !b || from === to) return;
    const path = document.createElementNS(NS, "path");
    const rise = Math.min(a.y, b.y) - Math.min(22, 8 + Math.abs(b.x - a.x) / 12);
    path.setAttribute("d", `M${a.x} ${a.y} C${a.x} ${rise} ${b.x} ${rise} ${b.x} ${b.y}`);
    path.setAttribute("class", `${row.classList[0]} ${strong ? "strong" : ""}`);
    svg.append(path);
    const end = document.createElementNS(NS, "circle");
    end.setAttribute("cx", b.x); end.setAttribute("cy", b.y); end.setAttribute("r", strong ? 3 : 2);
    end.setAttribute("class", row.classList[0]);
    svg.append(end);
  }

  function draw() {
    svg.replaceChildren();
    const few = rows.length <= 60;
    for (const row of rows) {
      const [first, ...others] = places(row);
      const strong = row === chosen;
      if (few || strong) for (const other of others) arc(first, other, row, strong);
    }
  }

  function choose(row) {
    if (row === chosen) return;
    text.querySelectorAll("mark.lit").forEach((mark) => mark.classList.remove("lit"));
    chosen = row;
    if (row) for (const place of places(row)) marks(place).forEach((mark) => mark.classList.add("lit"));
    draw();
  }

  for (const row of rows) {
    row.addEventListener("mouseenter", () => choose(row));
    row.addEventListener("mouseleave", () => choose(null));
    row.addEventListener("focusin", () => choose(row));
    row.addEventListener("focusout", () => choose(null));
  }
  text.addEventListener("mouseover", (event) => {
    const mark = event.target.closest("mark[data-span]");
    rows.forEach((row) => row.classList.toggle("lit", Boolean(mark) && places(row).includes(mark.dataset.span)));
  });
  text.addEventListener("mouseleave", () => rows.forEach((row) => row.classList.remove("lit")));
  new ResizeObserver(draw).observe(text);
})();
