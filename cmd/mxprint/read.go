package main

import "context"

var readCommand = command{
	name:    "read",
	summary: "name the senders in capture files",
	usage: `Usage: mxprint read [-f FP] [-with FP] [-o FORM] [-filter RULE | -F PROGRAM] FILE…

Reads pcap and pcapng files, - for the standard input, and prints what it finds:
on a terminal a table, elsewhere one line an observation in the form of p0f's
log. What p0f has no words for stands at the end of such a line: or= (other
systems that send the same packet), rewritten= (what a box on the way changed in
it), reliable=no (an uptime from a clock that may begin at random).
"mxprint summary" shows a capture in one screen.

` + databaseUsage + `  -o FORM     table, lines, json (docs/json.md) or csv
  -json       the same as -o json
  -color WHEN auto (on a terminal, without NO_COLOR), always or never
  -q          no progress on the standard error
  -smtp=false read no payload: neither SMTP nor the hellos of TLS
  -filter R   take only what this pcap-filter expression takes
  -F PROGRAM  the same, from a file with the output of tcpdump -ddd

Examples:
  mxprint read mail.pcap
  mxprint read -json mail.pcap | jq -r 'select(.module == "syn") | .os.name'
  tcpdump -i eth0 -U -w - 'tcp port 25' | mxprint read -
  tcpdump -ddd -y EN10MB 'tcp port 25' >smtp.bpf; mxprint read -F smtp.bpf mail.pcap
`,
	run: runRead,
}

func runRead(ctx context.Context, args []string, std *stdio) error {
	fs := newFlags("read")
	r := readingFlags(fs)
	asJSON := fs.Bool("json", false, "")
	o := formFlags(fs)
	if err := parse(fs, args); err != nil {
		return err
	}
	if *asJSON {
		o.name = "json"
	}
	form, err := o.form(std)
	if err != nil {
		return err
	}
	return r.run(ctx, fs, std, form.Observer)
}
