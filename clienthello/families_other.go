package clienthello

import "slices"

// golang is crypto/tls. Its ciphers of TLS 1.3 come last, and what it signs
// with begins with RSA-PSS. The "go" line of a program's go.mod decides some
// defaults: what the rules say of releases holds for that line too.
var golang = family{
	name: "Go",
	is: func(h *Hello) bool {
		n := len(h.Ciphers)
		last := n > 0 && (h.Ciphers[n-1]>>8 == 0x13 || !h.tls13())
		return h.RecordVersion == 0x0301 && beginsWith(h.SignatureAlgorithms, 0x0804, 0x0403, 0x0807, 0x0805, 0x0806) && last && h.has(0xff01)
	},
	// Notes are Go's release notes, unless they say otherwise.
	releases: []string{"1.15", "1.16", "1.17", "1.18", "1.19", "1.20", "1.21", "1.22", "1.23", "1.24", "1.25", "1.26"},
	marks: []mark{
		{is: func(h *Hello) bool { return before(h.Ciphers, 0xc02f, 0xc02b) }, to: "1.16", notes: "1.17: the order of ciphers is the library's own"},
		{is: func(h *Hello) bool { return before(h.Ciphers, 0xc02b, 0xc02f) }, from: "1.17", notes: "1.17: the order of ciphers is the library's own"},
		{is: hasExtension(extExtendedMaster), from: "1.21", notes: "1.21: extended master secret"},
		{is: not(hasExtension(extExtendedMaster)), to: "1.20", notes: "1.21: extended master secret"},
		{is: goOldOrder, to: "1.22"},
		{is: not(goOldOrder), from: "1.23"},
		{is: not(hasCipher(0x9c)), from: "1.22", notes: "1.22: ciphers without ECDHE are not offered"},
		{is: hasGroup(0x6399), from: "1.23", to: "1.23", notes: "1.23: Kyber; 1.24: ML-KEM instead"},
		{is: hasGroup(0x11ec), from: "1.24", notes: "1.24: ML-KEM"},
		{is: hasExtension(50), from: "1.25"},
		{is: both((*Hello).tls13, not(hasExtension(50))), to: "1.24"},
		{is: hasGroup(0x11eb), from: "1.26", notes: "crypto/tls, defaults.go: the groups before 1.26"},
		{is: both(hasGroup(0x11ec), not(hasGroup(0x11eb))), to: "1.25", notes: "crypto/tls, defaults.go: the groups before 1.26"},
	},
	settings: []setting{
		{is: func(h *Hello) bool { return before(h.Ciphers, 0xc014, 0x9c) && !goOldOrder(h) }, name: "go.mod before 1.22"},
		{is: func(h *Hello) bool { return before(h.Ciphers, 0xc02b, 0xc014) && before(h.Ciphers, 0xc009, 0xc014) }, name: "default"},
	},
}

// goOldOrder reports whether the point formats come behind the groups, as they
// did until 1.22.
func goOldOrder(h *Hello) bool {
	return before(h.Extensions, extGroups, extPointFormats)
}

// jsse is the TLS of the JDK: records of TLS 1.2, and both lists of signature
// algorithms.
var jsse = family{
	name: "JSSE",
	is: func(h *Hello) bool {
		return h.RecordVersion == 0x0303 && beginsWith(h.SignatureAlgorithms, 0x0403, 0x0503, 0x0603) && h.has(50) &&
			h.ordered(extServerName, extStatusRequest, extGroups, extPointFormats, extExtendedMaster, extVersions)
	},
	releases: []string{"11", "12", "16", "17", "18", "20", "21", "22", "24", "25"},
	marks: []mark{
		{is: not(signsWith(0x0807)), to: "16"},
		{is: signsWith(0x0807), from: "12"},
		{is: hasGroup(0x11ec), from: "22"},
	},
	settings: []setting{
		{is: ciphersBegin(0xc02c, 0xc02b, 0xcca9, 0xc030, 0xcca8, 0xc02f, 0x9f, 0xccaa, 0xa3), name: "default"},
	},
}

// rustls has no ciphers but those of TLS 1.3 and AEAD with ECDHE.
var rustls = family{
	name: "rustls",
	is: func(h *Hello) bool {
		return h.RecordVersion == 0x0301 && beginsWith(h.SignatureAlgorithms, 0x0503, 0x0403) && h.has(extExtendedMaster) &&
			(beginsWith(h.Ciphers, 0x1302, 0x1301, 0x1303) || !h.tls13())
	},
	releases: []string{"0.20", "0.21", "0.22", "0.23"},
	marks: []mark{
		{is: hasExtension(18), to: "0.21"},
		{is: not(hasExtension(18)), from: "0.22"},
		{is: not(rustlsOrdered), from: "0.23"},
		{is: rustlsOrdered, to: "0.22"},
	},
	settings: []setting{
		{is: ciphersBegin(0xc02c, 0xc02b, 0xcca9, 0xc030, 0xc02f, 0xcca8, 0x00ff), name: "default"},
	},
}

// rustlsOrdered reports whether the extensions are in the order that rustls
// sent them in before it began to shuffle.
func rustlsOrdered(h *Hello) bool {
	return h.ordered(extVersions, extPointFormats, extGroups, extSignatureAlgorithms, extExtendedMaster, extStatusRequest, extServerName, 18, extKeyShare, 0x2d, extSessionTicket)
}

// boringSSL is that of Chromium, gRPC and others: it has no release numbers.
var boringSSL = family{
	name: "BoringSSL",
	is: func(h *Hello) bool {
		s := h.SignatureAlgorithms
		if boringSSLOld(h) {
			return true
		}
		return h.RecordVersion == 0x0301 && contains(s, 0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601) && h.has(0xff01)
	},
	settings: []setting{
		{is: func(h *Hello) bool { return len(h.Ciphers) > 0 && isGREASE(h.Ciphers[0]) }, name: "Chromium"},
	},
}

// boringSSLOld reports whether a hello of TLS 1.0 or 1.1 is BoringSSL's: its
// groups, with X25519 first, and its extensions with the renegotiation signal
// before the name. Mono's SmtpClient sends it: its TLS is BoringSSL, and its
// default TLS 1.0.
func boringSSLOld(h *Hello) bool {
	return h.RecordVersion == 0x0301 && (h.version() == 0x0301 || h.version() == 0x0302) && beginsWith(h.Extensions, 0xff01) &&
		slices.Equal(h.Groups, []uint16{0x1d, 0x17, 0x18}) && h.ordered(0xff01, extServerName, extExtendedMaster, extSessionTicket, extPointFormats, extGroups)
}
