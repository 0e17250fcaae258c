// The editor: state, views and keys together.

import { Conflict } from "./conflict.js";
import { LinksView } from "./links_view.js";
import { initial, reduce } from "./model.js";
import { Offsets, fromServer, toServer } from "./offsets.js";
import { PaletteView } from "./palette_view.js";
import { keyOf, merged, reviewedTasks } from "./records.js";
import { RecordsView } from "./records_view.js";
import { Draft, save } from "./server.js";
import { TextView } from "./text_view.js";
import { byCharacter, byWord, stopAt, stopsOf } from "./words.js";

export class Editor {
  // root: the element with all parts. sent: the document, as the server gave it.
  constructor(root, sent) {
    this.root = root;
    this.sent = sent;
    this.text = sent.text;
    this.offsets = new Offsets(sent.text);
    this.base = sent.review?.id ?? null;
    this.saving = false;
    this.stops = stopsOf(sent.text);
    const records = fromServer(sent.records, sent.text, this.offsets);
    this.state = initial(sent.text, sent.schema, records, { ...sent.tasks }, sent.unanswered);
    this.opened = this.#content();
    this.draft = new Draft(root.dataset.draft);
    this.textView = new TextView(root.querySelector("#text"), sent.text);
    this.linksView = new LinksView(this.textView);
    const hold = (id, argument) => {
      // the focus says which it is
      this.dispatch({ type: "hold", id, argument, quiet: true });
      this.textView.show(this.state.selection.focus);
    };
    const task = (name, on) => this.dispatch({ type: "task", task: name, on });
    this.recordsView = new RecordsView(root.querySelector("#records"), hold, task);
    this.palette = new PaletteView(root.querySelector("#palette"), (choice) => this.choose(choice));
    this.conflict = new Conflict(root.querySelector("#conflict"), {
      theirs: () => this.#take((theirs) => theirs, "Theirs is loaded; undo brings yours back"),
      both: () => this.#take((theirs) => merged(this.state.records, theirs), "Theirs was added to yours"),
      mine: () => this.#keepMine(),
    });
    this.#restore();
    this.#first();
    this.draw();
  }

  dispatch(action) {
    const before = this.state;
    this.state = reduce(before, action);
    if (this.state === before) return;
    this.draw();
    if (before.records !== this.state.records || before.tasks !== this.state.tasks) this.#keepDraft();
    this.#followFocus();
  }

  // Whatever changed: the record in the list that has the focus is the active one.
  #followFocus() {
    const focused = this.recordsView.focused();
    const { active } = this.state;
    if (!focused || (active?.id === focused.id && active.argument === focused.argument)) return;
    this.dispatch({ type: "hold", ...focused, quiet: true });
  }

  say(said) {
    this.dispatch({ type: "say", said });
  }

  draw() {
    const { state } = this;
    this.textView.render(state);
    this.recordsView.render(state);
    this.palette.render(state);
    this.textView.select(state);
    this.linksView.render(state);
    const live = this.root.querySelector("#said");
    if (this.spoken !== state.saidCount) {
      this.spoken = state.saidCount;
      // a screen reader speaks what differs: the same words again need a sign more
      live.textContent = live.textContent === state.said ? `${state.said}\u00a0` : state.said;
    }
    const set = (id, off) => (this.root.querySelector(`#${id}`).disabled = off);
    set("undo", state.past.length === 0);
    set("redo", state.future.length === 0);
    this.root.querySelector("#unsaved").hidden = this.#content() === this.opened;
  }

  choose(choice) {
    this.dispatch({ type: "choose", choice });
    if (this.palette.field === document.activeElement) this.focusText();
  }

  focusText() {
    this.textView.element.focus({ preventScroll: true });
    this.textView.show(this.state.selection.focus);
  }

  // Move the selection by a command of commands.js.
  move({ command, extend, fine, far }) {
    const { state, stops, text } = this;
    const { selection } = state;
    let next = selection;
    if (command === "left" || command === "right") {
      const back = (command === "left") !== this.textView.isRightToLeft(selection.focus);
      const step = back ? -1 : 1;
      next = fine ? byCharacter(text, selection, step, extend) : byWord(stops, selection, step, extend);
    } else if (command === "up" || command === "down") {
      const found = this.textView.line(state, command === "down" ? 1 : -1, this.column);
      this.column = found.x;
      next = this.#to(found.place, extend);
    } else {
      next = this.#to(this.#edge(command === "end", far, selection.focus), extend);
    }
    if (command !== "up" && command !== "down") this.column = undefined;
    this.dispatch({ type: "select", ...next });
    this.textView.show(next.focus);
  }

  // The first or last place of the line with a place; far: of the text.
  #edge(last, far, focus) {
    if (far) return last ? this.text.length : 0;
    const within = Math.max(focus - 1, 0);
    if (!last) return this.text.lastIndexOf("\n", within - 1) + 1;
    const newline = this.text.indexOf("\n", within);
    return Math.max(newline < 0 ? this.text.length : newline, 0);
  }

  // The selection of the word at a place, or extended to it.
  #to(place, extend) {
    const { stops, state } = this;
    if (stops.length === 0) return state.selection;
    let number = stopAt(stops, place);
    if (number > 0 && stops[number][0] > place) number--; // the word before, at a line's end
    const [start, end] = stops[number];
    if (!extend) return { anchor: start, focus: end };
    const { anchor, focus } = state.selection;
    const [first, last] = stops[stopAt(stops, anchor <= focus ? anchor : anchor - 1)];
    return start < first ? { anchor: last, focus: start } : { anchor: first, focus: Math.max(end, last) };
  }

  // The next or previous record in the text, from the selection on.
  stepRecord(by) {
    const { records, selection, active } = this.state;
    const at = Math.min(selection.anchor, selection.focus);
    const placed = records
      .map((record) => ({ id: record.id, start: (record.head ?? record).start }))
      .sort((a, b) => a.start - b.start || a.id - b.id);
    const current = placed.findIndex(({ id }) => id === active?.id);
    const next =
      current >= 0
        ? placed[current + by]
        : by > 0
          ? placed.find(({ start }) => start >= at)
          : placed.findLast(({ start }) => start < at);
    if (!next) return this.say(by > 0 ? "No record after this" : "No record before this");
    this.dispatch({ type: "hold", id: next.id });
    this.focusText();
  }

  async save() {
    if (this.saving) return;
    this.saving = true;
    this.say("Saving");
    const { records } = this.state;
    const tasks = reviewedTasks(this.state);
    const body = {
      base: this.base,
      reviewer: this.root.querySelector("#reviewer").value,
      tasks: Object.keys(tasks).filter((task) => tasks[task]),
      records: toServer(records, tasks, this.text, this.offsets),
    };
    try {
      const { saved, conflict } = await save(this.root.dataset.save, body);
      if (saved) {
        this.draft.clear();
        this.base = saved.review;
        this.opened = this.#content();
        this.draw();
        location.assign(saved.next);
        return;
      }
      this.theirs = conflict;
      const theirs = fromServer(conflict.records, this.text, this.offsets);
      this.conflict.show(this.state, theirs, conflict.review);
      this.say("Somebody else saved a review of this document meanwhile");
    } catch (error) {
      this.problem(error.message);
    } finally {
      this.saving = false;
    }
  }

  problem(message) {
    const place = this.root.querySelector("#problem");
    place.textContent = message;
    place.hidden = !message;
  }

  #take(choose, said) {
    const theirs = fromServer(this.theirs.records, this.text, this.offsets);
    this.base = this.theirs.review.id;
    for (const task of this.theirs.review.tasks) {
      this.dispatch({ type: "task", task, on: true });
    }
    this.dispatch({ type: "load", records: choose(theirs), said });
    this.focusText();
  }

  #keepMine() {
    this.base = this.theirs.review.id;
    this.#keepDraft();
    this.save();
  }

  // What a review says, whatever the ids and the order are.
  #content() {
    const { records, tasks } = this.state;
    return JSON.stringify([records.map(keyOf).sort(), tasks]);
  }

  #keepDraft() {
    if (this.#content() === this.opened && this.base === (this.sent.review?.id ?? null)) {
      return this.draft.clear();
    }
    const { records, tasks } = this.state;
    if (!this.draft.write({ base: this.base, digest: this.sent.digest, records, tasks })) {
      this.problem("This browser keeps no drafts: what is not saved is lost when you leave.");
    }
  }

  #restore() {
    const draft = this.draft.read();
    if (!draft || draft.digest !== this.sent.digest) return;
    this.state = { ...this.state, tasks: draft.tasks };
    this.state = reduce(this.state, { type: "load", records: draft.records, said: "Your draft is back; undo gives what is saved" });
    if (draft.base !== this.base) {
      // its base is kept, so that saving shows what was saved since
      this.base = draft.base;
    }
  }

  #first() {
    const [first] = this.stops;
    if (first) this.state = { ...this.state, selection: { anchor: first[0], focus: first[1] } };
  }
}
