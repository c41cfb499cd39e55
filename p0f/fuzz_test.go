package p0f

import (
	"bytes"
	"net/netip"
	"reflect"
	"testing"

	"github.com/mxprint/mxprint/internal/test/fronttest"
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
		nc := &fronttest.Script{In: in, Portion: int(portion)}
		v.serve(t.Context(), nc)
		want, out := len(in)/QuerySize, nc.Out.Bytes()
		if len(out) != want*ResponseSize || !nc.Closed {
			t.Fatalf("%d bytes for %d queries, closed: %v", len(out), want, nc.Closed)
		}
		for i := range want {
			addr, qerr := DecodeQuery(in[i*QuerySize:][:QuerySize])
			n, err := DecodeResponse(out[i*ResponseSize:][:ResponseSize])
			if (qerr == nil) != (err == nil) {
				t.Fatalf("query %d: %v, answered with %v, %v", i, qerr, n, err)
			}
			if qerr == nil && !reflect.DeepEqual(n, noteOf(addr.Unmap())) { // one of IPv4 may come as one of IPv6
				t.Fatalf("query %d about %v answered with %v", i, addr, n)
			}
		}
	})
}
