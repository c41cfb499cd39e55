import { el } from "./dom.js";

const color = (i) => getComputedStyle(document.documentElement).getPropertyValue("--c" + ((i % 6) + 1)).trim();
const dashes = [[], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [3, 5]]; // colour alone does not tell lines apart

// hour is a time of day, with seconds where the steps are short.
const day = (t) => new Date(t * 1000).toLocaleDateString("en-GB", { day: "2-digit", month: "2-digit" });
const hour = (t, step) => step >= 21600 ? day(t) : new Date(t * 1000).toLocaleTimeString("en-GB", step < 60 ? {} : { hour: "2-digit", minute: "2-digit" });

// plot makes a figure with one line a name; set(times, rows) draws.
export function plot(caption, names, format) {
  const at = el("div", { role: "img", "aria-label": caption });
  const legend = el("ul", { class: "legend" });
  const figure = el("figure", {}, el("figcaption", {}, caption), at, legend);
  let chart = null, shown = "";
  const options = (lines) => {
    const css = getComputedStyle(document.documentElement);
    const axis = { stroke: css.getPropertyValue("--text").trim(), grid: { stroke: css.getPropertyValue("--line").trim(), width: 0.5 }, ticks: { width: 0 } };
    return {
      width: Math.max(200, at.clientWidth || 400), height: 180, legend: { show: false }, cursor: { show: false },
      scales: { y: { range: (u, min, max) => [0, max > 0 ? max * 1.1 : 1] } },
      axes: [{ ...axis, values: (u, v, i, s, step) => v.map((t) => hour(t, step)) }, { ...axis, size: 64, values: (u, v) => v.map(format) }],
      series: [{}, ...lines.map((name, i) => ({ label: name, stroke: color(i), width: 2, spanGaps: true, dash: dashes[i % 6], points: { show: false } }))],
    };
  };
  const drop = () => { if (chart) chart.destroy(); chart = null; };
  function set(times, rows, lines) {
    lines = lines || names;
    const data = [times, ...rows];
    if (shown !== lines.join("\n")) { drop(); shown = lines.join("\n"); }
    if (!times.length) return;
    if (!chart && at.isConnected) chart = new uPlot(options(lines), data, at);
    else if (chart) chart.setData(data);
    legend.replaceChildren(...lines.map((name, i) => {
      const key = el("span", { "aria-hidden": "true" });
      key.style.background = color(i);
      return el("li", {}, key, name + ": " + format(rows[i][rows[i].length - 1] || 0));
    }));
    at.setAttribute("aria-label", caption + ", now " + lines.map((name, i) => name + " " + format(rows[i][rows[i].length - 1] || 0)).join(", "));
  }
  const fit = new ResizeObserver(() => { if (chart && at.clientWidth) chart.setSize({ width: at.clientWidth, height: 180 }); });
  fit.observe(at);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", drop);
  return { figure, set, end: () => { fit.disconnect(); dark.removeEventListener("change", drop); drop(); } };
}
