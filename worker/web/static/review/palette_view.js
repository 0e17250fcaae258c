// What can be chosen now: the types or roles with their keys, and a field that finds one by name.

import { choicesOf, promptOf } from "./choices.js";
import { make } from "./records_view.js";

export class PaletteView {
  // onChoose: called with a choice, from choices.js.
  constructor(element, onChoose) {
    this.onChoose = onChoose;
    this.prompt = element.querySelector(".prompt");
    this.list = element.querySelector(".options");
    this.field = element.querySelector("input");
    this.state = null;
    this.shown = "";
    addEventListener("resize", () => (this.list.style.minHeight = ""));
    this.field.addEventListener("input", () => this.#list());
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && this.found()[0]) {
        event.preventDefault();
        const [choice] = this.found();
        this.field.value = "";
        this.onChoose(choice);
      }
    });
  }

  render(state) {
    this.state = state;
    const prompt = promptOf(state);
    if (this.prompt.textContent !== prompt) this.prompt.textContent = prompt;
    this.#list();
  }

  #list() {
    const choices = this.found();
    const key = JSON.stringify(choices);
    if (key === this.shown) return;
    this.shown = key;
    this.list.replaceChildren(...choices.map((choice) => this.#item(choice)));
    // as high as it ever was, so that the text below stays where it is
    const high = Math.max(this.list.offsetHeight, parseFloat(this.list.style.minHeight) || 0);
    this.list.style.minHeight = `${high}px`;
    this.field.parentElement.hidden = choicesOf(this.state).length === 0;
  }

  #item(choice) {
    const item = document.createElement("li");
    const button = make("button", `choice ${choice.kind}`);
    button.type = "button";
    button.style.setProperty("--h", choice.hue);
    if (choice.description) button.title = choice.description;
    button.append(make("span", "type", choice.name));
    if (choice.key) {
      button.append(" ", make("kbd", "", choice.key));
      button.setAttribute("aria-keyshortcuts", choice.key);
    }
    button.addEventListener("mousedown", (event) => event.preventDefault()); // the text keeps the focus
    button.addEventListener("click", () => this.onChoose(choice));
    item.append(button);
    return item;
  }

  // The choices whose name has what is in the field; first those that begin with it.
  found() {
    const wanted = this.field.value.trim().toLowerCase();
    const choices = choicesOf(this.state);
    if (!wanted) return choices;
    const rank = ({ name }) => name.toLowerCase().indexOf(wanted);
    return choices.filter((one) => rank(one) >= 0).sort((a, b) => (rank(a) > 0) - (rank(b) > 0));
  }

  withKey(key) {
    return choicesOf(this.state).find((choice) => choice.key === key);
  }
}
