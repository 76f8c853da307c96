// Elements without a framework.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element: h("button.quiet", {onclick: stop}, "Stop").
 *
 * Attributes that begin with "on" are listeners; false, null and undefined leave an attribute out.
 * Text is always text: nothing of a file name or of an answer becomes markup.
 */
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name.split(".")[0]), name, attributes, children);
}

/** The same for SVG. */
export function s(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name.split(".")[0]), name, attributes, children);
}

function fill(element, name, attributes, children) {
  const classes = name.split(".").slice(1);
  if (classes.length) element.setAttribute("class", classes.join(" "));
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const ICONS = {
  first: "M6 5v14M19 5 9 12l10 7Z",
  back: "M17 5 7 12l10 7Z",
  play: "M8 5v14l11-7Z",
  pause: "M8 5v14M16 5v14",
  next: "M7 5l10 7-10 7Z",
  last: "M18 5v14M5 5l10 7-10 7Z",
  upload: "M12 16V4M7 9l5-5 5 5M4 16v4h16v-4",
  download: "M12 4v12M7 11l5 5 5-5M4 20h16",
  warn: "M12 4 2.500 20h19ZM12 10v5M12 17.500v.5",
  close: "M6 6l12 12M18 6 6 18",
};

/** An icon, which says nothing to a screen reader. */
export function icon(name) {
  return s("svg.icon", { viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: ICONS[name] }));
}

/** Replace the content of an element. */
export function put(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Say something to screen readers. */
export function announce(text) {
  document.getElementById("news").textContent = text;
}

/** Ask a question in a dialog; the answer is true or false. */
export function ask(title, text, action) {
  return new Promise((resolve) => {
    const dialog = document.getElementById("dialog");
    const close = (answer) => () => { resolve(answer); dialog.close(); };
    put(
      dialog,
      h("h2", { id: "dialog-title" }, title),
      h("p", {}, text),
      h("div.actions", {},
        h("button", { type: "button", onclick: close(false), autofocus: true }, "Go back"),
        h("button.danger", { type: "button", onclick: close(true) }, action)),
    );
    dialog.onclose = () => resolve(false);
    dialog.showModal();
  });
}
