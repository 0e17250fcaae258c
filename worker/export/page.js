"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const articles = all("article");
const off = new Set();
const filter = document.head.appendChild(document.createElement("style"));

for (const label of all("nav label")) {
  const key = label.classList[0], name = label.querySelector(".type");
  const count = document.querySelectorAll(`.records .${key}`).length;
  const box = document.createElement("input");
  label.hidden = !count;
  name.append(` ${count}`);
  box.type = "checkbox";
  box.checked = true;
  box.addEventListener("change", () => { box.checked ? off.delete(key) : off.add(key); paint(); });
  label.prepend(box, " ");
}
for (const set of all("nav fieldset")) set.hidden = !all("label:not([hidden])", set).length;

function paint() {
  filter.textContent = [...off].map(key =>
    `mark.${key}{background:none;border-color:transparent}sup.${key},.records .${key}{display:none}`
  ).join("");
}

const search = document.getElementById("search");
search.parentElement.hidden = false;
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
find();
