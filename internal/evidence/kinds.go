package evidence

import "strings"

// kinds says what the kinds of signals are, for readers of a report.
var kinds = []struct{ kind, what string }{
	{"system", "the operating system by its first packet; unknown: seen, but of none that is known"},
	{"system version", "the same with its version"},
	{"system quality", "how well that packet fits"},
	{"link", "the link by the largest segment that the client takes; DSL: as of a line at home"},
	{"rewritten", "what a router on the way changed"},
	{"distance", "routers on the way"},
	{"software", "the sending program by how it speaks SMTP and TLS; unknown: like none that is known"},
	{"software version", "the same with its version"},
	{"dialect", "how the program speaks, in full"},
	{"tls", "the TLS library; none: the client did not begin TLS"},
	{"tls version", "the version of TLS"},
	{"ja4", "the client's TLS hello, as a hash"},
	{"conduct", "what the client did that SMTP does not allow; early_talker: spoke before the greeting"},
	{"contradiction", "what the mail claims and the connection does not show"},
	{"hello", "the form of the name after HELO or EHLO"},
	{"handshake time", "how long the handshake takes, there and back"},
	{"tcp time", "how long the client's system takes to acknowledge data"},
	{"smtp time", "how long the client takes to answer"},
	{"flow", "segments sent again, resets"},
	{"memory", "what this site saw of the address before"},
	{"changed", "what the address showed otherwise before"},
	{"new here", "what this site had not seen of anybody"},
}

// Kinds says in a line each what the signals of the report are.
func (r *Report) Kinds() (list []string) {
	have := make(map[string]bool)
	for _, s := range r.Signals {
		kind, _, _ := strings.Cut(s.Token, "=")
		have[kind] = true
	}
	for _, k := range kinds {
		if have[k.kind] {
			list = append(list, k.kind+"= is "+k.what+".")
		}
	}
	return list
}
