import { el } from "./dom.js";
import { evidence } from "./evidence.js";
import { now, senders, unknown, health } from "./views.js";
import { live } from "./live.js";
import { why } from "./why.js";

const main = document.getElementById("main");
const state = document.getElementById("state");

// api fetches JSON; a problem becomes an Error with its status.
export async function api(path) {
  const r = await fetch("api/v1/" + path, { headers: { Accept: "application/json" } });
  const body = await r.json();
  if (r.ok) return body;
  if (r.status === 401 || r.status === 403) door(body);
  throw Object.assign(new Error(body.detail || body.title), { status: r.status });
}

// door shows how to get in.
function door(problem) {
  stream.close();
  leave();
  state.textContent = "signed out";
  state.className = "warn";
  main.replaceChildren(el("h2", {}, problem.title || "Signed out"), el("p", {}, problem.detail || ""),
    el("p", {}, "On the machine of the sensor, as root:"), el("pre", { tabindex: 0 }, "mxprint web"),
    el("p", {}, "It prints a link that lets this browser in."));
}

// stream is the one connection for events; views subscribe to it.
export const stream = {
  source: null, filter: "", last: "", on: new Set(), timer: 0, good: false,
  open(filter) {
    this.close();
    this.filter = filter;
    const q = new URLSearchParams(filter);
    if (this.last) q.set("after", this.last);
    const s = (this.source = new EventSource("api/v1/events?" + q));
    for (const name of ["hello", "rate", "connection", "lost"]) {
      s.addEventListener(name, (e) => {
        if (e.lastEventId) this.last = e.lastEventId;
        const data = JSON.parse(e.data);
        if (name === "rate") show(data.health);
        if (name === "hello") this.good = true;
        if (name === "lost" && data.restarted) this.last = "";
        for (const f of [...this.on]) f(name, data);
      });
    }
    s.onerror = () => {
      state.textContent = "no answer, trying again";
      state.className = "bad";
      this.close();
      this.timer = setTimeout(async () => {
        try {
          await api("status");
        } catch (err) {
          if (err.status === 401 || err.status === 403) return;
        }
        this.open(this.filter);
      }, 1000);
    };
  },
  close() {
    clearTimeout(this.timer);
    if (this.source) this.source.close();
    this.source = null;
  },
};

function show(health) {
  if (state.textContent === health) return;
  state.textContent = health;
  state.className = { well: "good", degraded: "warn", down: "bad" }[health] || "";
}

const views = { now, senders, live, evidence, unknown, health, connection: why };
let end = null;

function leave() {
  if (end) end();
  end = null;
}

// route shows the view that the address names.
async function route() {
  leave();
  const [, name, arg] = (location.hash || "#/now").split("/");
  const view = views[name] || now;
  for (const a of document.querySelectorAll("nav a")) {
    if (a.getAttribute("href") === "#/" + (name === "connection" ? "live" : name) || (!views[name] && a.getAttribute("href") === "#/now")) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  const box = el("div", {});
  main.replaceChildren(box);
  let over = false;
  const ends = [];
  end = () => { over = true; ends.forEach((f) => f()); };
  try {
    await view(box, { arg: decodeURIComponent(arg || ""), ended: () => over, atEnd: (f) => (over ? f() : ends.push(f)) });
  } catch (err) {
    if (!over && err.status !== 401 && err.status !== 403) box.append(el("p", { class: "note" }, err.message));
  }
  const h = box.querySelector("h2");
  if (h && !over) document.title = h.textContent + " – mxprint";
}

document.querySelector(".skip").addEventListener("click", (e) => { e.preventDefault(); main.focus(); });
addEventListener("hashchange", () => { route(); main.focus(); });
// The script is a module and starts after uPlot, which is deferred too.
stream.open("");
route();
