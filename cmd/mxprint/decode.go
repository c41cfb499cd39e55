package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mxprint/mxprint/internal/daemon"
	"github.com/mxprint/mxprint/internal/report"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
	"github.com/mxprint/mxprint/savedsyn"
)

var decodeCommand = command{
	name:    "decode",
	summary: "name the senders of saved SYNs, as HAProxy writes them",
	usage: `Usage: mxprint decode [-f FP] [-with FP] [-json] [SYN…]

Names the senders of SYNs that a load balancer kept: hex or base64 of the IP and
TCP header, with an Ethernet header before them or not, as HAProxy 3.4 writes
its fc_saved_syn (docs/balancer.md). Without a SYN it reads the standard input,
one a line; of a line with several words the last is the SYN, so that a log
with other fields before it will do. "-", which HAProxy writes where it has no
SYN, is answered with "unavailable".
What cannot be read is named on standard error, the rest goes on, and the exit
status is 1.

` + databaseUsage + `  -json       print one JSON object a SYN (docs/json.md)

Examples:
  mxprint decode 4500003C395D40004006035D7F0000017F000001BAE8386DF3A9CBF900000000A002FFD7FE3000000204FFD70402080AC104064E000000000103030A
  tail -f /var/log/haproxy-syn.log | mxprint decode -json
`,
	run: runDecode,
}

// decoder names SYNs and prints what it finds.
type decoder struct {
	db   *signature.DB
	out  *output
	json *json.Encoder // to out; nil: words
	err  io.Writer
	bad  bool // some could not be read
}

// decoded is what -json prints of a SYN.
type decoded struct {
	Client string    `json:"client,omitempty"`
	Server string    `json:"server,omitempty"`
	Note   note.Note `json:"note"`
}

func runDecode(_ context.Context, args []string, std *stdio) error {
	flags := newFlags("decode")
	database := databaseFlags(flags)
	asJSON := flags.Bool("json", false, "")
	if err := parse(flags, args); err != nil {
		return err
	}
	db, err := database.Load()
	if err != nil {
		return err
	}
	d := &decoder{db: db, out: &output{w: std.out, stop: func() {}}, err: std.err}
	if *asJSON {
		d.json = json.NewEncoder(d.out)
	}
	for i, text := range flags.Args() {
		d.decode(fmt.Sprintf("argument %d", i+1), text)
	}
	if flags.NArg() == 0 {
		err = d.lines(std.in)
	}
	switch {
	case d.out.err != nil:
		return fmt.Errorf("writing the output: %w", d.out.err)
	case err == nil && d.bad:
		return errSilent
	}
	return err
}

// maxDecodeLine is how long a line may be, in bytes.
const maxDecodeLine = 64 << 10

// lines reads SYNs, one a line. Empty lines do not count.
func (d *decoder) lines(r io.Reader) error {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxDecodeLine)
	n := 0
	for d.out.err == nil && scanner.Scan() {
		n++
		words := strings.Fields(scanner.Text())
		if len(words) == 0 {
			continue
		}
		d.decode(fmt.Sprintf("line %d", n), words[len(words)-1])
	}
	if errors.Is(scanner.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("decode: line %d: longer than %d bytes", n+1, maxDecodeLine)
	}
	return scanner.Err()
}

// decode names one, or says what is wrong with it.
func (d *decoder) decode(place, text string) {
	var o decoded
	s, err := parseSYN(text)
	switch {
	case err == nil:
		o = decoded{Client: s.Src.String(), Server: s.Dst.String(), Note: savedsyn.Name(daemon.Public(d.db), &s)}
	case !errors.Is(err, savedsyn.ErrUnavailable):
		d.bad = true
		fmt.Fprintf(d.err, "mxprint: decode: %s: %v\n", place, err)
		return
	}
	switch {
	case d.json != nil:
		d.json.Encode(o)
	case err != nil:
		fmt.Fprintf(d.out, "-: %s\n", o.Note.State)
	default:
		report.WriteNote(d.out, s.Src.Addr(), &o.Note)
	}
}

func parseSYN(text string) (packet.Segment, error) {
	syn, err := savedsyn.Parse(text)
	if err != nil {
		return packet.Segment{}, err
	}
	return savedsyn.Decode(syn)
}
