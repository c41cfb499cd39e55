package query_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/netip"
	"time"

	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/query"
)

// sensor stands for an engine.Engine: anything that answers.
type sensor struct{}

func (sensor) Lookup(_ context.Context, q note.Query) (note.Note, error) {
	return note.Note{
		State: note.Matched, OSName: "Linux", Others: []string{"Android"}, ByConnection: q.Client.Port() == 40000,
		Distance: note.Hops(7), TotalConn: 1,
	}, nil
}

// A mail server asks about the connection that it has just accepted.
func ExampleClient() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &query.Server{Lookuper: sensor{}}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	go server.Serve(ctx, ln)

	client := query.NewClient(ln.Addr().String())
	defer client.Close()
	n, err := client.Lookup(ctx, note.Query{
		Client: netip.MustParseAddrPort("192.0.2.1:40000"),
		Wait:   10 * time.Millisecond, // the capture may be a moment late
	})
	if err != nil {
		log.Print(err) // the mail goes on
	}
	fmt.Println(n.State, n.Title(), "or", n.Others, n.ByConnection)
	// Output:
	// matched Linux or [Android] true
}
