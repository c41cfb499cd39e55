// Package http1 reads the header of the first request and of the first
// response of a connection, in the way p0f does: what p0f takes for HTTP, it
// takes, and nothing more.
//
// A Reader is fed what has come of a message so far; when the header is
// complete it gives a Message, whose fields point into that data. Use it to
// distinguish programs by their headers. It is no HTTP library: bodies,
// continuation lines, methods but GET and HEAD, and HTTP/2 are beyond it.
//
// It implements sections 8.1 to 8.3, 8.9 and 8.10 of p0f's behaviour (p0f v3)
// and imports the standard library alone. Nothing here allocates.
package http1

import "bytes"

// Bounds on a message. What is beyond them is no HTTP to p0f.
const (
	MaxData   = 8192 // bytes of a message that are looked at
	MaxFields = 32
	maxLine   = 1024 // of the first line, in bytes
	maxName   = 32
	maxValue  = 1024 // of a field, a CR at the end included
)

// The shortest first lines: bytes of data before p0f looks, and the least
// offset of the line feed.
const (
	minRequest    = 15 // GET / HTTP/1.0
	minResponse   = 13 // HTTP/1.0 200
	minRequestLF  = 14
	minResponseLF = 13
)

// Result is what a Read found.
type Result uint8

const (
	More   Result = iota // the header goes on in data that is not there yet
	Done                 // the header is complete
	Broken               // this is no HTTP, or none that p0f reads
	Stuck                // the same, but p0f notices at the next data only
)

// Reader reads one message. It holds no pointer, so that any number of them
// can be kept for nothing but their bytes; the zero value reads a request.
// Not safe for concurrent use.
type Reader struct {
	// Response says that the message is a response.
	Response bool
	// Whole says that a response in several segments is read as a whole. p0f
	// instead looks for a status line again in each further segment, and so
	// loses a field at each boundary (p0f-v3.md §8.3).
	Whole bool

	lined   bool   // the first line was read
	version uint8  // HTTP/1.version
	count   uint8  // of fields
	pos     uint16 // what is before it has been read
	fields  [MaxFields]span
}

// span is where a field lies in the data.
type span struct {
	name, value, valueLen uint16
	nameLen               uint8
}

// Read goes on reading. data is all that has come of the message, from its
// first byte; it is what the last call got, and more. Only MaxData bytes of it
// count. After any result but More the reading is over. Call it once for each
// segment: the boundaries of segments matter where Whole is not set.
func (r *Reader) Read(data []byte) Result {
	data = data[:min(len(data), MaxData)]
	result := Done
	if !r.lined || r.Response && !r.Whole {
		result = r.line(data)
	}
	if result == Done {
		r.lined = true
		result = r.header(data)
	}
	if result == More && len(data) == MaxData {
		return Broken
	}
	return result
}

var (
	get, head = []byte("GET /"), []byte("HEAD /")
	protocol  = []byte("HTTP/1.")
)

// line reads the first line (p0f-v3.md §8.1, §8.3). Beyond the longest line it
// skips a byte without a look: p0f gets there in the later segments of a
// response.
func (r *Reader) line(data []byte) Result {
	least, leastLF := minRequest, minRequestLF
	if r.Response {
		least, leastLF = minResponse, minResponseLF
	}
	if len(data) < least {
		return More
	}
	if !r.Response && !bytes.HasPrefix(data, get) && !bytes.HasPrefix(data, head) {
		return Broken
	}
	i := int(r.pos)
	for ; i < len(data) && i < maxLine && data[i] != '\n'; i++ {
		if c := data[i]; c != '\r' && c < ' ' || c > 0x7f {
			return Broken
		}
	}
	switch {
	case i == maxLine:
		return Broken
	case i == len(data):
		return More
	case i < leastLF:
		return Broken
	}
	start := 0
	if !r.Response {
		end := i
		if data[end-1] == '\r' {
			end--
		}
		start = end - len("HTTP/1.1")
	}
	if !bytes.HasPrefix(data[start:], protocol) {
		return Broken
	}
	r.version = 0
	if data[start+len(protocol)] == '1' {
		r.version = 1
	}
	r.pos = uint16(i + 1)
	return Done
}

// header reads fields up to the empty line (p0f-v3.md §8.2). A CR alone ends it,
// too.
func (r *Reader) header(data []byte) Result {
	for int(r.pos) < len(data) {
		if c := data[r.pos]; c == '\r' || c == '\n' {
			return Done
		}
		if r.count == MaxFields {
			return Broken
		}
		f := span{name: r.pos}
		rest := data[f.name:]
		n := 0
		for n < len(rest) && n <= maxName && isName(rest[n]) {
			n++
		}
		switch {
		case n == len(rest):
			return More
		case n == 0 || n > maxName || rest[n] != ':':
			return Broken
		}
		f.nameLen = uint8(n)
		if n++; n < len(rest) && (rest[n] == ' ' || rest[n] == '\t') {
			n++
		}
		f.value = f.name + uint16(n)
		rest = rest[n:]
		lf := bytes.IndexByte(rest[:min(len(rest), maxValue+1)], '\n')
		switch {
		case lf < 0 && len(rest) > maxValue:
			return Stuck
		case lf < 0:
			return More
		}
		f.valueLen = uint16(lf)
		if lf > 0 && rest[lf-1] == '\r' {
			f.valueLen--
		}
		r.fields[r.count] = f
		r.count++
		r.pos = f.value + uint16(lf) + 1
	}
	return More
}

func isName(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}
