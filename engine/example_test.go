package engine_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/note"
)

// printer is an Observer that prints the SYNs.
type printer struct{}

func (printer) Observe(o *event.Observation) {
	if o.Module == event.SYN {
		fmt.Printf("%s is %s: %s\n", o.Client, o.System.Name, o.RawSig)
	}
}

func (printer) Flush() (int, error) { return 0, nil }

// A sensor within a Go program: an observer gets what is seen, and the engine
// answers meanwhile. This one reads a capture file; a live one reads a
// capture.Ring, from capture.OpenRing.
func Example() {
	e, err := engine.New(engine.Config{Observers: []event.Observer{printer{}}})
	if err != nil {
		log.Fatal(err)
	}
	source, err := capture.OpenFile("../note/testdata/loopback.pcap")
	if err != nil {
		log.Fatal(err)
	}
	defer source.Close()
	if err := e.Run(context.Background(), source); err != nil {
		log.Fatal(err)
	}
	n, err := e.Lookup(context.Background(), note.Query{Client: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n.Title())
	// Output:
	// 127.0.0.1:57878 is Linux: 4:64+0:0:65495:mss*1,10:mss,sok,ts,nop,ws:df,id+:0
	// Linux 6.16 and newer (or tuned)
}
