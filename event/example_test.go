package event_test

import (
	"fmt"
	"net/netip"
	"os"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/note"
)

// lines is an Observer that writes each observation as a line of JSON.
type lines struct {
	buf  []byte
	lost int
	err  error
}

func (l *lines) Observe(o *event.Observation) {
	b, err := o.AppendJSON(l.buf)
	if err != nil {
		l.lost, l.err = l.lost+1, err
		return
	}
	l.buf = append(b, '\n')
}

func (l *lines) Flush() (int, error) {
	_, err := os.Stdout.Write(l.buf)
	lost := l.lost
	l.buf, l.lost = l.buf[:0], 0
	if err == nil {
		err = l.err
	}
	return lost, err
}

// An engine calls an Observer (engine.Config.Observers); here the example does.
func ExampleObserver() {
	l := new(lines)
	l.Observe(&event.Observation{
		Module: event.SYN,
		Client: netip.MustParseAddrPort("192.0.2.1:40000"),
		Server: netip.MustParseAddrPort("192.0.2.25:25"),
		At:     1_700_000_000_000_000,
		System: event.System{Matched: true, Name: "Linux", Flavor: "5.x", Quality: note.Fuzzy},
		RawSig: []byte("4:63+1:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0"),
	})
	if lost, err := l.Flush(); err != nil {
		fmt.Println(lost, "lost:", err)
	}
	// Output:
	// {"time":"2023-11-14T22:13:20.000000Z","module":"syn","client":"192.0.2.1:40000","server":"192.0.2.25:25","subject":"client","os":{"name":"Linux","flavor":"5.x"},"matched":true,"quality":"fuzzy","distance":0,"raw_sig":"4:63+1:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0"}
}
