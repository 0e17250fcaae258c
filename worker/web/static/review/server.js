// The way to the server, and the drafts that a browser keeps until they are saved.

// The document at an address. Throws an Error with what to tell.
export async function load(address) {
  const response = await answered(() => fetch(address, { headers: { Accept: "application/json" } }));
  if (!response.ok) throw new Error(await reason(response));
  return response.json();
}

// Save a review: {saved} with the server's answer, or {conflict} with what somebody else saved
// meanwhile. Throws an Error with what to tell.
export async function save(address, body) {
  const response = await answered(() =>
    fetch(address, {
      method: "POST",
      headers: {
        Accept: "application/json",
        "Content-Type": "application/json",
        "X-CSRF-Token": document.querySelector('meta[name="csrf-token"]').content,
      },
      body: JSON.stringify(body),
    }),
  );
  if (response.ok) return { saved: await response.json() };
  if (response.status === 409) return { conflict: await response.json() };
  throw new Error(await reason(response));
}

async function answered(ask) {
  try {
    return await ask();
  } catch {
    throw new Error("The server does not answer. What you did is kept here: try again later.");
  }
}

async function reason(response) {
  if (response.status === 401) return "Your login has ended. Log in in another tab, then save again.";
  const type = response.headers.get("content-type") ?? "";
  if (type.startsWith("application/json")) {
    const { message, hint } = await response.json();
    return [message, hint].filter(Boolean).join(" ");
  }
  if (type.startsWith("text/plain")) return await response.text();
  return `The server refused (${response.status}).`;
}

// Drafts of one document: what was not saved, with the review that it began from. They have offsets
// and types, and none of the text.
export class Draft {
  constructor(key) {
    this.key = `ruie review ${key}`;
  }

  read() {
    try {
      return JSON.parse(localStorage.getItem(this.key));
    } catch {
      return null;
    }
  }

  write(draft) {
    try {
      localStorage.setItem(this.key, JSON.stringify(draft));
      return true;
    } catch {
      return false; // the browser keeps nothing, or no more
    }
  }

  clear() {
    try {
      localStorage.removeItem(this.key);
    } catch {
      // then there is none
    }
  }
}
