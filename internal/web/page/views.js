import { api, stream } from "./app.js";
import { el, table, list, number, seconds, ago, clock } from "./dom.js";
import { plot } from "./plot.js";

const keep = 900; // samples

// every calls f now and then until the view ends.
async function every(ms, view, f) {
  await f();
  const t = setInterval(() => f().catch(() => {}), ms);
  view.atEnd(() => clearInterval(t));
}

export async function now(box, view) {
  const cards = el("ul", { class: "cards" });
  const plots = [
    plot("New connections (SYNs) a second", ["SYNs"], number),
    plot("Answers a second by state", ["matched", "unknown", "not seen", "unavailable"], number),
    plot("Time of a look-up", ["half", "99 %"], seconds),
    plot("Lost frames and late answers a second", ["lost frames", "late answers"], number),
  ];
  const verdict = el("p", { class: "lead" });
  box.append(el("h2", {}, "Now"), verdict, cards, el("div", { class: "plots" }, plots.map((p) => p.figure)));
  view.atEnd(() => plots.forEach((p) => p.end()));
  let samples = (await api("pulse")).samples;
  if (view.ended()) return;
  const draw = () => {
    const s = samples[samples.length - 1];
    if (!s) return;
    const col = (k) => samples.map((x) => x[k]);
    const t = col("time");
    plots[0].set(t, [col("syns")]);
    plots[1].set(t, [col("matched"), col("unknown"), col("not_seen"), col("unavailable")]);
    plots[2].set(t, [col("p50_seconds"), col("p99_seconds")]);
    plots[3].set(t, [col("drops"), col("late")]);
    const sum = (k) => samples.slice(-60).reduce((n, x) => n + x[k], 0);
    const asked = sum("matched") + sum("unknown") + sum("not_seen") + sum("unavailable");
    const late = sum("late"), slow = Math.max(0, ...samples.slice(-60).map((x) => x.p99_seconds));
    verdict.replaceChildren(asked === 0 ? "No mail server has asked within the last minute."
      : late > 0 ? el("span", { class: "bad" }, "Answers are late: " + number(Math.round(late)) + " of " + number(Math.round(asked)) + " within the last minute came after the deadline.")
        : el("span", { class: "good" }, "Answers are in time: " + number(Math.round(asked)) + " within the last minute, the slowest took about " + seconds(slow) + "."));
    cards.replaceChildren(...[
      ["connections a second", number(s.syns)], ["answers a second", number(s.matched + s.unknown + s.not_seen + s.unavailable)],
      ["named, last minute", asked ? Math.round((100 * sum("matched")) / asked) + " %" : "–"], ["half of the look-ups within", seconds(s.p50_seconds)],
      ["late, last minute", number(Math.round(late))], ["lost frames, last minute", number(Math.round(sum("drops")))],
      ["addresses known", number(s.hosts)], ["connections followed", number(s.connections)],
    ].map(([what, value]) => el("li", {}, el("b", {}, value), what)));
  };
  draw();
  const hear = (name, data) => {
    if (name !== "rate") return;
    samples = [...samples.filter((x) => x.time < data.time), data].slice(-keep);
    draw();
  };
  stream.on.add(hear);
  view.atEnd(() => stream.on.delete(hear));
}

export async function senders(box, view) {
  const plots = { systems: plot("Systems, connections a minute", [], number), programs: plot("Programs, connections a minute", [], number), links: plot("Links, connections a minute", [], number) };
  const tables = el("div", { class: "side" }), busiest = el("div", {});
  box.append(el("h2", {}, "Who comes"), el("p", { class: "dim" }, "Connections of the last hour that a mail server asked about, or that were verified."),
    el("div", { class: "plots" }, Object.values(plots).map((p) => p.figure)), tables, busiest);
  view.atEnd(() => Object.values(plots).forEach((p) => p.end()));
  await every(5000, view, async () => {
    const s = await api("summary");
    if (view.ended()) return;
    for (const [key, p] of Object.entries(plots)) {
      const lines = s[key].slice(0, 6);
      p.figure.hidden = !lines.length;
      p.set(s.minutes, lines.map((l) => l.counts), lines.map((l) => l.name));
    }
    const share = (caption, lines) => {
      const rows = lines.map((l) => [l.name, l.counts.reduce((a, b) => a + b, 0)]);
      const all = rows.reduce((n, r) => n + r[1], 0);
      return table(caption, ["Name", "#Connections", "#Share", "Bar"], rows.map(([name, n]) => {
        const bar = el("span", { class: "bar", "aria-hidden": "true" });
        bar.style.inlineSize = Math.max(1, Math.round((100 * n) / all)) + "%";
        return [name, number(n), Math.round((100 * n) / all) + " %", bar];
      }));
    };
    const y = scrollY;
    tables.replaceChildren(...[["Systems", s.systems], ["Programs", s.programs], ["Links", s.links], ["States", s.states]].filter(([, l]) => l.length).map(([n, l]) => share(n, l)));
    busiest.replaceChildren(table("Busiest senders", ["Address", "System", "Program", "#Connections", "Last"], s.senders.slice(0, 15).map((x) => [
        el("a", { href: "#/live/" + encodeURIComponent("client=" + x.client) }, x.client), x.system, x.program || "", x.count, ago(x.last)])));
    scrollTo(0, y);
  });
}

export async function unknown(box) {
  box.append(el("h2", {}, "Unknown SYNs and dialects"));
  let text = "";
  try {
    text = (await api("unknown")).signatures;
  } catch (err) {
    if (err.status !== 501) throw err;
    box.append(el("p", { class: "note" }, err.message));
  }
  const n = (text.match(/^sig /gm) || []).length;
  box.append(el("h3", {}, n ? n + " SYNs and SYN+ACKs that no signature matches" : "Every SYN so far has a signature"));
  if (n) {
    const copied = el("span", { role: "status" });
    const pre = el("pre", { tabindex: 0, "aria-label": "Signature file" }, text);
    box.append(el("p", {}, "If you know a sender, put its name in the label. The file is ready for ",
      el("code", {}, "mxprint signatures check"), " and for a report to the project; it holds no address. "),
    el("p", {}, el("button", { onclick: async () => {
      try { await navigator.clipboard.writeText(text); copied.textContent = " copied"; } catch { // without HTTPS there is no clipboard
        getSelection().selectAllChildren(pre); copied.textContent = " selected: press Ctrl-C";
      }
    } }, "Copy"), copied), pre);
  }
  const dialects = new Map();
  for (const c of (await api("connections?limit=1000")).connections) {
    const s = c.note.software;
    if (s && s.state === "unknown" && s.dialect) dialects.set(s.dialect, (dialects.get(s.dialect) || 0) + 1);
  }
  const rows = [...dialects].sort((a, b) => b[1] - a[1]).slice(0, 50);
  box.append(el("h3", {}, rows.length ? "SMTP dialects that no signature names" : "No unknown SMTP dialect among the newest 1,000 connections"));
  if (rows.length) box.append(el("p", {}, "If you know a program, put its name in the label; the file is ready for ", el("code", {}, "mxprint signatures check"), "."),
    el("pre", { tabindex: 0, "aria-label": "Signature file of dialects" }, "classes = tool\n[smtp:client]\n" + rows.map(([d, k]) => "\n; seen " + k + " times\nlabel  = s:tool:Unknown:\nsource = seen by mxprint\ndate   = " + new Date().toISOString().slice(0, 7) + "\nsig    = " + d).join("\n")));
}

export async function health(box, view) {
  box.append(el("h2", {}, "Health"));
  const body = el("div", {});
  box.append(body);
  await every(5000, view, async () => {
    const s = await api("status");
    let doctor = [], why = "";
    try { doctor = (await api("doctor")).findings; } catch (err) { if (err.status !== 501) throw err; why = err.message; }
    if (view.ended()) return;
    const cls = { well: "good", degraded: "warn", down: "bad" }[s.health];
    body.replaceChildren(
      el("p", { class: "lead " + cls }, "The sensor is " + s.health + "."),
      s.reasons ? el("ul", {}, s.reasons.map((r) => el("li", {}, r))) : "",
      el("h3", {}, "What the doctor finds"),
      doctor.length ? table("Findings", ["At", "Found", "Do"], doctor.map((d) => [d.looked, d.found, el("code", {}, d.do)]))
        : el("p", {}, why || "Nothing. As root, mxprint doctor also counts SYNs and reads Postfix's files."),
      s.sources ? table("Sources", ["Name", "State", "#Frames", "#SYNs", "#Lost", "Last frame"],
        s.sources.map((x) => [x.name, x.state + (x.reason ? ": " + x.reason : ""), number(x.frames), number(x.syns), number(x.drops), x.last ? ago(x.last) : "never"])) : "",
      table("Fronts", ["Name", "#Matched", "#Unknown", "#Not seen", "#Unavailable", "#Late", "#Open", "Listens at"], s.fronts.map((f) => [
        f.name, number(f.answers.matched), number(f.answers.unknown), number(f.answers.not_seen), number(f.answers.unavailable), number(f.unanswered_in_time), number(f.open),
        (f.listen || []).join(", ") + (f.failed ? " failed: " + f.failed.map((x) => x.at + ": " + x.reason).join("; ") : "")])),
      list([["Version", s.version], ["Started", new Date(s.started).toLocaleString("en-GB")], ["Signatures", s.database.signatures + ", the newest of " + (s.database.date || "–")],
        ["Signature files", (s.database.files || []).join(", ")], ["Memory", s.memory_bytes ? number(s.memory_bytes / 1048576) + " MiB" : ""],
        ["Addresses", number(s.hosts.now) + " of " + number(s.hosts.max)], ["Look-ups", "half within " + seconds(s.lookups.p50_seconds) + ", 99 % within " + seconds(s.lookups.p99_seconds)],
        ["Not logged", s.lost.observations + s.lost.unwritten || ""], ["Waits for a restart", (s.configuration.waiting_for_restart || []).join(", ")], ["Frames not read", (s.unread || []).join("; ")],
        ["As of", clock(s.now)]]));
  });
}
