// Controls below the picture, and the keys of the viewer.

import { h, icon } from "./dom.js";
import { className } from "./words.js";

const SPEEDS = [0.1, 0.25, 0.5, 1, 2];

/** Buttons, scrub bar, number of the frame, and speed. */
export function transport(player) {
  const button = (name, label, act) =>
    h("button.icon-button", { type: "button", "aria-label": label, title: label, onclick: act },
      icon(name));
  const play = button("play", "Play (space)", () => player.toggle());
  const scrub = h("input.scrub", {
    type: "range", min: 0, max: player.count - 1, step: 1, value: 0, "aria-label": "Frame",
    oninput: () => { player.pause(); player.show(Number(scrub.value)); },
  });
  const place = h("output.place", { "aria-hidden": "true" });
  const speed = h("select.speed", {
    "aria-label": "Speed",
    onchange: () => player.setSpeed(Number(speed.value)),
  }, SPEEDS.map((value) =>
    h("option", { value, selected: value === 1 }, `${String(value).replace("0.", ".")}×`)));
  player.addEventListener("frame", () => {
    const seconds = (player.frame / player.fps).toFixed(2);
    scrub.value = player.frame;
    scrub.setAttribute("aria-valuetext", `frame ${player.frame} of 0 to ${player.count - 1}`);
    place.replaceChildren(
      h("b", {}, String(player.frame)), ` / ${player.count - 1}`, h("span", {}, `${seconds} s`));
  });
  player.addEventListener("state", () => {
    const name = player.playing ? "pause" : "play";
    play.replaceChildren(icon(name));
    const label = player.playing ? "Pause (space)" : "Play (space)";
    play.setAttribute("aria-label", label);
    play.title = label;
  });
  return h("div.transport", { role: "group", "aria-label": "Player" },
    button("first", "First frame (home)", () => { player.pause(); player.show(0); }),
    button("back", "One frame back (left arrow)", () => player.step(-1)),
    play,
    button("next", "One frame on (right arrow)", () => player.step(1)),
    button("last", "Last frame (end)", () => { player.pause(); player.show(player.count - 1); }),
    scrub, place, speed);
}

/** Switches of the overlay: all, by class, opacity, contours. */
export function overlayControls(players) {
  const style = players[0].overlay.style;
  for (const player of players) player.overlay.style = style;
  const redraw = () => players.forEach((player) => player.redraw());
  const toggle = (label, pressed, act, ...more) => {
    const button = h("button.chip", {
      type: "button", "aria-pressed": String(pressed),
      onclick: () => {
        const now = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(now));
        act(now);
        redraw();
      },
    }, ...more, label);
    return button;
  };
  const all = toggle("Overlay", true, (on) => { style.on = on; });
  all.classList.add("overlay-toggle");
  const named = new Map(players.flatMap(({ labels }) => labels.classes.map((one) => [one.name, one])));
  const classes = [...named.values()].map(({ name, color }) => {
    const swatch = h("i.swatch", { "aria-hidden": "true" });
    swatch.style.setProperty("--class", `rgb(${color.join(" ")})`);
    const act = (on) => { if (on) style.hidden.delete(name); else style.hidden.add(name); };
    return toggle(className(name), true, act, swatch);
  });
  const contours = toggle("Contours", true, (on) => { style.contours = on; });
  const opacity = h("input", {
    type: "range", min: 0, max: 100, step: 5, value: Math.round(style.opacity * 100),
    "aria-label": "Opacity of the overlay",
    oninput: () => { style.opacity = Number(opacity.value) / 100; redraw(); },
  });
  return h("div.overlay-controls", { role: "group", "aria-label": "Overlay" },
    all, classes, contours, h("label.opacity", {}, h("span", {}, "Opacity"), opacity));
}

/**
 * Keys of the viewer: space, arrows, home, end. They act while the focus is in `area` or nowhere,
 * and never take a key from a field, a button or a slider that uses it.
 */
export function viewerKeys(area, player, signal) {
  document.addEventListener("keydown", (event) => {
    const target = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (target !== document.body && !area.contains(target) && target.id !== "main") return;
    if (target.closest("select, textarea, [role=slider], dialog, .takes-keys")) return;
    const field = target.closest("input");
    if (field && field.type !== "range") return;
    if (field && event.key !== " ") return;
    if (event.key === " " && target.closest("button, a, summary")) return;
    const by = event.shiftKey ? 10 : 1;
    const acts = {
      " ": () => player.toggle(),
      ArrowLeft: () => player.step(-by),
      ArrowRight: () => player.step(by),
      Home: () => { player.pause(); player.show(0); },
      End: () => { player.pause(); player.show(player.count - 1); },
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }, { signal });
}
