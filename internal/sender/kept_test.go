package sender

import (
	"net/netip"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/stream"
	"github.com/mxprint/mxprint/note"
)

// TestKeptServers: of one end of a client mostServers connections are known, the
// newest, in whichever order they end.
func TestKeptServers(t *testing.T) {
	client := netip.MustParseAddrPort("192.0.2.1:40000")
	key := func(n byte) stream.Key {
		return stream.Key{Client: client, Server: netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, n}), 25)}
	}
	const more = 5
	table := stream.New(stream.Config{})
	k := newKept(1000, time.Minute)
	for n := range byte(mostServers + more) {
		if e := k.add(table.Open(key(n), 0, 0, false, 0)); e != nil {
			k.drop(e.key())
		}
	}
	for n := range byte(mostServers + more) {
		if e := k.find(key(n)); (e != nil) != (n >= more) || e != nil && e.key() != key(n) {
			t.Errorf("find(%d) = %v", n, e)
		}
	}
	if k.count != mostServers || k.newest[client].key() != key(mostServers+more-1) {
		t.Errorf("%d connections, the newest %v; want %d", k.count, k.newest[client].key(), mostServers)
	}
	k.ended(k.find(key(more+2)), new(note.Note), 0)
	for _, n := range []byte{more + 2, mostServers + more - 1, more} { // in the middle, the newest, the oldest
		k.drop(key(n))
		k.drop(key(n))
		if k.find(key(n)) != nil {
			t.Errorf("%d is still known", n)
		}
	}
	if k.count != mostServers-3 || k.newest[client].key() != key(mostServers+more-2) || k.over.Len() != 0 {
		t.Errorf("%d connections, the newest %v, %d over", k.count, k.newest[client].key(), k.over.Len())
	}
	for n := range byte(mostServers + more) {
		k.drop(key(n))
	}
	if k.count != 0 || len(k.newest) != 0 || len(k.sources) != 0 {
		t.Errorf("%d connections, %d ends, %d sources are left", k.count, len(k.newest), len(k.sources))
	}
}
