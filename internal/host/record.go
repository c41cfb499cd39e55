package host

import (
	"encoding/binary"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/http1"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

// The records of a snapshot, in bytes. testdata/memory.1 has one of each: a
// change of what the numbers in them mean, of quirks for instance, needs another
// number in snapshotLine.
const (
	hostBytes  = 84
	extraBytes = 20
	connBytes  = 32 + synBytes
	synBytes   = 53
)

// Facts of a record that are true or false.
const (
	putV6    = 1 << iota
	putExtra // an extra record follows
	putRival // a second SYN follows
)

func (r *hostRec) put(b []byte) {
	le := binary.LittleEndian
	b = b[:hostBytes:hostBytes]
	addr, _ := hostKey(r.address())
	copy(b, addr[:])
	le.PutUint32(b[16:], r.totalConn)
	le.PutUint32(b[20:], r.lastSeen)
	le.PutUint32(b[24:], r.firstSeen)
	le.PutUint32(b[28:], r.mtu)
	le.PutUint16(b[32:], r.label)
	le.PutUint16(b[34:], r.link)
	le.PutUint16(b[36:], r.lastPort)
	le.PutUint16(b[38:], uint16(r.distance))
	var is byte
	if r.v6 {
		is |= putV6
	}
	if r.extra != none {
		is |= putExtra
	}
	b[40], b[41], b[42], b[43] = is, r.quality, byte(r.flags), byte(r.clock)
	le.PutUint32(b[44:], r.lastNAT)
	le.PutUint32(b[48:], r.lastChg)
	le.PutUint32(b[52:], r.upMin)
	le.PutUint16(b[56:], r.upMod)
	le.PutUint16(b[58:], uint16(r.reasons))
	le.PutUint32(b[60:], r.syns)
	le.PutUint32(b[64:], r.handshakes)
	r.client.board.put(b[68:])
}

// get returns a record without what the table decides: its hash, its list. has
// says whether an extra record follows.
func (r *hostRec) get(b []byte) (has bool) {
	le := binary.LittleEndian
	b = b[:hostBytes:hostBytes]
	is := b[40]
	*r = hostRec{
		totalConn: le.Uint32(b[16:]), lastSeen: le.Uint32(b[20:]), firstSeen: le.Uint32(b[24:]), mtu: le.Uint32(b[28:]),
		label: le.Uint16(b[32:]), link: le.Uint16(b[34:]), lastPort: le.Uint16(b[36:]), distance: int16(le.Uint16(b[38:])),
		v6: is&putV6 != 0, quality: b[41], flags: signature.Flags(b[42]), clock: note.Clock(b[43]),
		lastNAT: le.Uint32(b[44:]), lastChg: le.Uint32(b[48:]), upMin: le.Uint32(b[52:]), upMod: le.Uint16(b[56:]),
		reasons: event.Reasons(le.Uint16(b[58:])), syns: le.Uint32(b[60:]), handshakes: le.Uint32(b[64:]),
	}
	r.addr = address((*[16]byte)(b), r.v6).As16()
	r.client.board.get(b[68:])
	return is&putExtra != 0
}

// getAddr reads an address as hostKey returns it.
func getAddr(addr *[16]byte, b []byte, v6 bool) {
	size := 4
	if v6 {
		size = 16
	}
	copy(addr[:size], b)
}

func (s *board) put(b []byte) {
	for i, bits := range s {
		binary.LittleEndian.PutUint32(b[4*i:], bits)
	}
}

func (s *board) get(b []byte) {
	for i := range s {
		s[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
}

func (e *extraRec) put(b []byte) {
	e.server.board.put(b)
	binary.LittleEndian.PutUint16(b[16:], e.http.app)
	b[18], b[19] = byte(e.http.language), byte(e.http.badSW)
}

func (e *extraRec) get(b []byte) {
	*e = extraRec{}
	e.server.board.get(b)
	e.http.app = binary.LittleEndian.Uint16(b[16:])
	e.http.language, e.http.badSW = http1.Language(b[18]), note.Honesty(b[19])
}

func (r *connRec) put(b []byte) {
	le := binary.LittleEndian
	copy(b, r.client[:])
	le.PutUint32(b[16:], r.server)
	le.PutUint16(b[20:], r.clientPort)
	le.PutUint16(b[22:], r.serverPort)
	le.PutUint32(b[24:], r.at)
	var is byte
	if r.rival != none {
		is |= putRival
	}
	b[28], b[29], b[30], b[31] = is, byte(r.is), 0, 0
	r.syn.put(b[32:])
}

// get returns a record without what the table decides, and as one that is scored:
// signatures have other numbers now. has says whether a second SYN follows, and ok
// whether the record is one.
func (r *connRec) get(b []byte) (has, ok bool) {
	le := binary.LittleEndian
	*r = connRec{
		server: le.Uint32(b[16:]), clientPort: le.Uint16(b[20:]), serverPort: le.Uint16(b[22:]),
		at: le.Uint32(b[24:]), is: connState(b[29]) | isScored,
	}
	ok = r.syn.get(b[32:])
	getAddr(&r.client, b, r.syn.is&isV6 != 0)
	return b[28]&putRival != 0, ok
}

func (s *synRec) put(b []byte) {
	le := binary.LittleEndian
	le.PutUint32(b, s.seq)
	le.PutUint32(b[4:], s.answer)
	le.PutUint32(b[8:], uint32(s.quirks))
	le.PutUint16(b[12:], s.window)
	le.PutUint16(b[14:], s.mss)
	le.PutUint16(b[16:], s.label)
	le.PutUint16(b[18:], uint16(s.distance))
	le.PutUint16(b[20:], uint16(s.multiple))
	copy(b[22:46], s.layout.Kinds[:])
	b[46], b[47] = s.layout.Len, s.layout.EOLPad
	b[48], b[49], b[50], b[51], b[52] = s.ttl, s.scale, s.ipOpt, byte(s.multipleKind), byte(s.is)
}

// get reports whether the record is one.
func (s *synRec) get(b []byte) bool {
	le := binary.LittleEndian
	*s = synRec{
		seq: le.Uint32(b), answer: le.Uint32(b[4:]), quirks: packet.Quirks(le.Uint32(b[8:])),
		window: le.Uint16(b[12:]), mss: le.Uint16(b[14:]), label: le.Uint16(b[16:]),
		distance: int16(le.Uint16(b[18:])), multiple: int16(le.Uint16(b[20:])),
		layout: packet.Layout{Kinds: [packet.MaxOptions]uint8(b[22:46]), Len: b[46], EOLPad: b[47]},
		ttl:    b[48], scale: b[49], ipOpt: b[50], multipleKind: signature.WindowKind(b[51]), is: synFlags(b[52]),
	}
	return s.layout.Len <= packet.MaxOptions && s.multipleKind <= signature.WindowMTU
}
