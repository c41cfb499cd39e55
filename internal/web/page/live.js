import { api, stream } from "./app.js";
import { el, clock, seconds, title, program } from "./dom.js";

const most = 200; // rows
const columns = ["Time", "Client", "System", "Match", "Program", "Hops", "Link", "Findings", "Asked by", "Took"];
const keys = ["client", "system", "program", "state", "finding"];

// live is the table of connections as they come.
export async function live(box, view) {
  const start = new URLSearchParams(view.arg);
  const inputs = {
    client: el("input", { id: "f-client", name: "client", placeholder: "192.0.2.0/24", autocomplete: "off" }),
    system: el("input", { id: "f-system", name: "system", placeholder: "Windows", autocomplete: "off" }),
    program: el("input", { id: "f-program", name: "program", autocomplete: "off" }),
    state: el("select", { id: "f-state", name: "state" }, el("option", { value: "" }, "any"), ["matched", "unknown", "not seen", "unavailable"].map((s) => el("option", { value: s }, s))),
    finding: el("input", { id: "f-finding", name: "finding", autocomplete: "off" }),
  };
  const names = { client: "Address or network", system: "System", program: "Program", state: "State", finding: "Finding" };
  for (const k of keys) inputs[k].value = start.get(k) || "";
  const pause = el("button", { type: "button", "aria-pressed": "false" }, "Pause");
  const said = el("span", { role: "status", class: "dim" });
  const body = el("tbody", {});
  const form = el("form", { role: "search", "aria-label": "Filter" }, keys.map((k) => el("label", { for: "f-" + k }, names[k], inputs[k])),
    el("button", {}, "Filter"), pause, said);
  box.append(el("h2", {}, "Live"), form, el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Connections" },
    el("table", { class: "wide" }, el("thead", {}, el("tr", {}, columns.map((h) => el("th", { scope: "col" }, h)))), body)));

  let paused = false, waiting = new Map(), rows = new Map(), drawing = false, lost = 0;
  const row = (c) => {
    const n = c.note;
    return el("tr", { class: "new", "data-id": c.id }, [
      clock(c.changed), el("a", { href: "#/connection/" + encodeURIComponent(c.id) }, c.client), title(n), n.state === "matched" ? n.quality + (n.by_connection ? "" : ", by address") : "",
      program(n), n.distance === undefined ? "" : n.distance, n.link_type || "", (c.findings || []).join(", "), (c.fronts || []).join(", ") || "verified", seconds(c.took_seconds),
    ].map((x, i) => el("td", { "data-name": columns[i] }, x)));
  };
  const say = () => {
    said.textContent = (paused ? "paused, " + waiting.size + " new" : rows.size + " shown") + (lost ? ", " + lost + " events lost: this page was too slow" : "");
  };
  const draw = () => {
    drawing = false;
    if (view.ended() || paused) return say();
    for (const c of waiting.values()) {
      if (rows.has(c.id)) rows.get(c.id).remove();
      rows.delete(c.id);
      const r = row(c);
      rows.set(c.id, r);
      body.prepend(r);
    }
    waiting.clear();
    for (const [id, r] of rows) {
      if (rows.size <= most) break;
      r.remove();
      rows.delete(id);
    }
    say();
  };
  const add = (c) => {
    waiting.delete(c.id);
    waiting.set(c.id, c);
    if (waiting.size > most) waiting.delete(waiting.keys().next().value);
    if (!drawing) { drawing = true; setTimeout(draw, 100); }
  };
  const query = () => new URLSearchParams(keys.map((k) => [k, inputs[k].value.trim()]).filter(([, v]) => v)).toString();
  const load = async () => {
    rows.clear(); waiting.clear(); body.replaceChildren(); lost = 0;
    const q = query();
    const answer = await api("connections?" + q + (q ? "&" : "") + "limit=100");
    if (view.ended()) return;
    answer.connections.reverse().forEach(add);
    stream.last = answer.position;
    stream.open(q);
  };
  const hear = (name, data) => {
    if (name === "connection") add(data);
    else if (name === "lost" && data.restarted) load().catch(() => {});
    else if (name === "lost") { lost += data.events; say(); }
  };
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    draw();
  });
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    history.replaceState(null, "", "#/live" + (query() ? "/" + encodeURIComponent(query()) : ""));
    try { await load(); } catch (err) { said.textContent = err.message; }
  });
  stream.on.add(hear);
  view.atEnd(() => { stream.on.delete(hear); if (stream.filter) stream.open(""); });
  await load();
}
