//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"path/filepath"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

const (
	variedSYNs    = 1_000_000
	variedClients = 10_000 // what both p0f and we remember by default
	variedHops    = 25     // a client is fewer than these away
	labFiles      = "testdata/lab/*.pcap"
)

// kind is one SYN as a stack sends it, from its IP header on.
type kind struct {
	ip  []byte
	tcp int // where the TCP header begins
	ts  int // where the timestamp stands, or 0
}

// kinds are the SYNs of the recorded stacks and those that signatures describe,
// each once.
type kinds struct {
	recorded, described []kind
	known               map[packet.Segment]bool
	decoder             packet.Decoder
}

// newKinds reads the recorded SYNs, and makes some for each signature of p0f's
// database and of ours. They are the same each time.
func newKinds() (*kinds, error) {
	k := &kinds{known: map[packet.Segment]bool{}}
	files, err := filepath.Glob(labFiles)
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("there is no %s: run it from the root of the repository", labFiles)
	}
	for _, name := range files {
		if err := k.record(name); err != nil {
			return nil, err
		}
	}
	random := rand.New(rand.NewPCG(2, 25))
	for _, name := range []string{stockDB, ""} {
		db, err := signature.Load(name)
		if err != nil {
			return nil, err
		}
		for id := 1; db.TCP(id) != nil; id++ {
			k.describe(db, db.TCP(id), random)
		}
	}
	return k, nil
}

// record takes the SYNs of a capture.
func (k *kinds) record(name string) error {
	r, err := readRecording(name)
	if err != nil {
		return err
	}
	for i := range r.frames {
		f := r.frame(i)
		k.decoder.Link = f.Link
		var s packet.Segment
		if k.decoder.Decode(f.Data, f.WireLen, &s) != nil || s.Type != packet.SYN || !k.isNew(s) {
			continue
		}
		start := int(s.PayloadOff) - int(s.HeaderLen)
		k.recorded = append(k.recorded, newKind(f.Data[start:int(s.PayloadOff)+int(s.PayloadLen)]))
	}
	return nil
}

// describe makes up to 16 SYNs of each IP version that a signature of requests
// takes. What it leaves open is chosen at random.
func (k *kinds) describe(db *signature.DB, t *signature.TCP, random *rand.Rand) {
	for _, version := range []int{4, 6} {
		if t.Version != signature.Any && t.Version != version {
			continue
		}
		for made, tries := 0, 0; made < 16 && tries < 64; tries++ {
			ip := newSpec(t, version, random).packet()
			var s packet.Segment
			k.decoder.Link = packet.LinkRaw
			if k.decoder.Decode(ip, len(ip), &s) != nil {
				continue
			}
			if m := db.Match(signature.Request, &s, 0); m.Sig != t || m.Fuzzy || !k.isNew(s) {
				continue
			}
			k.described = append(k.described, newKind(ip))
			made++
		}
	}
}

// isNew reports whether a SYN differs from all before in what belongs to its
// stack.
func (k *kinds) isNew(s packet.Segment) bool {
	s.Src, s.Dst = netip.AddrPort{}, netip.AddrPort{}
	s.Seq, s.Ack, s.TS1, s.TS2, s.PayloadOff, s.DSCP = 0, 0, 0, 0, 0, 0
	s.PayloadLen = min(s.PayloadLen, 1)
	if k.known[s] {
		return false
	}
	k.known[s] = true
	return true
}

func newKind(ip []byte) kind {
	k := kind{ip: append([]byte(nil), ip...), tcp: 40}
	if ip[0]>>4 == 4 {
		k.tcp = int(ip[0]&15) * 4
	}
	options := k.tcp + 20
	end := min(k.tcp+int(ip[k.tcp+12]>>4)*4, len(ip))
	for at := options; at+1 < end && ip[at] != packet.OptEOL; {
		switch {
		case ip[at] == packet.OptNOP:
			at++
			continue
		case ip[at] == packet.OptTS && at+10 <= end:
			k.ts = at + 2
		case ip[at+1] < 2:
			return k
		}
		at += int(ip[at+1])
	}
	return k
}

// machine is one client: it always sends the same kind of SYN, over as many
// hops.
type machine struct {
	kind *kind
	hops uint8
}

// varied writes n SYNs to port 25 from many machines, half of them with recorded
// stacks, in random order. They are the same each time.
func (w *pcapWriter) varied(k *kinds, n int) {
	random := rand.New(rand.NewPCG(25, 2))
	clients := make([]machine, variedClients)
	for i := range clients {
		from := k.recorded
		if i%2 == 1 {
			from = k.described
		}
		clients[i] = machine{&from[random.IntN(len(from))], uint8(random.IntN(variedHops))}
	}
	for range n {
		i := random.IntN(len(clients))
		w.add(clients[i].syn(uint32(i), uint32(w.frames), random))
	}
}

// syn is the next SYN of client number i as an Ethernet frame. Whatever is zero
// stays so: it may be a quirk.
func (c machine) syn(i, now uint32, random *rand.Rand) []byte {
	be := binary.BigEndian
	f := append([]byte{255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 0x86, 0xdd}, c.kind.ip...)
	ip, tcp := f[ipAt:], f[ipAt+c.kind.tcp:]
	if ip[0]>>4 == 4 {
		be.PutUint16(f[12:], 0x0800)
		ip[8] -= min(c.hops, ip[8]-1)
		be.PutUint32(ip[12:], clientBase+i)
		copy(ip[16:], []byte{198, 18, 0, 2})
		if be.Uint16(ip[4:]) != 0 {
			be.PutUint16(ip[4:], uint16(1+random.IntN(65535)))
		}
	} else {
		ip[7] -= min(c.hops, ip[7]-1)
		copy(ip[8:], []byte{0x20, 1, 0x0d, 0xb8, 12: 0})
		be.PutUint32(ip[20:], clientBase+i)
		copy(ip[24:], []byte{0x20, 1, 0x0d, 0xb8, 15: 2})
	}
	be.PutUint16(tcp[0:], uint16(32768+random.IntN(28000)))
	be.PutUint16(tcp[2:], 25)
	if be.Uint32(tcp[4:]) != 0 {
		be.PutUint32(tcp[4:], 1+random.Uint32N(1<<32-1))
	}
	if ts := f[ipAt:][c.kind.ts:]; c.kind.ts > 0 && be.Uint32(ts) != 0 {
		be.PutUint32(ts, i*1000+now/100+1) // milliseconds
	}
	return f
}

// recording is a capture in memory. It holds no pointers: the collector has
// nothing to do that would count for the engine.
type recording struct {
	data   []byte
	frames []recorded
}

// recorded is a frame, data[from:to].
type recorded struct {
	at       int64
	from, to int
	link     packet.LinkType
}

func readRecording(path string) (*recording, error) {
	file, err := capture.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r := new(recording)
	for {
		err := file.Read(context.Background(), func(f *capture.Frame) {
			from := len(r.data)
			r.data = append(r.data, f.Data...)
			r.frames = append(r.frames, recorded{f.Time, from, len(r.data), f.Link})
		})
		if errors.Is(err, io.EOF) {
			return r, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// frame is frame number i, which must not be longer than what was captured.
func (r *recording) frame(i int) capture.Frame {
	f := &r.frames[i]
	return capture.Frame{Time: f.at, Data: r.data[f.from:f.to], WireLen: f.to - f.from, Link: f.link}
}

// replay is a source of recorded frames. A live one has the engine take them on
// the goroutine that reads, as from an interface where the kernel has filtered,
// and lose what observers are too slow for.
type replay struct {
	*recording
	live bool
	next int
	now  capture.Frame
}

// Live says so.
func (r *replay) Live() bool { return r.live }

// Read implements capture.Source.
func (r *replay) Read(_ context.Context, fn func(*capture.Frame)) error {
	if r.next == len(r.frames) {
		return io.EOF
	}
	for range min(memoryBatch, len(r.frames)-r.next) {
		r.now = r.frame(r.next)
		r.next++
		fn(&r.now)
	}
	return nil
}

// Close implements capture.Source.
func (r *replay) Close() error { return nil }
