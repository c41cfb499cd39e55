import { api } from "./app.js";
import { el, table, number } from "./dom.js";
import { plot } from "./plot.js";

const percent = (x) => (100 * x).toFixed(x > 0.1 || x === 0 ? 0 : 1) + " %";
const range = (i) => percent(i.low) + " to " + percent(i.high);

// evidence is the report of the store: what each signal was worth at this site.
export async function evidence(box, view) {
  box.append(el("h2", {}, "Evidence"), el("p", {}, "What each signal is worth at this site, by the verdicts of its own filters."));
  let r;
  try {
    r = await api("report");
  } catch (err) {
    if (err.status !== 501) throw err;
    box.append(el("p", { class: "note" }, err.message));
    return;
  }
  if (view.ended()) return;
  const signals = r.signals || [];
  box.append(worth(r, signals), el("p", { class: "dim" }, number(r.connections) + " connections since " + String(r.since).slice(0, 10) + ", " + number(r.with_verdict) +
    " with a verdict; " + number(r.all.mails) + " sure verdicts from " + number(r.all.senders) + " senders on all days that are remembered. " + r.silent + " other signals say nothing here; of " + r.few + " too little is known."));
  if (signals.length) box.append(days(signals, view), table("Signals, the strongest first, for spam or against", ["Signal", "#Spam", "In 95 of 100 cases", "Bar", "#To all", "#Senders", "#Mails"], signals.map((s) => {
    const bar = el("span", { class: "bar", "aria-hidden": "true" });
    bar.style.inlineSize = Math.max(1, Math.round(100 * s.share)) + "%";
    return [s.token + (s.lost_its_worth_on ? " (lost its worth on " + s.lost_its_worth_on + ")" : ""), percent(s.share), range(s.interval), bar, s.lift.toFixed(1) + " times", number(s.senders), number(s.mails)];
  })));
  if (r.combinations) box.append(table("Together more than each", ["Signals", "#Spam", "In 95 of 100 cases", "#Senders", "#Mails"], r.combinations.map((c) => [(c.parts || []).join(" and "), percent(c.share), range(c.interval), number(c.senders), number(c.mails)])));
  if (r.would_have) box.append(table("What a rule would have done since " + String(r.since).slice(0, 10) + ", in mails: a hit that is neither spam nor ham has no sure verdict; “let through” is spam that the filter did not take for it" + (r.trained_before ? "" : " (scores of the same days: they look better than they are)"),
    ["Rule", "#Hits", "#Spam", "#Let through", "#Ham", "#Ham senders hit", "Hit wrongly (mails)"], r.would_have.map((w) => [w.what, number(w.hit), number(w.spam), number(w.more), number(w.ham), percent(w.ham_hit),
      (w.ham_senders || []).slice(0, 3).map((h) => h.name + " (" + h.mails + ")").join(", ")])));
  if (r.missed && r.missed.mails) box.append(table(number(r.missed.mails) + " mails that the filter let through were spam: the signals for spam that they had", ["Signal", "#Mails"], (r.missed.signals || []).map((m) => [m.token, number(m.mails)])));
}

// worth is the answer in a sentence.
function worth(r, signals) {
  const best = signals.find((s) => s.enough && !s.lost_its_worth_on);
  if (!best) return el("p", { class: "lead warn" }, "Too little is known yet to say which signal is worth most.");
  return el("p", { class: "lead" }, "Worth most here: ", el("b", {}, best.token), ": " + percent(best.share) + " of its senders' days were spam (" + range(best.interval) + "), of all senders' days " + percent(best.base) + ".");
}

// days draws the shares of the strongest signals.
function days(signals, view) {
  const top = signals.filter((s) => (s.days || []).length > 1).slice(0, 6);
  if (!top.length) return "";
  const times = [...new Set(top.flatMap((s) => s.days.map((d) => Date.parse(d.day) / 1000)))].sort((a, b) => a - b);
  const p = plot("Share of spam by day", [], percent, true);
  view.atEnd(() => p.end());
  const rows = top.map((s) => {
    const by = new Map(s.days.map((d) => [Date.parse(d.day) / 1000, d.share]));
    return times.map((t) => (by.has(t) ? by.get(t) : null));
  });
  setTimeout(() => p.set(times, rows, top.map((s) => s.token)));
  return el("div", { class: "plots" }, p.figure);
}
