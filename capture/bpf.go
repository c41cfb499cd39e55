package capture

import "encoding/binary"

// bpfLayout is how a system lays out the header before each frame that
// /dev/bpf hands over, struct bpf_hdr of bpf(4): where its fields are, in
// bytes, and to how many bytes the next header is aligned. Times are of 4 or 8
// bytes each.
type bpfLayout struct {
	sec, usec               int
	secSize, usecSize       int
	caplen, datalen, hdrlen int
	align                   int // a power of two
}

// bpfRecord is one frame. Its data lies in the buffer.
type bpfRecord struct {
	time int64 // microseconds since 1970
	data []byte
	wire int // bytes on the wire
}

// next takes the first frame from a buffer. It drops an incomplete frame and
// all that follows: the kernel does not write one.
func (l *bpfLayout) next(buf []byte) (r bpfRecord, rest []byte, ok bool) {
	if len(buf) < l.hdrlen+2 {
		return bpfRecord{}, nil, false
	}
	head := int(binary.NativeEndian.Uint16(buf[l.hdrlen:]))
	size := int64(binary.NativeEndian.Uint32(buf[l.caplen:]))
	if head < l.hdrlen+2 || int64(head)+size > int64(len(buf)) {
		return bpfRecord{}, nil, false
	}
	end := head + int(size)
	r = bpfRecord{
		time: number(buf[l.sec:], l.secSize)*1e6 + number(buf[l.usec:], l.usecSize),
		data: buf[head:end:end],
		wire: int(binary.NativeEndian.Uint32(buf[l.datalen:])),
	}
	following := (end + l.align - 1) &^ (l.align - 1)
	return r, buf[min(following, len(buf)):], true
}

// number reads 4 bytes, which are unsigned, or 8.
func number(b []byte, size int) int64 {
	if size == 8 {
		return int64(binary.NativeEndian.Uint64(b))
	}
	return int64(binary.NativeEndian.Uint32(b))
}
