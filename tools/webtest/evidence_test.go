package webtest

import (
	"testing"
)

// report is one of internal/evidence, with a sender's text in it.
const report = `{"made":"2026-11-28T10:00:00Z","since":"2026-11-14T00:00:00Z","trained_before":true,"connections":12000,"with_verdict":9000,"sources":{"rspamd":9000},
"all":{"token":"*","senders":900,"mails":8000,"enough":true,"share":0.4,"interval":{"low":0.38,"high":0.42},"base":0.4,"lift":1,"weight":0,"weight_interval":{"low":0,"high":0}},
"signals":[{"token":"os:Windows <b>","senders":120,"mails":800,"enough":true,"share":0.93,"interval":{"low":0.88,"high":0.97},"base":0.4,"lift":2.3,"signal":true,"weight":2.9,"weight_interval":{"low":2,"high":3},"before":0.5,"after":0.5,"trend":0,
"days":[{"day":"2026-11-20","senders":9,"share":0.9},{"day":"2026-11-21","senders":9,"share":0.95},{"day":"2026-11-22","senders":9,"share":0.92}]}],
"silent":12,"few":30,"would_have":[{"what":"score 2 and more","hit":700,"spam":690,"ham":3,"more":41,"of":8000,"of_ham":4000,"share":0.98,"interval":{"low":0.9,"high":1},"ham_hit":0.002,"ham_interval":{"low":0,"high":0.01},"ham_senders":[{"name":"mail.example.org","mails":2,"example":"x"}]}],
"missed":{"mails":20,"signals":[{"token":"os:Windows <b>","mails":17}]}}`

// TestEvidence shows a report as the store makes it: the strongest signal in a
// sentence, and the plot of its days.
func TestEvidence(t *testing.T) {
	p := browse(t)
	p.enter(demo(t))
	p.has("well")
	p.eval("(() => { const ask = fetch; const report = " + report + `; window.fetch = (u, o) => String(u).endsWith("/report") ? Promise.resolve(new Response(JSON.stringify(report))) : ask(u, o); })()`)
	for _, scheme := range []string{"light", "dark"} {
		p.look(1280, 900, scheme)
		p.open("now")
		p.open("evidence")
		for _, text := range []string{"Worth most here: os:Windows <b>: 93 % of its senders' days were spam (88 % to 97 %), of all senders' days 40 %.", "Share of spam by day", "score 2 and more", "mail.example.org (2)", "20 mails that the filter let through"} {
			p.has(text)
		}
		p.until(`document.querySelector("canvas")`)
		p.shoot("report-" + scheme)
		p.accessible("report " + scheme)
	}
	p.look(360, 740, "light")
	p.open("now")
	p.open("evidence")
	p.has("Worth most here")
	p.accessible("report narrow")
	p.sound()
}
