// What the browser remembers of this page, by name. Where it must not (a private window, somebody else's page around
// this one), nothing is remembered.

export function recall(name, storage = "localStorage") {
  try {
    return window[storage].getItem(name);
  } catch {
    return null;
  }
}

// Whether it will be remembered.
export function remember(name, value, storage = "localStorage") {
  try {
    window[storage].setItem(name, value);
    return true;
  } catch {
    return false;
  }
}
