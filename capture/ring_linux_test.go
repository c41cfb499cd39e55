package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/packet"
)

// patience is for what comes within milliseconds. A busy machine takes longer.
const patience = 30 * time.Second

// collect reads until it has n frames to or from the TCP port, or the time is
// up.
func collect(t testing.TB, r *Ring, n int, port uint16, limit time.Duration) (frames []Frame) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for len(frames) < n {
		err := r.Read(ctx, func(f *Frame) {
			if src, dst := tcpPorts(f); src != port && dst != port {
				return
			}
			c := *f
			c.Data = bytes.Clone(f.Data)
			frames = append(frames, c)
		})
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return frames
}

// tcpPorts finds the ports of a TCP segment; 0 if absent.
func tcpPorts(f *Frame) (src, dst uint16) {
	ip, start := f.Data, 0
	if f.Link == packet.LinkEthernet && len(ip) >= 14 {
		ip = ip[14:]
	}
	switch {
	case len(ip) >= 40 && ip[0]>>4 == 4 && ip[9] == 6:
		start = int(ip[0]&15) * 4
	case len(ip) >= 60 && ip[0]>>4 == 6 && ip[6] == 6:
		start = 40
	default:
		return 0, 0
	}
	return binary.BigEndian.Uint16(ip[start:]), binary.BigEndian.Uint16(ip[start+2:])
}

// onlyPort is a filter for Ethernet frames like synFrame's.
func onlyPort(t testing.TB, port uint32) []bpf.RawInstruction {
	t.Helper()
	prog, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 36, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: port, SkipTrue: 1},
		bpf.RetConstant{Val: 262144},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

func TestRingDelivers(t *testing.T) {
	p := lab.NewPair(t)
	r := openIn(t, p.Server, Config{Interface: p.Server.If})
	s := newSender(t, p.Client, p.Client.If)
	long := append(synFrame(25, 2), make([]byte, 900)...)
	tagged := slices.Insert(synFrame(25, 3), 12, 0x81, 0x00, 0x20, 0x07)
	before := time.Now().UnixMicro()
	for _, f := range [][]byte{synFrame(25, 1), long, tagged} {
		if err := s.send(f); err != nil {
			t.Fatal(err)
		}
	}
	got := collect(t, r, 3, 25, patience)
	if len(got) != 3 {
		t.Fatalf("%d frames, want 3", len(got))
	}
	if !bytes.Equal(got[0].Data, synFrame(25, 1)) || got[0].WireLen != 74 || got[0].Link != packet.LinkEthernet || got[0].Tagged {
		t.Errorf("frame %+v", got[0])
	}
	if after := time.Now().UnixMicro(); got[0].Time < before || got[0].Time > after {
		t.Errorf("time %d, want %d to %d", got[0].Time, before, after)
	}
	// 190 bytes of a slot of 256 are the frame's.
	if !bytes.Equal(got[1].Data, long[:190]) || got[1].WireLen != len(long) {
		t.Errorf("long frame: %d bytes of %d, want 190 of %d", len(got[1].Data), got[1].WireLen, len(long))
	}
	if !got[2].Tagged || got[2].VLAN != 0x2007 || !bytes.Equal(got[2].Data, synFrame(25, 3)) {
		t.Errorf("tagged frame %+v, want the tag 0x2007 beside the frame", got[2])
	}
	if st := r.Stats(); st.Frames < 3 || st.Drops != 0 {
		t.Errorf("%+v", st)
	}
}

func TestRingBigSlots(t *testing.T) {
	p := lab.NewPair(t)
	r := openIn(t, p.Server, Config{Interface: p.Server.If, SlotBytes: 100 << 10, RingBytes: 1 << 20})
	s := newSender(t, p.Client, p.Client.If)
	long := append(synFrame(25, 2), bytes.Repeat([]byte{'x'}, 1400)...)
	for range 20 { // more than the ring's 8 slots: they are used again
		if err := s.send(long); err != nil {
			t.Fatal(err)
		}
		if got := collect(t, r, 1, 25, patience); len(got) != 1 || !bytes.Equal(got[0].Data, long) {
			t.Fatalf("frames %v", got)
		}
	}
}

// Nothing that the filter refuses gets in, not even while the ring is opened
// under traffic.
func TestRingFilter(t *testing.T) {
	p := lab.NewPair(t)
	s := newSender(t, p.Client, p.Client.If)
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := uint32(0); !stop.Load(); i++ {
			s.send(synFrame(110, i))
			if i%50 == 0 {
				s.send(synFrame(25, i))
			}
		}
	}()
	defer func() { stop.Store(true); <-done }()
	for range 20 {
		r := openIn(t, p.Server, Config{Interface: p.Server.If, Filter: onlyPort(t, 25), RingBytes: minRing})
		wanted := 0
		for wanted < 20 {
			if err := r.Read(context.Background(), func(f *Frame) {
				if _, dst := tcpPorts(f); dst != 25 {
					t.Fatalf("frame to port %d got in", dst)
				}
				wanted++
			}); err != nil {
				t.Fatal(err)
			}
		}
		r.Close()
	}
}

// handshake makes one TCP connection inside the namespaces.
func handshake(t *testing.T, client, server *lab.NetNS, addr string) (port uint16) {
	t.Helper()
	var l net.Listener
	if err := server.Do(func() (err error) {
		l, err = net.Listen("tcp", net.JoinHostPort(addr, "0"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := client.Do(func() error {
		c, err := net.DialTimeout("tcp", l.Addr().String(), patience)
		if err == nil {
			c.Close()
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// flagsOf counts the segments with just SYN, and with SYN and ACK.
func flagsOf(frames []Frame) (syn, synack int) {
	for _, f := range frames {
		at := 14 + 20
		if f.Link == packet.LinkRaw {
			at = 20
		}
		if f.Data[at-20]>>4 == 6 {
			at += 20
		}
		switch f.Data[at+13] & 0x12 {
		case 0x02:
			syn++
		case 0x12:
			synack++
		}
	}
	return syn, synack
}

// Each segment of a real connection is there once: both directions, on
// loopback too, where the kernel shows everything twice, and on all interfaces.
func TestRingSeesEachSegmentOnce(t *testing.T) {
	p := lab.NewPair(t)
	for _, tt := range []struct {
		name, iface string
		client      *lab.NetNS
		addr        string
		link        packet.LinkType
	}{
		{"IPv4", p.Server.If, p.Client, p.Server.IPv4.String(), packet.LinkEthernet},
		{"IPv6", p.Server.If, p.Client, p.Server.IPv6.String(), packet.LinkEthernet},
		{"loopback", "lo", p.Server, "127.0.0.1", packet.LinkEthernet},
		{"IPv6 loopback", "lo", p.Server, "::1", packet.LinkEthernet},
		{"any, IPv4", Any, p.Client, p.Server.IPv4.String(), packet.LinkRaw},
		{"any, IPv6", Any, p.Client, p.Server.IPv6.String(), packet.LinkRaw},
		{"any, loopback", "", p.Server, "127.0.0.1", packet.LinkRaw},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := openIn(t, p.Server, Config{Interface: tt.iface})
			port := handshake(t, tt.client, p.Server, tt.addr)
			var frames []Frame
			syn, synack := 0, 0
			for end := time.Now().Add(patience); (syn == 0 || synack == 0) && time.Now().Before(end); {
				frames = append(frames, collect(t, r, 1, port, patience)...)
				syn, synack = flagsOf(frames)
			}
			frames = append(frames, collect(t, r, 1000, port, 100*time.Millisecond)...) // none again
			syn, synack = flagsOf(frames)
			if syn != 1 || synack != 1 {
				t.Errorf("%d SYN and %d SYN+ACK in %d frames, want one each", syn, synack, len(frames))
			}
			for _, f := range frames {
				if f.Link != tt.link || f.Link != r.Link() {
					t.Fatalf("link type %d, Link() = %d, want %d", f.Link, r.Link(), tt.link)
				}
			}
		})
	}
}

// All interfaces, no filter: nothing but IP packets, from the first byte.
func TestRingAnyDeliversOnlyIP(t *testing.T) {
	p := lab.NewPair(t)
	r := openIn(t, p.Server, Config{})
	s := newSender(t, p.Client, p.Client.If)
	arp := append([]byte{255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 8, 8, 6}, make([]byte, 46)...)
	for _, f := range [][]byte{arp, synFrame(25, 1)} {
		if err := s.send(f); err != nil {
			t.Fatal(err)
		}
	}
	for done := false; !done; {
		if err := r.Read(context.Background(), func(f *Frame) {
			if v := f.Data[0] >> 4; v != 4 && v != 6 {
				t.Errorf("frame %x is not IP", f.Data)
			}
			_, dst := tcpPorts(f)
			done = done || dst == 25
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// openTun makes a tun interface, which carries IP packets without a link
// header, and returns the descriptor that sends through it.
func openTun(t *testing.T, name string) int {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		lab.Skip(t, "needs /dev/net/tun: "+err.Error())
	}
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func TestRingOnTun(t *testing.T) {
	ns := lab.NewNetNS(t)
	var tun int
	if err := ns.Do(func() error {
		tun = openTun(t, "tun0")
		ns.IP("link", "set", "tun0", "up")
		link, err := RingLink("tun0")
		if err == nil && link != packet.LinkRaw {
			t.Errorf("RingLink(tun0) = %d, want %d", link, packet.LinkRaw)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	r := openIn(t, ns, Config{Interface: "tun0"})
	syn := synFrame(25, 1)[14:]
	if _, err := unix.Write(tun, syn); err != nil {
		t.Fatal(err)
	}
	got := collect(t, r, 1, 25, patience)
	if len(got) != 1 || got[0].Link != packet.LinkRaw || !bytes.Equal(got[0].Data, syn) || got[0].WireLen != 60 {
		t.Errorf("frames %+v, want one of raw IP", got)
	}
}

func TestRingErrors(t *testing.T) {
	ns := lab.NewNetNS(t)
	for _, tt := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"no such interface", Config{Interface: "foo0"}, `capture: no interface "foo0" (there are: lo, any)`},
		{"name too long", Config{Interface: "a-name-of-17-byte"}, `capture: no interface "a-name-of-17-byte" (there are: lo, any)`},
		{"small ring", Config{RingBytes: 1000}, "capture: ring of 1000 bytes: want 65536 to 1073741824"},
		{"small slot", Config{SlotBytes: 64}, "capture: slots of 64 bytes: want 256 to 131072"},
		{"long filter", Config{Filter: make([]bpf.RawInstruction, 5000)}, "capture: filter of 5000 instructions: the kernel takes 4096"},
		{"wrong filter", Config{Filter: []bpf.RawInstruction{{Op: 0xffff}}}, "capture: attaching the filter on any: invalid argument"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := ns.Do(func() error { _, err := OpenRing(tt.cfg); return err })
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if _, err := RingLink("foo0"); !errors.Is(err, ErrNoInterface) {
				t.Errorf("RingLink(foo0) = %v, want ErrNoInterface", err)
			}
		})
	}
}

// withCaps runs fn on a thread that has just these capabilities; the thread
// ends with it.
func withCaps(t *testing.T, caps uint32, fn func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		set := [2]unix.CapUserData{{Effective: caps, Permitted: caps}}
		if err := unix.Capset(&hdr, &set[0]); err != nil {
			t.Error(err)
			return
		}
		fn()
	}()
	<-done
}

func TestRingPrivilege(t *testing.T) {
	ns := lab.NewNetNS(t)
	ns.Do(func() error { return nil })
	withCaps(t, 1<<unix.CAP_NET_RAW, func() {
		r, err := OpenRing(Config{Interface: "lo", Promiscuous: true})
		if err != nil {
			t.Errorf("with CAP_NET_RAW alone: %v", err)
			return
		}
		r.Close()
	})
	withCaps(t, 0, func() {
		_, err := OpenRing(Config{Interface: "lo"})
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("without capabilities: %v, want fs.ErrPermission", err)
			return
		}
		program, _ := os.Executable()
		for _, want := range []string{"CAP_NET_RAW", "setcap cap_net_raw+ep " + program} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q does not say %q", err, want)
			}
		}
	})
}

func TestInterfaces(t *testing.T) {
	p := lab.NewPair(t)
	var got []Interface
	if err := p.Server.Do(func() (err error) { got, err = Interfaces(); return err }); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"lo": "127.0.0.1", p.Server.If: p.Server.IPv4.String(), Any: "invalid IP"}
	if len(got) != len(want) || got[len(got)-1].Name != Any || got[len(got)-1].Description == "" {
		t.Errorf("Interfaces() = %v", got)
	}
	for _, i := range got {
		if i.Addr.String() != want[i.Name] {
			t.Errorf("interface %s has address %v, want %s", i.Name, i.Addr, want[i.Name])
		}
	}
}

// TestRingReady: one goroutine waits while another fetches, and both end when the
// ring is closed.
func TestRingReady(t *testing.T) {
	p := lab.NewPair(t)
	r := openIn(t, p.Server, Config{Interface: p.Server.If, Filter: onlyPort(t, 25)})
	var wakes atomic.Int32
	waited, fetched := make(chan error, 1), make(chan error, 1)
	go func() {
		var err error
		for ; err == nil; err = r.Wait(context.Background()) {
			wakes.Add(1)
		}
		waited <- err
	}()
	const count = 5000
	var got atomic.Int32
	go func() {
		var n int
		var err error
		for seq := uint32(0); err == nil; {
			n, err = r.Ready(func(f *Frame) {
				if is := binary.BigEndian.Uint32(f.Data[38:]); is != seq {
					t.Errorf("frame %d is the one sent as %d", seq, is)
				}
				seq++
			})
			got.Add(int32(n))
			time.Sleep(200 * time.Microsecond)
		}
		fetched <- err
	}()
	s := newSender(t, p.Client, p.Client.If)
	for i := range count {
		if err := s.send(synFrame(25, uint32(i))); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			time.Sleep(time.Millisecond) // no more than the kernel's queue before the ring holds
		}
	}
	for end := time.Now().Add(patience); got.Load() < count && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if got.Load() != count || wakes.Load() < 2 {
		t.Errorf("%d of %d frames, %d wakes", got.Load(), count, wakes.Load())
	}
	r.Close()
	for who, end := range map[string]chan error{"Wait": waited, "Ready": fetched} {
		if err := <-end; err != ErrClosed {
			t.Errorf("%s = %v, want ErrClosed", who, err)
		}
	}
}

// TestRingEmpty: it says whether Ready has frames to hand over, while and after it does,
// and to any number of goroutines while the ring is closed.
func TestRingEmpty(t *testing.T) {
	p := lab.NewPair(t)
	s := newSender(t, p.Client, p.Client.If)
	for range 20 {
		r := openIn(t, p.Server, Config{Interface: p.Server.If, Filter: onlyPort(t, 25), RingBytes: minRing})
		if !r.Empty() {
			t.Error("a new ring is not empty")
		}
		var asking sync.WaitGroup
		var over atomic.Bool
		for range 4 {
			asking.Go(func() {
				for !over.Load() {
					r.Empty()
				}
			})
		}
		if err := s.send(synFrame(25, 1)); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(patience); r.Empty() && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		n, err := r.Ready(func(*Frame) {
			if r.Empty() {
				t.Error("empty while a frame is handed over")
			}
		})
		if n != 1 || err != nil || !r.Empty() {
			t.Errorf("%d frames, %v, then empty: %v", n, err, r.Empty())
		}
		r.Close()
		over.Store(true)
		asking.Wait()
		if !r.Empty() {
			t.Error("a closed ring is not empty")
		}
	}
}
