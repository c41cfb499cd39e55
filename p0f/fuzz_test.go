package p0f

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/mxprint/mxprint/note"
)

// FuzzDecodeQuery: only queries decode, and what decodes encodes to the same
// query, but for the bytes after an IPv4 address.
func FuzzDecodeQuery(f *testing.F) {
	f.Add(AppendQuery(nil, netip.MustParseAddr("198.18.0.1")))
	f.Add(AppendQuery(nil, netip.MustParseAddr("::ffff:198.18.0.1")))
	f.Add(AppendQuery(nil, netip.Addr{}))
	f.Fuzz(func(t *testing.T, q []byte) {
		addr, err := DecodeQuery(q)
		if (err == nil) != addr.IsValid() {
			t.Fatalf("DecodeQuery(%x) = %v, %v", q, addr, err)
		}
		if err != nil {
			return
		}
		used := QuerySize
		if addr.Is4() {
			used = 9
		}
		if again := AppendQuery(nil, addr); !bytes.Equal(again[:used], q[:used]) {
			t.Fatalf("%x decodes to %v, which encodes to %x", q, addr, again)
		}
	})
}

// FuzzDecodeResponse: what decodes survives another round, cut texts aside.
func FuzzDecodeResponse(f *testing.F) {
	f.Add(AppendResponse(nil, full))
	f.Add(AppendResponse(nil, note.Note{State: note.NotSeen}))
	f.Add(appendStatus(nil, statusBadQuery))
	f.Fuzz(func(t *testing.T, r []byte) {
		n, err := DecodeResponse(r)
		if err != nil {
			if !reflect.DeepEqual(n, note.Note{}) {
				t.Fatalf("note %v with the error %v", n, err)
			}
			return
		}
		if n.State == note.Unavailable || (n.State == note.Matched) != (n.OSName != "") {
			t.Fatalf("state %v with os_name %q", n.State, n.OSName)
		}
		cut := n
		for _, s := range []*string{&cut.OSName, &cut.OSFlavor, &cut.HTTPName, &cut.HTTPFlavor, &cut.Language, &cut.LinkType} {
			*s = (*s)[:min(len(*s), textSize-1)]
		}
		again, err := DecodeResponse(AppendResponse(nil, n))
		if err != nil || !reflect.DeepEqual(again, cut) {
			t.Fatalf("second round: %+v, %v, want %+v", again, err, cut)
		}
	})
}

// FuzzServerBytes: whatever comes in, in whatever portions, each full 21 bytes
// get one response, of the right status, and nothing else is sent.
func FuzzServerBytes(f *testing.F) {
	q := AppendQuery(nil, netip.MustParseAddr("198.18.0.1"))
	f.Add(q, uint8(1))
	f.Add(append(append([]byte{}, q...), 0, 0, 0), uint8(24))
	f.Add(bytes.Repeat(q, 100), uint8(255))
	f.Add(bytes.Repeat([]byte("GET / HTTP/1.0\r\n\r\n"), 20), uint8(7))
	s := &Server{Wait: -1, Lookuper: everything{}}
	f.Fuzz(func(t *testing.T, in []byte, portion uint8) {
		v := &serving{Server: s, terms: newTerms(&s.group, nil, s.Wait, 0)}
		client, server := net.Pipe()
		var wg sync.WaitGroup
		wg.Go(func() { v.serve(context.Background(), server) })
		go func() {
			for rest := in; len(rest) > 0; {
				n := min(max(int(portion), 1), len(rest))
				if _, err := client.Write(rest[:n]); err != nil {
					t.Errorf("the server hung up: %v", err)
				}
				rest = rest[n:]
			}
			// A pipe has no half-close: answers are complete when the server
			// waits for more, which the last query of all makes sure of.
			client.Write(bytes.Repeat([]byte{0}, QuerySize-len(in)%QuerySize))
		}()
		want := len(in)/QuerySize + 1
		out := make([]byte, want*ResponseSize)
		client.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.ReadFull(client, out); err != nil {
			t.Fatalf("reading %d responses: %v", want, err)
		}
		for i := range want - 1 {
			addr, qerr := DecodeQuery(in[i*QuerySize:][:QuerySize])
			n, err := DecodeResponse(out[i*ResponseSize:][:ResponseSize])
			if (qerr == nil) != (err == nil) {
				t.Fatalf("query %d: %v, answered with %v, %v", i, qerr, n, err)
			}
			if qerr == nil && !reflect.DeepEqual(n, noteOf(addr)) {
				t.Fatalf("query %d about %v answered with %v", i, addr, n)
			}
		}
		client.SetReadDeadline(time.Now().Add(time.Millisecond))
		if n, err := client.Read(out); n != 0 || err == io.EOF {
			t.Fatalf("read %d bytes more, %v", n, err)
		}
		client.Close()
		wg.Wait()
	})
}
