// What every step of the model needs.

export const MARK = { name: "mark" };

export function spanOf({ selection: { anchor, focus } }) {
  return { start: Math.min(anchor, focus), end: Math.max(anchor, focus) };
}

// A change of the records, which can be undone; said: what it was.
export function changed(state, records, said, more = {}) {
  const past = [...state.past, { records: state.records, said }];
  return { ...state, records, past, future: [], said, ...more };
}

// A change of one record.
export function replaced(state, record, changes, said, more = {}) {
  const records = state.records.map((one) =>
    one.id === record.id ? { ...one, ...changes, source: "person" } : one,
  );
  return changed(state, records, said, more);
}

// The words of a span.
export function quoted({ text }, { start, end }) {
  return text.slice(start, end);
}
