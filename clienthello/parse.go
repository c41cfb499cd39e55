package clienthello

import "strings"

// reader takes bytes from the front of a slice. After bad is set it returns
// nothing more.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.data) {
		r.data, r.bad = nil, true
		return nil
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

func (r *reader) u8() int {
	if b := r.take(1); b != nil {
		return int(b[0])
	}
	return 0
}

func (r *reader) u16() int {
	if b := r.take(2); b != nil {
		return int(be16(b))
	}
	return 0
}

func (r *reader) vector8() []byte  { return r.take(r.u8()) }
func (r *reader) vector16() []byte { return r.take(r.u16()) }

// reset empties the lists and keeps their memory.
func (h *Hello) reset() {
	h.Ciphers = h.Ciphers[:0]
	h.Compression = h.Compression[:0]
	h.Extensions = h.Extensions[:0]
	h.Versions = h.Versions[:0]
	h.Groups = h.Groups[:0]
	h.KeyShares = h.KeyShares[:0]
	h.SignatureAlgorithms = h.SignatureAlgorithms[:0]
	h.PointFormats = h.PointFormats[:0]
	h.ALPN = h.ALPN[:0]
}

// parse reads the body of a ClientHello (RFC 8446 §4.1.2).
func (h *Hello) parse(body []byte) error {
	h.reset()
	name := h.ServerName
	h.ServerName = ""
	r := reader{data: body}
	h.Version = uint16(r.u16())
	r.take(32) // random
	h.SessionID = len(r.vector8())
	ciphers := r.vector16()
	h.Compression = append(h.Compression, r.vector8()...)
	if r.bad || h.SessionID > 32 || len(ciphers)%2 != 0 {
		return ErrMalformed
	}
	h.Ciphers = appendU16(h.Ciphers, ciphers)
	if len(r.data) == 0 { // a hello without extensions (RFC 5246 §7.4.1.2)
		return nil
	}
	all := reader{data: r.vector16()}
	if r.bad || len(r.data) != 0 {
		return ErrMalformed
	}
	for len(all.data) > 0 {
		kind := uint16(all.u16())
		value := all.vector16()
		if all.bad {
			return ErrMalformed
		}
		h.Extensions = append(h.Extensions, kind)
		if !h.extension(kind, value, name) {
			return ErrMalformed
		}
	}
	return nil
}

// extension reads the value of one extension, and reports whether its lengths
// fit. last is a server name that may be the one sent: it saves its copy.
func (h *Hello) extension(kind uint16, value []byte, last string) bool {
	r := reader{data: value}
	switch kind {
	case extServerName: // RFC 6066 §3
		h.serverName(value, last)
		return true
	case extGroups:
		return list(&h.Groups, r.vector16(), r.bad)
	case extSignatureAlgorithms:
		return list(&h.SignatureAlgorithms, r.vector16(), r.bad)
	case extVersions:
		return list(&h.Versions, r.vector8(), r.bad)
	case extPointFormats:
		h.PointFormats = append(h.PointFormats[:0], r.vector8()...)
	case extALPN:
		return h.protocols(r.vector16(), r.bad)
	case extKeyShare:
		shares := reader{data: r.vector16()}
		for len(shares.data) > 0 && !shares.bad {
			h.KeyShares = append(h.KeyShares, uint16(shares.u16()))
			shares.vector16()
		}
		return !r.bad && !shares.bad
	}
	return !r.bad
}

// list takes a vector of 16-bit values.
func list(to *[]uint16, vector []byte, bad bool) bool {
	if bad || len(vector)%2 != 0 {
		return false
	}
	*to = appendU16((*to)[:0], vector)
	return true
}

func appendU16(to []uint16, vector []byte) []uint16 {
	for ; len(vector) >= 2; vector = vector[2:] {
		to = append(to, be16(vector))
	}
	return to
}

// maxName is the longest host name (RFC 1035 §2.3.4).
const maxName = 255

// serverName takes the host name of a server_name extension. One that is not
// well-formed is left out: some clients send it empty or with their own idea of
// the list.
func (h *Hello) serverName(value []byte, last string) {
	r := reader{data: value}
	r = reader{data: r.vector16()}
	if r.u8() != 0 {
		return
	}
	name := r.vector16()
	if r.bad || len(name) == 0 || len(name) > maxName {
		return
	}
	for _, c := range name {
		if c <= ' ' || c >= 127 {
			return
		}
	}
	if last == string(name) {
		h.ServerName = last
	} else {
		h.ServerName = string(name)
	}
}

// protocols takes the names of an ALPN extension (RFC 7301 §3.1).
func (h *Hello) protocols(vector []byte, bad bool) bool {
	r := reader{data: vector}
	for len(r.data) > 0 && !r.bad {
		name := r.vector8()
		n := len(h.ALPN)
		if n < cap(h.ALPN) && h.ALPN[:n+1][n] == string(name) { // as in the hello before
			h.ALPN = h.ALPN[:n+1]
		} else {
			h.ALPN = append(h.ALPN, strings.Clone(string(name)))
		}
	}
	return !bad && !r.bad
}
