// Somebody else saved a review of the document meanwhile: theirs, mine, or both.

import { make } from "./records_view.js";
import { describe, missing } from "./records.js";

const LISTED = 8;

export class Conflict {
  // actions: {theirs, mine, both}, each called with nothing.
  constructor(dialog, actions) {
    this.dialog = dialog;
    for (const [name, action] of Object.entries(actions)) {
      dialog.querySelector(`[data-do="${name}"]`).addEventListener("click", () => {
        dialog.close();
        action();
      });
    }
    dialog.querySelector('[data-do="nothing"]').addEventListener("click", () => dialog.close());
  }

  // state: mine. theirs: their records. review: {reviewer, created_at}.
  show(state, theirs, review) {
    const who = review.reviewer || "Somebody";
    this.dialog.querySelector(".who").textContent =
      `${who} saved a review of this document at ${review.created_at}, after you began.`;
    const differing = this.dialog.querySelector(".differing");
    differing.replaceChildren(
      ...this.#side(state, "Only in theirs", missing(state.records, theirs)),
      ...this.#side(state, "Only in yours", missing(theirs, state.records)),
    );
    this.dialog.showModal();
  }

  #side(state, title, records) {
    const list = document.createElement("ul");
    for (const record of records.slice(0, LISTED)) list.append(make("li", "", whole(state, record)));
    if (records.length > LISTED) list.append(make("li", "", `and ${records.length - LISTED} more`));
    return [make("h3", "", `${title} (${records.length})`), records.length ? list : make("p", "soft", "Nothing.")];
  }
}

function whole(state, record) {
  const listed = (record.arguments ?? []).map((one) => `${one.role} ${state.text.slice(one.start, one.end)}`);
  return [describe(state, record), ...listed].join("; ");
}
