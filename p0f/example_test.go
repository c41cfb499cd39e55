package p0f_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/p0f"
)

// sensor stands for an engine.Engine: anything that answers.
type sensor struct{}

func (sensor) Lookup(_ context.Context, q note.Query) (note.Note, error) {
	if q.Client.Addr() != netip.MustParseAddr("192.0.2.1") {
		return note.Note{State: note.NotSeen}, nil
	}
	return note.Note{
		State: note.Matched, OSName: "Linux", OSFlavor: "5.x", LinkType: "Ethernet",
		Distance: note.Hops(7), TotalConn: 1,
	}, nil
}

// A mail server asks p0f's socket, which may be mxprint's or the real p0f's.
func ExampleClient() {
	client := p0f.NewClient(socket())
	defer client.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	n, err := client.Lookup(ctx, note.Query{Client: netip.MustParseAddrPort("[::ffff:192.0.2.1]:40000")})
	if err != nil {
		log.Print(err) // the mail goes on
	}
	hops, known := n.Distance.Hops()
	fmt.Println(n.State, n.Title(), hops, known)
	fmt.Println(n.Header())
	// Output:
	// matched Linux 5.x 7 true
	// os="Linux 5.x" link_type="Ethernet" distance=7 total_conn=1 shared_ip=N
}

// socket serves p0f's socket until the program ends.
func socket() string {
	dir, err := os.MkdirTemp("", "p0f")
	if err != nil {
		log.Fatal(err)
	}
	path := filepath.Join(dir, "p0f.sock")
	ln, err := p0f.Listen(path, 0o666)
	if err != nil {
		log.Fatal(err)
	}
	server := &p0f.Server{Lookuper: sensor{}, Wait: 10 * time.Millisecond}
	go server.Serve(context.Background(), ln)
	return path
}
