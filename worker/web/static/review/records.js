// Reading records: their spans, their words, which of them are at a place.

// Every span that a record has in the text: {id, argument?, part, kind, label, start, end}.
export function targetsOf(record) {
  const { id } = record;
  if (record.kind === "relation") {
    return ["head", "tail"].map((part) => ({
      id, part, kind: "relation", label: `${part} of ${record.type}`, ...record[part],
    }));
  }
  const own = { id, part: "span", kind: record.kind, label: record.type, start: record.start, end: record.end };
  const listed = (record.arguments ?? []).map((argument, place) => ({
    id,
    argument: place,
    part: "argument",
    kind: "argument",
    label: `${argument.role} of ${record.type}`,
    start: argument.start,
    end: argument.end,
  }));
  return [own, ...listed];
}

const RANK = { entity: 0, event: 0, argument: 1, relation: 2 };

// The spans that share a character with a range, the shortest first; entities and triggers before
// arguments, and these before the ends of relations.
export function targetsAt(records, { start, end }) {
  return records
    .flatMap(targetsOf)
    .filter((target) => target.start < end && start < target.end)
    .sort((a, b) => RANK[a.kind] - RANK[b.kind] || a.end - a.start - (b.end - b.start));
}

export function sameSpan(a, b) {
  return a.start === b.start && a.end === b.end;
}

// A record, or one of its arguments, in words.
export function describe({ text }, record, argument) {
  const words = ({ start, end }) => text.slice(start, end).replace(/\s+/g, " ");
  if (argument !== undefined) {
    const { role, ...span } = record.arguments[argument];
    return `${role} ${words(span)}, of ${record.type}`;
  }
  if (record.kind === "relation") {
    return `${record.type} from ${words(record.head)} to ${words(record.tail)}`;
  }
  return `${record.type} ${words(record)}`;
}

const TASKS = { entity: "NER", relation: "RE", event: "ED" };

// Which tasks are reviewed: as their boxes were set; where nobody set one and the model did not
// answer (null), those of which a person has added or changed a record.
export function reviewedTasks({ records, tasks }) {
  const touched = new Set(
    records.filter(({ source }) => source === "person").map(({ kind }) => TASKS[kind]),
  );
  return Object.fromEntries(
    Object.entries(tasks).map(([task, on]) => [task, on ?? touched.has(task)]),
  );
}

// What tells a record from others of its kind, whatever their ids are.
export function keyOf(record) {
  const place = ({ start, end }) => `${start}-${end}`;
  if (record.kind === "relation") {
    return `relation ${record.type} ${place(record.head)} ${place(record.tail)}`;
  }
  const listed = (record.arguments ?? []).map((a) => `${a.role} ${place(a)}`).sort();
  return [record.kind, record.type, place(record), ...listed].join(" | ");
}

// The records of `theirs` that are not among `mine`.
export function missing(mine, theirs) {
  const known = new Set(mine.map(keyOf));
  return theirs.filter((record) => !known.has(keyOf(record)));
}

// Mine with what only they have. Of an event that both have with other arguments, all arguments.
export function merged(mine, theirs) {
  const all = mine.map((record) => ({ ...record }));
  const head = (record) => keyOf({ ...record, arguments: [] });
  for (const record of missing(mine, theirs)) {
    const same = record.kind === "event" && all.find((one) => one.kind === "event" && head(one) === head(record));
    if (!same) {
      all.push(record);
      continue;
    }
    const known = new Set(same.arguments.map((a) => `${a.role} ${a.start} ${a.end}`));
    const added = record.arguments.filter((a) => !known.has(`${a.role} ${a.start} ${a.end}`));
    same.arguments = [...same.arguments, ...added];
  }
  return all;
}
