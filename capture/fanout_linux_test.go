package capture

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/packet"
)

// openRings opens rings inside a namespace.
func openRings(t testing.TB, ns *lab.NetNS, cfg Config, n int, f Fanout) []*Ring {
	t.Helper()
	var rings []*Ring
	if err := ns.Do(func() (err error) { rings, err = OpenRings(cfg, n, f); return err }); err != nil {
		t.Fatal(err)
	}
	for _, r := range rings {
		t.Cleanup(func() { r.Close() })
	}
	return rings
}

// TestFanout: the kernel hands every packet, in both directions and of both IP
// versions, to the worker that Worker names.
func TestFanout(t *testing.T) {
	for _, name := range []string{"interface", Any} {
		t.Run(name, func(t *testing.T) {
			p := lab.NewPair(t)
			cfg := Config{Interface: p.Server.If}
			if name == Any {
				cfg = Config{Interface: Any}
			}
			const workers, clients = 3, 60
			f := NewFanout()
			rings := openRings(t, p.Server, cfg, workers, f)
			s := newSender(t, p.Client, p.Client.If)
			for i := range clients {
				client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), uint16(30000+i))
				server := netip.MustParseAddrPort("198.18.0.2:25")
				if name == Any && i%2 == 1 {
					a := netip.MustParseAddr("2001:db8::1").As16()
					a[7] = byte(i)
					client = netip.AddrPortFrom(netip.AddrFrom16(a), client.Port())
					server = netip.MustParseAddrPort("[2001:db8::2]:25")
				}
				for _, frame := range [][]byte{between(client, server), between(server, client)} {
					if err := s.send(frame); err != nil {
						t.Fatal(err)
					}
				}
			}
			got, total := make([][]Frame, workers), 0
			take := func(limit time.Duration) {
				for worker, r := range rings {
					more := collect(t, r, 2*clients+1, 25, limit)
					got[worker], total = append(got[worker], more...), total+len(more)
				}
			}
			for end := time.Now().Add(patience); total < 2*clients && time.Now().Before(end); {
				take(10 * time.Millisecond)
			}
			take(50 * time.Millisecond) // none again
			for worker, r := range rings {
				if len(got[worker]) == 0 {
					t.Errorf("worker %d got nothing", worker)
				}
				d := packet.Decoder{Link: r.Link()}
				for _, frame := range got[worker] {
					var seg packet.Segment
					if err := d.Decode(frame.Data, frame.WireLen, &seg); err != nil {
						t.Fatal(err)
					}
					if want := f.Worker(seg.Src, seg.Dst, workers); want != worker {
						t.Errorf("%v to %v came to worker %d, want %d", seg.Src, seg.Dst, worker, want)
					}
				}
			}
			if total != 2*clients {
				t.Errorf("%d frames came through, want %d", total, 2*clients)
			}
		})
	}
}

// TestFanoutFollowsItsInterface: rings that share an interface take it up
// again, all of them, when it was recreated.
func TestFanoutFollowsItsInterface(t *testing.T) {
	p := lab.NewPair(t)
	const workers = 2
	rings := openRings(t, p.Server, Config{Interface: p.Server.If, Filter: onlyPort(t, 25)}, workers, NewFanout())
	p.Server.IP("link", "del", p.Server.If)
	p.Join()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got := make(chan int, 1000)
	for i, r := range rings {
		go func() { // look-ups look at a ring while another takes its place
			for ctx.Err() == nil {
				r.Empty()
				runtime.Gosched()
			}
		}()
		go p.Server.Do(func() error { // a new socket belongs to the namespace it is opened in
			for {
				if err := r.Read(ctx, func(*Frame) { got <- i }); err != nil {
					return err
				}
			}
		})
	}
	s := newSender(t, p.Client, p.Client.If)
	server := netip.MustParseAddrPort("198.18.0.2:25")
	seen := map[int]bool{}
	for i := 0; len(seen) < workers; i++ {
		s.send(between(netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 30000), server))
		select {
		case worker := <-got:
			seen[worker] = true
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("frames came to the workers %v only", seen)
		}
	}
	for _, r := range rings {
		if err := r.Close(); err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	}
}
