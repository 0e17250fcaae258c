// The editor's model, without a page: run by test_review_model.py.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const from = (file) => import(pathToFileURL(`${process.env.REVIEW_MODULES}/${file}`));
const { Offsets, fromServer, toServer } = await from("offsets.js");
const { after, before, byCharacter, byWord, stopsOf, trimmed } = await from("words.js");
const { initial, reduce } = await from("model.js");
const { choicesOf, promptOf } = await from("choices.js");
const { commandOf } = await from("commands.js");
const { merged, missing, reviewedTasks } = await from("records.js");
const { blocksOf, drawn, marksOf, piecesOf } = await from("pieces.js");

const SCHEMA = {
  entities: [{ name: "ORG", hue: 1 }, { name: "PLACE", hue: 2 }],
  relations: [{ name: "owns", hue: 3 }, { name: "in", hue: 4 }],
  events: [
    { name: "Opening", hue: 5, roles: [{ name: "What" }, { name: "Where" }] },
    { name: "Closing", hue: 6, roles: [{ name: "What" }] },
    { name: "Rain", hue: 7, roles: [] },
  ],
};
const TEXT = "Orbis opened a plant in Leeds .";
const TASKS = { NER: true, RE: true, ED: true };

function start(records = [], schema = SCHEMA) {
  return initial(TEXT, schema, records, TASKS);
}

function select(state, words) {
  const at = TEXT.indexOf(words);
  return reduce(state, { type: "select", anchor: at, focus: at + words.length });
}

function choose(state, name) {
  const choice = choicesOf(state).find((one) => one.name === name);
  assert.ok(choice, `${name} can be chosen`);
  return reduce(state, { type: "choose", choice });
}

const mark = (state, words, name) => choose(select(state, words), name);
const words = ({ start, end }) => TEXT.slice(start, end);
const told = (state) => state.records.map((r) => [r.type, words(r.head ?? r)]);

test("offsets count characters, whatever takes two units", () => {
  for (const text of ["", "abc", "🏭", "🏭a🏭🏭b", "Zoe\u0308 👩‍🔬 𝒳 Łódź", "a".repeat(50) + "😀".repeat(50)]) {
    const offsets = new Offsets(text);
    const characters = [...text];
    assert.equal(offsets.characters, characters.length);
    let unit = 0;
    for (let character = 0; character <= characters.length; character++) {
      assert.equal(offsets.toUnits(character), unit);
      assert.equal(offsets.toCharacters(unit), character);
      if (characters[character]?.length === 2) assert.equal(offsets.toCharacters(unit + 1), character);
      unit += characters[character]?.length ?? 0;
    }
  }
});

test("records come back from the server's form as they went", () => {
  const text = "😀 Orbis opened 🏭 in Łódź";
  const sent = {
    entities: [{ type: "ORG", start: 2, end: 7 }],
    relations: [{ type: "in", head: { start: 2, end: 7 }, tail: { start: 20, end: 24 } }],
    events: [{ type: "Opening", trigger: { start: 8, end: 14 }, arguments: [{ role: "What", start: 15, end: 16 }] }],
  };
  const back = toServer(fromServer(sent, text), TASKS, text);
  assert.deepEqual(back.entities, [{ type: "ORG", text: "Orbis", start: 2, end: 7 }]);
  assert.deepEqual(back.relations[0].tail, { text: "Łódź", start: 20, end: 24 });
  assert.deepEqual(back.events[0].arguments, [{ role: "What", text: "🏭", start: 15, end: 16 }]);
  assert.deepEqual(Object.keys(toServer([], { NER: true, RE: false }, text)), ["entities"]);
});

test("a step goes to the next word, and extends by whole words on either side", () => {
  const text = "one two, three";
  const stops = stopsOf(text);
  const at = (from, step, extend = false) => byWord(stops, from, step, extend);
  const shown = ({ anchor, focus }) => text.slice(Math.min(anchor, focus), Math.max(anchor, focus));
  let selection = at({ anchor: 0, focus: 0 }, 1);
  const walked = [shown(selection)];
  for (let n = 0; n < 4; n++) walked.push(shown((selection = at(selection, 1))));
  assert.deepEqual(walked, ["one", "two", ",", "three", "three"]);
  selection = at(at(selection, -1), -1);
  const extended = [];
  for (const step of [1, 1, -1, -1, -1, 1, 1]) extended.push(shown((selection = at(selection, step, true))));
  assert.deepEqual(extended, ["two,", "two, three", "two,", "two", "one two", "two", "two,"]);
  assert.deepEqual(byWord([], { anchor: 0, focus: 0 }, 1, false), { anchor: 0, focus: 0 });
});

test("a fine step takes a character as a reader sees it", () => {
  const text = "a👩‍🔬e\u0301🏭";
  let selection = { anchor: 0, focus: 1 };
  const seen = [];
  for (let n = 0; n < 4; n++) {
    selection = byCharacter(text, selection, 1, false);
    seen.push(text.slice(selection.anchor, selection.focus));
  }
  assert.deepEqual(seen, ["👩‍🔬", "e\u0301", "🏭", "🏭"]);
  assert.equal(before(text, 6), 1);
  assert.equal(after(text, 6), 8);
  assert.deepEqual(trimmed(" ab ", 0, 4), { start: 1, end: 3 });
});

test("a type marks the selection, or changes what has these words", () => {
  let state = mark(start(), "Orbis", "PLACE");
  assert.deepEqual(told(state), [["PLACE", "Orbis"]]);
  state = mark(state, "Orbis", "ORG");
  assert.deepEqual(told(state), [["ORG", "Orbis"]]);
  state = mark(reduce(select(state, "Orbis"), { type: "second" }), "Orbis", "PLACE");
  assert.equal(state.said, "Changed from ORG to PLACE", "moving ends what + began");
  state = choose(reduce(select(state, "Orbis"), { type: "second" }), "ORG");
  assert.deepEqual(told(state), [["PLACE", "Orbis"], ["ORG", "Orbis"]]);
  state = choose(select(state, "Orbis"), "PLACE");
  assert.equal(state.records.length, 2);
  state = choose({ ...start(), selection: { anchor: 3, focus: 3 } }, "ORG");
  assert.equal(state.said, "Select the words first");
});

test("every change can be undone and done again", () => {
  const seen = [start()];
  let state = seen[0];
  const steps = [
    (s) => mark(s, "Orbis", "ORG"),
    (s) => mark(s, "Leeds", "PLACE"),
    (s) => mark(s, "opened", "Opening"),
    (s) => mark(s, "a plant", "What"),
    (s) => reduce(reduce(s, { type: "leave" }), { type: "relation", open: true }),
    (s) => reduce(select(s, "Orbis"), { type: "pick" }),
    (s) => choose(reduce(select(s, "Leeds"), { type: "pick" }), "in"),
    (s) => reduce(select(s, "in Leeds"), { type: "setSpan" }),
    (s) => reduce(select(s, "opened"), { type: "remove" }),
  ];
  for (const step of steps) {
    state = step(state);
    if (state.records !== seen.at(-1).records) seen.push(state);
  }
  assert.equal(seen.length, 8);
  for (const { records } of seen.slice(0, -1).reverse()) {
    state = reduce(state, { type: "undo" });
    assert.deepEqual(state.records, records);
  }
  assert.equal(reduce(state, { type: "undo" }).said, "Nothing to undo");
  for (const { records } of seen.slice(1)) {
    state = reduce(state, { type: "redo" });
    assert.deepEqual(state.records, records);
  }
});

test("an event asks for its arguments, and keeps those that another type has too", () => {
  let state = mark(start(), "opened", "Opening");
  assert.equal(promptOf(state), "Arguments of Opening “opened”: select one, then its role");
  assert.deepEqual(choicesOf(state).map(({ name, key }) => [name, key]), [["What", "1"], ["Where", "2"]]);
  state = mark(mark(state, "a plant", "What"), "Leeds", "Where");
  assert.equal(mark(state, "Leeds", "Where").records, state.records, "not twice");
  state = reduce(state, { type: "leave" });
  const [event] = state.records;
  state = choose(reduce(state, { type: "hold", id: event.id }), "Closing");
  assert.equal(state.said, "Changed from Opening to Closing, without 1 of its arguments, whose roles it has not");
  assert.deepEqual(state.records[0].arguments.map(({ role }) => role), ["What"]);
  state = reduce(reduce(state, { type: "hold", id: event.id, argument: 0 }), { type: "remove" });
  assert.deepEqual(state.records[0].arguments, []);
  assert.equal(mark(start(), "Orbis", "Rain").mode.name, "mark", "it has no roles");
});

test("a relation goes from head to tail, from records or words, and can be turned round", () => {
  let state = mark(mark(start(), "Orbis", "ORG"), "a plant in Leeds", "PLACE");
  state = reduce(select(state, "Orbis"), { type: "relation" });
  state = reduce(select(state, "Leeds"), { type: "pick" });
  assert.equal(words(state.mode.tail), "a plant in Leeds", "the record that the word lies in");
  assert.deepEqual(choicesOf(state).map(({ name }) => name), ["owns", "in"]);
  state = choose(state, "owns");
  const relation = state.records.at(-1);
  assert.deepEqual([words(relation.head), words(relation.tail)], ["Orbis", "a plant in Leeds"]);
  state = reduce(state, { type: "relation" });
  assert.equal(words(state.records.at(-1).head), "a plant in Leeds");
  // with one type nothing is left to choose
  const one = { ...SCHEMA, relations: [SCHEMA.relations[0]] };
  state = reduce(select(start([], one), "Orbis"), { type: "relation" });
  state = reduce(select(state, "Leeds"), { type: "pick" });
  assert.equal(state.records.length, 1);
});

test("other words for an entity take the ends of relations and arguments along", () => {
  let state = mark(mark(start(), "Leeds", "PLACE"), "opened", "Opening");
  state = reduce(mark(state, "Leeds", "Where"), { type: "leave" });
  state = reduce(select(state, "Orbis"), { type: "relation" });
  state = choose(reduce(select(state, "Leeds"), { type: "pick" }), "in");
  state = reduce(select(state, "in Leeds"), { type: "setSpan" });
  assert.equal(state.said, "PLACE: from Leeds to in Leeds, and 2 that had the same words");
  assert.equal(words(state.records[0]), "in Leeds");
  assert.equal(words(state.records[1].arguments[0]), "in Leeds");
  assert.equal(words(state.records[2].tail), "in Leeds");
  assert.equal(reduce(select(state, "Orbis opened"), { type: "setSpan" }).records !== state.records, true);
});

test("what two people have is put together", () => {
  const event = (...listed) => ({ id: 1, kind: "event", type: "Opening", start: 6, end: 12,
    arguments: listed.map(([role, start]) => ({ role, start, end: start + 5 })) });
  const entity = (type) => ({ id: 2, kind: "entity", type, start: 0, end: 5 });
  const mine = [entity("ORG"), event(["What", 15])];
  const theirs = [entity("PLACE"), event(["Where", 24])];
  assert.equal(missing(mine, theirs).length, 2);
  const both = merged(mine, theirs);
  assert.equal(both.length, 3);
  assert.equal(both[1].arguments.length, 2);
  assert.equal(mine[1].arguments.length, 1, "mine is as it was");
  assert.equal(missing(merged(mine, mine), mine).length, 0);
});

test("every type has a key of its own while there are any", () => {
  const names = Array.from({ length: 40 }, (_, n) => ({ name: `type ${n}`, hue: 0 }));
  const keys = choicesOf(start([], { ...SCHEMA, entities: names, events: [] })).map(({ key }) => key);
  const given = keys.filter(Boolean);
  assert.equal(new Set(given).size, given.length);
  assert.ok(given.length > 25);
  for (const key of given) assert.deepEqual(commandOf({ key }, true), { key });
});

test("keys mean the same on other keyboards", () => {
  assert.deepEqual(commandOf({ key: "r", code: "KeyR" }, true), { command: "relation" });
  assert.deepEqual(commandOf({ key: "к", code: "KeyR" }, true), { command: "relation" });
  assert.deepEqual(commandOf({ key: "&", code: "Digit1" }, true), { key: "1" });
  assert.deepEqual(commandOf({ key: "z", code: "KeyY", ctrlKey: true }, false), { command: "undo" });
  assert.deepEqual(commandOf({ key: "Z", ctrlKey: true, shiftKey: true }, false), { command: "redo" });
  assert.equal(commandOf({ key: "c", code: "KeyC", ctrlKey: true }, true), null);
  assert.equal(commandOf({ key: "Tab" }, true), null);
  assert.equal(commandOf({ key: "Enter" }, false), null, "a button's own");
});

test("a text is cut where spans begin and end, and control signs are drawn as signs", () => {
  let state = mark(mark(start(), "Orbis opened", "ORG"), "opened", "PLACE");
  const [block] = blocksOf(TEXT);
  const pieces = piecesOf(block, marksOf(state));
  assert.deepEqual(pieces.map(words), ["Orbis ", "opened", " a plant in Leeds ."]);
  assert.deepEqual(pieces[1].covers.map(({ label }) => label), ["PLACE", "ORG"]);
  assert.equal(pieces[1].endings.length, 2);
  assert.deepEqual(drawn("a\u202eb\0c\r\nd"), [
    "a", { sign: "\ufffd", code: "U+202E" }, "b", { sign: "\u2400", code: "U+0000" }, "c \nd",
  ]);
  const long = "x".repeat(9000) + "\n\ny" + "😀".repeat(4000);
  const blocks = blocksOf(long);
  assert.equal(blocks.map(({ start, end }) => long.slice(start, end)).join(""), long);
  for (const { start, end } of blocks) assert.equal(long.slice(start, end), [...long.slice(start, end)].join(""));
  for (const { start } of blocks) assert.ok(!/[\udc00-\udfff]/.test(long[start]));
  assert.deepEqual(blocksOf(""), []);
});

test("a task without an answer is reviewed once a person adds or changes a record of it", () => {
  const unanswered = { RE: "given up", ED: "not answered yet" };
  let state = initial(TEXT, SCHEMA, [], { NER: true, RE: null, ED: null }, unanswered);
  assert.deepEqual(reviewedTasks(state), { NER: true, RE: false, ED: false });
  state = mark(state, "opened", "Rain");
  assert.deepEqual(reviewedTasks(state), { NER: true, RE: false, ED: true });
  assert.deepEqual(reviewedTasks(reduce(state, { type: "undo" })), { NER: true, RE: false, ED: false });
  state = reduce(state, { type: "task", task: "ED", on: false });
  assert.equal(reviewedTasks(state).ED, false, "a box that was set stays");
  state = reduce(state, { type: "task", task: "RE", on: true });
  assert.deepEqual(toServer(state.records, reviewedTasks(state), TEXT), { entities: [], relations: [] });
});
