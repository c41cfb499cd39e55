import { api } from "./app.js";
import { el, table, list, title, program, ago, seconds } from "./dom.js";

const when = (t) => (t ? new Date(t).toLocaleString("en-GB") + ", " + ago(t) : "");

// part fetches what may not be there, and says why it is not.
async function part(path) {
  try {
    return { value: await api(path) };
  } catch (err) {
    if (err.status === 401 || err.status === 403) throw err;
    return { reason: err.message };
  }
}

// why is one connection: what is known, and what it rests on.
export async function why(box, view) {
  const id = encodeURIComponent(view.arg);
  const { connection: c, headers } = await api("connections/" + id);
  const n = c.note;
  const address = c.client.replace(/^\[(.*)\]:\d+$/, "$1").replace(/^([\d.]+):\d+$/, "$1");
  const [explained, past] = await Promise.all([part("connections/" + id + "/explain"), part("history?client=" + encodeURIComponent(address))]);
  if (view.ended()) return;
  box.append(el("h2", {}, "Why " + c.client + " is " + (n.state === "matched" ? "called " + title(n) : n.state)), verdict(n, explained.value), facts(c));
  syn(box, explained);
  sender(box, n, explained.value);
  box.append(el("h3", {}, "The note as each mail server gets it"), table("Notes", ["For", "Text"], headers.map((h) => [h.for, el("code", {}, h.text || "(nothing)")])));
  box.append(el("h3", {}, "History of " + address));
  if (past.value) box.append(...history(past.value));
  else box.append(el("p", { class: "dim" }, past.reason));
  box.append(el("p", {}, el("a", { href: "#/live/" + encodeURIComponent("client=" + address) }, "Other connections of this address")));
}

// history is what the store remembers of an address.
function history({ addresses, connections }) {
  const parts = [];
  if (addresses && addresses.length) parts.push(table("Addresses", ["Network", "First seen", "Last seen", "#Visits", "#Names", "System", "Program", "Changed"], addresses.map((h) => [
    h.network, when(h.first_seen), when(h.last_seen), h.visits, h.names, h.os || "", h.software || "", h.changed ? h.changed + ", " + when(h.changed_at) : ""])));
  if (connections && connections.length) parts.push(table("Connections", ["Time", "Client", "Called itself", "System", "Program", "Verdicts"], connections.map((e) => [
    when(e.time), e.client, e.name || "", e.note ? title(e.note) : "", e.note ? program(e.note) : "", (e.verdicts || []).map((v) => v.source + (v.spam ? " spam" : " ham") + (v.sure ? "" : " (not sure)")).join("; ")])));
  return parts.length ? parts : [el("p", {}, "Nothing is remembered.")];
}

// verdict is the answer in a sentence.
function verdict(n, x) {
  if (n.state === "not seen") return el("p", { class: "lead warn" }, "The sensor has seen no SYN of this client: the wrong interface or filter, or one that came before the sensor started.");
  if (n.state === "unavailable") return el("p", { class: "lead bad" }, "No sensor could be asked.");
  if (n.state === "unknown") return el("p", { class: "lead warn" }, "It was seen, and no signature matches its SYN. The nearest are below.");
  const how = n.by_connection ? "the first packet (SYN) of this very connection" : "what the address sent last: the question named no port, or the SYN of this connection is not known";
  const m = x && x.match;
  return el("p", { class: "lead" }, "Its name rests on " + how + (m ? ", which matches line " + m.line + " of " + m.file + " (" + x.quality + ")." : "."));
}

function facts(c) {
  const n = c.note;
  return el("div", { class: "side" }, list([
    ["System", title(n)], ["Match", n.state === "matched" ? n.quality : ""], ["Rewritten on the way", (n.rewritten || []).join(", ")],
    ["Distance", n.distance === undefined ? "" : n.distance + " hops"], ["Link", n.link_type], ["MTU", n.mtu && n.mtu + " bytes"],
    ["Program", program(n)], ["HTTP program", n.http_name && n.http_name + " " + (n.http_flavor || "")], ["Uptime", n.uptime_reliable === false ? "" : n.uptime_min && Math.round(n.uptime_min / 60) + " h"],
  ]), list([
    ["Client", c.client], ["Server", c.server], ["Asked by", (c.fronts || []).join(", ")], ["Asked", c.asked === 1 ? "once" : c.asked + " times"], ["The answer took", seconds(c.took_seconds)],
    ["Handshake", c.verified ? "complete: the address is the sender's own" : "not seen to complete: the address may be forged"],
    ["Address first seen", when(n.first_seen)], ["Connections of the address", n.total_conn || ""], ["Sharing of the address", when(n.last_nat)], ["Change of the system", when(n.last_chg)], ["Two answers possible", n.ambiguous && "yes"],
  ]));
}

function syn(box, { value: x, reason }) {
  box.append(el("h3", {}, "The SYN"));
  if (!x || !x.raw_sig) {
    box.append(el("p", { class: "dim" }, reason || "The answer was about the address: no SYN of this connection is known."));
    return;
  }
  box.append(el("p", {}, el("code", {}, x.raw_sig)), table("Fields of the SYN", ["Field", "Value", "Means"], x.fields.map((f) => [f.name, el("code", {}, f.value), f.words])));
  if (x.match) box.append(el("h3", {}, "The signature that matches"), list(signature(x.match)), ...differences(x.match));
  box.append(el("h3", {}, x.match ? "The nearest others" : "The nearest signatures"));
  for (const s of x.nearest) box.append(list(signature(s)), ...differences(s, x.match));
}

function signature(s) {
  return [["Names", s.title + (s.generic ? " (generic)" : "")], ["Line", el("code", {}, s.signature)], ["From", s.file + ":" + s.line], ["Known by", [s.source, s.date].filter(Boolean).join(", ")]];
}

function differences(s, nearest) {
  if (!s.differences.length) return nearest ? [el("p", { class: "dim" }, "It matches too; the one above comes first.")] : [];
  return [table("What differs from " + s.title, ["Field", "Signature wants", "SYN has", "Hint"], s.differences.map((d) => [d.field, el("code", {}, d.want), el("code", {}, d.has), d.hint || ""]))];
}

// sender is what is known of the program at the other end. What was not looked
// at is not there.
function sender(box, n, x) {
  const s = n.software, t = n.tls, f = n.flow, m = n.memory;
  if (s) box.append(el("h3", {}, "The program, by its SMTP dialect"), list([["Program", program(n)], ["Match", s.quality], ["Or", (s.or || []).join(", ")], ["Dialect", s.dialect && el("code", {}, s.dialect)], ["Session", s.reading]]),
    ...(x ? x.programs : []).flatMap((p) => [el("h4", {}, "The signature of " + p.title), list(signature(p))]));
  if (t) box.append(el("h3", {}, "TLS"), list([["ClientHello", t.state], ["Library", [t.library, t.release].filter(Boolean).join(" ")], ["Settings", t.settings], ["Highest version", t.version], ["JA4", t.ja4 && el("code", {}, t.ja4)], ["JA4 before hashing", t.ja4_r && el("code", {}, t.ja4_r)], ["Names the server (SNI)", t.state === "complete" ? (t.server_name ? "yes" : "no") : ""]]));
  for (const [name, part] of [["Conduct", n.conduct], ["Claims that facts contradict", n.contradictions]]) {
    if (!part) continue;
    box.append(el("h3", {}, name));
    if ((part.list || []).length) box.append(table(name, ["Finding", "Means", "Shown by"], part.list.map((x) => [x.id + (x.may_be ? " (maybe)" : ""), x.words || "", x.evidence || ""])));
    else box.append(el("p", {}, part.state === "complete" ? "Nothing." : "Nothing yet: " + part.state + "."));
  }
  if (f) box.append(el("h3", {}, "Packets"), list([["Round trip of the handshake", ms(f.handshake_rtt_ms)], ["Round trip by TCP", ms(f.tcp_rtt_ms)], ["Round trip by SMTP", ms(f.smtp_rtt_ms)], ["Sent again by the client", f.retransmits], ["Sent again by the server", f.resent], ["Window closed", f.zero_windows], ["Ended by", f.closed_by && f.closed_by + (f.reset ? ", by a reset" : "")]]));
  if (m) box.append(el("h3", {}, "Memory"), list([["First seen", when(m.first_seen)], ["Visits before", m.visits], ["New", m.new && "yes"], ["Changed", (m.changed || []).join(", ")]]));
}

const ms = (v) => (v ? seconds(v / 1000) : "");
