package clienthello

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
)

// JA4 is a method and trademark of FoxIO; this part of its JA4+ suite is under
// the BSD 3-clause licence (docs/third-party.md).

// JA4 returns the JA4 of the hello, as over TCP:
// t13d1516h2_8daaf6152771_e5627efa2ab1. It allocates the string alone.
func (h *Hello) JA4() string {
	var buf [ja4Bytes]byte
	return string(h.AppendJA4(buf[:0]))
}

// AppendJA4 appends what JA4 returns.
func (h *Hello) AppendJA4(to []byte) []byte { return h.ja4(to, false, false) }

// JA4Raw returns ja4_r: what JA4 hashes, in clear.
func (h *Hello) JA4Raw() string { return string(h.ja4(nil, true, false)) }

// JA4Stable returns the JA4 that the hello would have without the extensions
// session_ticket, padding and pre_shared_key: those differ between first and
// resumed connections of one program. It is this project's and not part of JA4;
// print it under a name of its own.
func (h *Hello) JA4Stable() string {
	var buf [ja4Bytes]byte
	return string(h.ja4(buf[:0], false, true))
}

// ja4Bytes is the length of a JA4.
const ja4Bytes = 10 + 1 + 12 + 1 + 12

func (h *Hello) ja4(to []byte, raw, stable bool) []byte {
	to = append(to, 't')
	to = append(to, versionName(h.version())...)
	if slices.Contains(h.Extensions, extServerName) {
		to = append(to, 'd')
	} else {
		to = append(to, 'i')
	}
	to = appendCount(to, h.Ciphers, false)
	to = appendCount(to, h.Extensions, stable)
	to = appendEnds(to, h.ALPN)
	to = append(to, '_')

	list := h.scratch[:0]
	for _, c := range h.Ciphers {
		if !isGREASE(c) {
			list = append(list, c)
		}
	}
	slices.Sort(list)
	h.text = appendHexList(h.text[:0], list)
	to = appendHash(to, h.text, raw)
	to = append(to, '_')

	list = list[:0]
	for _, e := range h.Extensions {
		if !isGREASE(e) && e != extServerName && e != extALPN && !(stable && unstable(e)) {
			list = append(list, e)
		}
	}
	slices.Sort(list)
	h.text = appendHexList(h.text[:0], list)
	if list = appendReal(list[:0], h.SignatureAlgorithms); len(list) > 0 {
		h.text = append(h.text, '_')
		h.text = appendHexList(h.text, list)
	}
	h.scratch = list
	return appendHash(to, h.text, raw)
}

// Highest returns the highest version that the client offers: 0x0304 for TLS 1.3.
func (h *Hello) Highest() uint16 { return h.version() }

func (h *Hello) version() uint16 {
	var highest uint16
	for _, v := range h.Versions {
		if !isGREASE(v) {
			highest = max(highest, v)
		}
	}
	if highest == 0 {
		return h.Version
	}
	return highest
}

func versionName(v uint16) string {
	switch v {
	case 0x0304:
		return "13"
	case 0x0303:
		return "12"
	case 0x0302:
		return "11"
	case 0x0301:
		return "10"
	case 0x0300:
		return "s3"
	case 0x0002:
		return "s2"
	}
	return "00"
}

// appendCount appends how many of a list are not GREASE, in two digits.
func appendCount(to []byte, list []uint16, stable bool) []byte {
	n := 0
	for _, v := range list {
		if !isGREASE(v) && !(stable && unstable(v)) {
			n++
		}
	}
	n = min(n, 99)
	return append(to, '0'+byte(n/10), '0'+byte(n%10))
}

// appendEnds appends the first and the last character of the first protocol.
func appendEnds(to []byte, alpn []string) []byte {
	if len(alpn) == 0 || alpn[0] == "" {
		return append(to, "00"...)
	}
	first, last := alpn[0][0], alpn[0][len(alpn[0])-1]
	if alphanumeric(first) && alphanumeric(last) {
		return append(to, first, last)
	}
	const digits = "0123456789abcdef"
	return append(to, digits[first>>4], digits[last&15])
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func appendReal(to, list []uint16) []uint16 {
	for _, v := range list {
		if !isGREASE(v) {
			to = append(to, v)
		}
	}
	return to
}

func appendHexList(to []byte, list []uint16) []byte {
	const digits = "0123456789abcdef"
	for i, v := range list {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(to, digits[v>>12], digits[v>>8&15], digits[v>>4&15], digits[v&15])
	}
	return to
}

func appendHash(to, text []byte, raw bool) []byte {
	switch {
	case raw:
		return append(to, text...)
	case len(text) == 0:
		return append(to, "000000000000"...)
	}
	sum := sha256.Sum256(text)
	return hex.AppendEncode(to, sum[:6])
}

// unstable reports whether an extension depends on the connection and not on
// the program alone.
func unstable(extension uint16) bool {
	return extension == extSessionTicket || extension == extPadding || extension == extPreSharedKey
}

// isGREASE reports whether a value is reserved by RFC 8701: both bytes the
// same, of the form ?a.
func isGREASE(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// JA3 returns the MD5 of JA3Raw in hexadecimal. Libraries that shuffle their
// extensions have as many as there are orders: JA4 does not depend on it.
func (h *Hello) JA3() string {
	h.text = h.appendJA3(h.text[:0])
	sum := md5.Sum(h.text)
	return hex.EncodeToString(sum[:])
}

// JA3Raw returns version, ciphers, extensions, groups and point formats in the
// notation of JA3: decimal, GREASE left out.
func (h *Hello) JA3Raw() string { return string(h.appendJA3(nil)) }

func (h *Hello) appendJA3(to []byte) []byte {
	to = strconv.AppendUint(to, uint64(h.Version), 10)
	for _, list := range [...][]uint16{h.Ciphers, h.Extensions, h.Groups} {
		to = append(to, ',')
		n := len(to)
		for _, v := range list {
			if isGREASE(v) {
				continue
			}
			if len(to) > n {
				to = append(to, '-')
			}
			to = strconv.AppendUint(to, uint64(v), 10)
		}
	}
	to = append(to, ',')
	for i, v := range h.PointFormats {
		if i > 0 {
			to = append(to, '-')
		}
		to = strconv.AppendUint(to, uint64(v), 10)
	}
	return to
}
