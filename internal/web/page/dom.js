// Elements are made of text nodes alone: what a sender wrote never becomes markup.
export function el(tag, attrs, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs || {})) {
    if (k === "class") e.className = v;
    else if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else if (v !== undefined && v !== null && v !== false) e.setAttribute(k, v === true ? "" : v);
  }
  for (const c of children.flat()) if (c !== undefined && c !== null && c !== "") e.append(c instanceof Node ? c : String(c));
  return e;
}

export function table(caption, head, rows, cls) {
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    el("table", { class: cls || "" }, el("caption", {}, caption),
      el("thead", {}, el("tr", {}, head.map((h) => el("th", { scope: "col", class: h.startsWith("#") ? "n" : "" }, h.replace("#", ""))))),
      el("tbody", {}, rows.map((r) => el("tr", {}, r.map((c, i) => el("td", { class: head[i].startsWith("#") ? "n" : "" }, c)))))));
}

export function list(pairs) {
  return el("dl", {}, pairs.filter(([, v]) => v !== undefined && v !== null && v !== "" && v !== false)
    .flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, v)]));
}

export const number = (n) => (n >= 100 || Number.isInteger(n) ? Math.round(n).toLocaleString("en") : n.toFixed(1));

export function seconds(s) {
  if (!s) return "–";
  if (s < 0.001) return Math.round(s * 1e6) + " µs";
  if (s < 1) return (s * 1000).toPrecision(3) + " ms";
  return s.toPrecision(3) + " s";
}

export function ago(time) {
  const s = Math.max(0, Math.round((Date.now() - new Date(time)) / 1000));
  if (s < 90) return s + " s ago";
  if (s < 5400) return Math.round(s / 60) + " min ago";
  if (s < 172800) return Math.round(s / 3600) + " h ago";
  return Math.round(s / 86400) + " days ago";
}

export const clock = (time) => new Date(time).toLocaleTimeString("en-GB");

export function title(note) {
  if (note.state !== "matched") return note.state;
  const or = note.os_or ? " or " + note.os_or.join(", ") : "";
  return note.os_name + (note.os_flavor ? " " + note.os_flavor : "") + or;
}

export function program(note) {
  const s = note.software;
  if (!s) return "";
  return s.name ? s.name + (s.flavor ? " " + s.flavor : "") : s.state;
}
