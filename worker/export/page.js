"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const articles = all("article");
const off = new Set();
const kinds = {entity: "Entities", relation: "Relations", event: "Events"};
const colour = hue => `hsl(${hue} 65% var(--l))`, edge = hue => `hsl(${hue} 60% var(--edge))`;

const types = new Map();
for (const row of all(".records li[data-key]")) {
  const {key, kind, hue} = row.dataset;
  const type = row.querySelector(".type");
  type.style.borderColor = edge(hue);
  const known = types.get(key) || {kind, hue, name: type.textContent, count: 0};
  known.count++;
  types.set(key, known);
}
for (const [kind, title] of Object.entries(kinds)) {
  const listed = [...types].filter(([, t]) => t.kind === kind)
    .sort((a, b) => a[1].name.localeCompare(b[1].name));
  if (!listed.length) continue;
  const set = document.createElement("fieldset"), legend = document.createElement("legend");
  legend.textContent = title;
  set.append(legend);
  for (const [key, {name, count, hue}] of listed) {
    const label = document.createElement("label"), box = document.createElement("input");
    const said = document.createElement("span");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", () => { box.checked ? off.delete(key) : off.add(key); paint(); });
    said.className = "type";
    said.style.borderColor = edge(hue);
    said.textContent = `${name} ${count}`;
    label.append(box, " ", said);
    set.append(label);
  }
  document.getElementById("types").append(set);
}

function paint() {
  for (const mark of all("mark")) {
    const keys = mark.dataset.types.split(" "), hues = mark.dataset.hues.split(" ");
    const shown = hues.filter((_, i) => !off.has(keys[i]));
    mark.style.background = shown.length ? colour(shown[0]) : "none";
    // a line under the text for each span that covers it
    mark.style.boxShadow = shown.map((h, i) => `0 ${2 * i + 2}px 0 ${edge(h)}`).join(",");
  }
  for (const tag of all("sup[data-of]")) tag.hidden = off.has(tag.dataset.of);
  for (const row of all(".records li[data-key]")) row.hidden = off.has(row.dataset.key);
}

const search = document.getElementById("search");
// what is compared is read once: the text without the labels in it
const contents = articles.map(a => {
  const copy = a.cloneNode(true);
  all("sup", copy).forEach(tag => tag.remove());
  return copy.textContent.toLowerCase();
});
function find() {
  const wanted = search.value.trim().toLowerCase();
  let shown = 0;
  articles.forEach((a, i) => { a.hidden = !contents[i].includes(wanted); shown += !a.hidden; });
  document.getElementById("count").textContent =
    `${shown} of ${articles.length} documents · j next, k previous, / search`;
}
search.addEventListener("input", find);
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === search) { if (event.key === "Escape") search.blur(); return; }
  if (event.key === "/") { event.preventDefault(); search.focus(); return; }
  if (event.key !== "j" && event.key !== "k") return;
  const visible = articles.filter(a => !a.hidden);
  const at = visible.indexOf(document.activeElement.closest("article"));
  const next = visible[event.key === "j" ? at + 1 : Math.max(at - 1, 0)];
  if (next) { next.focus(); next.scrollIntoView({block: "start"}); }
});
paint();
find();
