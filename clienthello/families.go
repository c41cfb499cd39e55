package clienthello

import "slices"

// families are tried in order.
var families = []family{openSSL, gnuTLS, golang, jsse, rustls, boringSSL, nss, mbedTLS, wolfSSL, erlang}

// openSSL is OpenSSL of every release. It alone offers three point formats
// (until 4.0), and its extensions have always come in one order.
var openSSL = family{
	name: "OpenSSL",
	is: func(h *Hello) bool {
		known := slices.Equal(h.PointFormats, []byte{0, 1, 2}) || openSSLSigns(h) && !h.tls13() && len(h.PointFormats) == 0 || h.has(extKeyShare) && beginsWith(h.SignatureAlgorithms, openSSLPQ...)
		return known && h.RecordVersion == 0x0301 && slices.Equal(h.Compression[max(0, len(h.Compression)-1):], []byte{0}) &&
			h.ordered(0xff01, extPointFormats, extGroups, extSessionTicket, extALPN, extEncryptThenMAC, extExtendedMaster) &&
			h.ordered(extVersions, 0x2d, extKeyShare, 0x1b, extPreSharedKey)
	},
	// 3.6 and 4.1 were not recorded. Notes are those of its CHANGES.md.
	releases: []string{"1.0.1", "1.0.2", "1.1.0", "1.1.1", "3.0", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "4.0", "4.1"},
	marks: []mark{
		{is: not(hasExtension(extExtendedMaster)), to: "1.0.2"},
		{is: hasExtension(extExtendedMaster), from: "1.1.0"},
		// 1.0.1 offers all curves of SEC 2, by size; 1.0.2 the common ones first.
		{is: func(h *Hello) bool { return len(h.Groups) > 20 }, to: "1.0.1"},
		{is: func(h *Hello) bool {
			return beginsWith(h.Groups, 0x17, 0x19, 0x1c, 0x1b) || len(h.Groups) == 1 && h.Groups[0] == 0x17
		}, from: "1.0.2"},
		// The ciphers of RFC 5289 are sorted by strength from 1.0.2 on.
		{is: func(h *Hello) bool { return beginsWith(h.SignatureAlgorithms, 0x0601, 0x0602, 0x0603) }, to: "1.1.0"},
		{is: func(h *Hello) bool { return h.signs(0x0804) }, from: "1.1.1", notes: "1.1.1: RSA-PSS signature algorithms, in TLS 1.2 too"},
		{is: (*Hello).tls13, from: "1.1.1", notes: "1.1.1: support for TLS 1.3"},
		// Finite-field groups came with 3.0, and only beside TLS 1.3.
		{is: both((*Hello).tls13, hasGroup(0x0100)), from: "3.0"},
		{is: func(h *Hello) bool {
			return h.tls13() && slices.Equal(h.Groups, []uint16{0x1d, 0x17, 0x1e, 0x19, 0x18})
		}, to: "1.1.1"},
		// Brainpool in TLS 1.3 (RFC 8734) came with 3.2.
		{is: signsWith(0x081a), from: "3.2"},
		{is: both((*Hello).tls13, signsWith(0x0809), not(signsWith(0x081a))), to: "3.1"},
		// The renegotiation signal is a cipher until 3.3, an extension from 3.4,
		// but where TLS 1.0 is offered, too.
		{is: func(h *Hello) bool {
			return h.cipher(0x00ff) && h.tls13() && !slices.Contains(h.Versions, 0x0301)
		}, to: "3.3", notes: "3.4: an empty extension instead of the cipher"},
		{is: hasExtension(0xff01), from: "3.4", notes: "3.4: an empty extension instead of the cipher"},
		// 3.5 has ML-DSA and ML-KEM, and P-384 before P-521.
		{is: signsWith(0x0905), from: "3.5", notes: "3.5: ML-DSA first among the signature algorithms"},
		{is: hasGroup(0x11ec), from: "3.5", notes: "3.5: the default list of groups"},
		{is: both((*Hello).tls13, signsWith(0x0809), not(signsWith(0x0905))), to: "3.4", notes: "3.5: ML-DSA first among the signature algorithms"},
		{is: func(h *Hello) bool { return contains(h.Groups, 0x1d, 0x17, 0x1e, 0x18, 0x19) }, from: "3.5", notes: "3.5: the default list of groups"},
		{is: func(h *Hello) bool { return contains(h.Groups, 0x1d, 0x17, 0x1e, 0x19, 0x18) }, to: "3.4", notes: "3.5: the default list of groups"},
		// 4.0 sends the uncompressed point format alone, and the name last.
		{is: func(h *Hello) bool { return slices.Equal(h.PointFormats, []byte{0, 1, 2}) }, to: "3.6"},
		{is: func(h *Hello) bool { return slices.Equal(h.PointFormats, []byte{0}) }, from: "3.6"},
	},
	settings: []setting{
		{is: ciphersBegin(0xc02c, 0xc030, 0x9f, 0xcca9, 0xcca8, 0xccaa, 0xc02b, 0xc02f, 0x9e, 0xc024, 0xc028), name: "default"},
		{is: ciphersBegin(0xc02c, 0xc030, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc024, 0xc028, 0xc023, 0xc027, 0x9f, 0x9e, 0x6b, 0x67), name: "Python 3.10 or later"},
		{is: ciphersBegin(0xc02c, 0xc030, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xa3, 0x9f), name: "Python 3.6 or earlier"},
		{is: ciphersBegin(0xc02f, 0xc02b, 0xc030, 0xc02c, 0x9e, 0xc027, 0x67), name: "Node.js"},
		{is: ciphersBegin(0xc02f, 0xc02b, 0xc030, 0xc02c, 0x9e, 0xa2, 0xa3, 0x9f), name: "PHP"},
	},
}

var openSSLPQ = []uint16{0x0905, 0x0906, 0x0904, 0x0403, 0x0503, 0x0603, 0x0807, 0x0808}

// openSSLSigns reports whether the signature algorithms are OpenSSL's, from
// 1.1.1 on; lower security levels add some behind these.
func openSSLSigns(h *Hello) bool {
	return beginsWith(h.SignatureAlgorithms, 0x0403, 0x0503, 0x0603, 0x0807, 0x0808)
}

// ciphersBegin reports whether the ciphers without those of TLS 1.3 begin so.
func ciphersBegin(values ...uint16) func(*Hello) bool {
	return func(h *Hello) bool {
		list := h.Ciphers
		for len(list) > 0 && (list[0]>>8 == 0x13 || isGREASE(list[0])) {
			list = list[1:]
		}
		return beginsWith(list, values...)
	}
}

// gnuTLS orders what it signs with by hash, and its extensions, until 3.8
// shuffled them, in an order of its own.
var gnuTLS = family{
	name: "GnuTLS",
	is: func(h *Hello) bool {
		return beginsWith(h.SignatureAlgorithms, 0x0401, 0x0809, 0x0804, 0x0403)
	},
	releases: []string{"3.6", "3.7", "3.8.0", "3.8.1", "3.8.9"},
	marks: []mark{
		{is: gnuTLSOrdered, to: "3.8.0", notes: "NEWS, 3.8.1: extensions are shuffled"},
		{is: not(gnuTLSOrdered), from: "3.8.1", notes: "NEWS, 3.8.1: extensions are shuffled"},
	},
	settings: []setting{
		{is: ciphersBegin(0xc02c, 0xcca9, 0xc0ad, 0xc00a, 0xc02b, 0xc0ac, 0xc009, 0xc030, 0xcca8), name: "default"},
	},
}

func gnuTLSOrdered(h *Hello) bool {
	return h.ordered(extStatusRequest, extGroups, extPointFormats, extSignatureAlgorithms, extEncryptThenMAC, extExtendedMaster, extSessionTicket, extKeyShare, extVersions, 49, 0xff01, extServerName, 0x2d, 0x1c, extPadding)
}

// nss is Mozilla's and its programs'.
var nss = family{
	name: "NSS",
	is: func(h *Hello) bool {
		return h.RecordVersion == 0x0301 && beginsWith(h.SignatureAlgorithms, 0x0403, 0x0503, 0x0603) && h.has(0x1c) && h.has(0xff01) &&
			h.ordered(extServerName, extExtendedMaster, 0xff01, extGroups, extPointFormats) && (!h.tls13() || beginsWith(h.Ciphers, 0x1301, 0x1303, 0x1302))
	},
	releases: []string{"3.61", "3.62", "3.87", "3.88", "3.110"},
	marks: []mark{
		{is: hasGroup(0x11ec), from: "3.88"},
	},
	settings: []setting{
		{is: ciphersBegin(0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc02c, 0xc030, 0xc00a, 0xc009, 0xc013, 0xc023), name: "default"},
	},
}

// mbedTLS prefers ChaCha20, the strongest hash, and signs with no other curve's
// than the hash's.
var mbedTLS = family{
	name: "mbed TLS",
	is: func(h *Hello) bool {
		two := beginsWith(h.SignatureAlgorithms, 0x0603, 0x0601, 0x0503, 0x0501) && h.RecordVersion == 0x0301 && h.SessionID == 0
		three := slices.Equal(h.SignatureAlgorithms, []uint16{0x0403, 0x0503, 0x0603, 0x0806, 0x0805, 0x0804, 0x0601, 0x0501, 0x0401}) && h.RecordVersion == 0x0303
		return (two || three) && h.ordered(extPointFormats, extEncryptThenMAC, extExtendedMaster, extSessionTicket) && h.has(extExtendedMaster)
	},
	releases: []string{"2.16", "2.17", "2.27", "2.28", "3.0", "3.5", "3.6"},
	marks: []mark{
		{is: (*Hello).tls13, from: "3.0"},
		{is: not((*Hello).tls13), to: "3.5"},
		{is: hasGroup(0x1d), from: "2.17"},
		{is: both(not(hasGroup(0x1d)), hasGroup(0x12)), to: "2.27"},
	},
	settings: []setting{
		{is: ciphersBegin(0xcca8, 0xcca9, 0xccaa, 0xc02c, 0xc030), name: "default"},
	},
}

// wolfSSL offers TLS 1.1 and above, in records of TLS 1.2, with the groups
// from the longest on.
var wolfSSL = family{
	name: "wolfSSL",
	is: func(h *Hello) bool {
		return h.RecordVersion == 0x0303 && beginsWith(h.SignatureAlgorithms, 0x0603, 0x0503, 0x0403) && h.has(extEncryptThenMAC) &&
			h.ordered(extKeyShare, extVersions, extSignatureAlgorithms, extPointFormats, extGroups, extEncryptThenMAC, extExtendedMaster)
	},
	releases: []string{"4.6", "4.7", "5.4", "5.5", "5.6", "5.7"},
	marks: []mark{
		{is: signsWith(0x080d), to: "5.4"},
		{is: not(signsWith(0x080d)), from: "4.7"},
		{is: hasExtension(0xfe0d), from: "5.6"},
		{is: hasCipher(0xc012), to: "5.6"},
	},
	settings: []setting{
		{is: ciphersBegin(0xc0b4, 0xc0b5, 0xc02c, 0xc02b, 0xc030, 0xc02f), name: "default"},
	},
}

// erlang is the application ssl of Erlang/OTP: the renegotiation signal first.
var erlang = family{
	name: "Erlang/OTP",
	is: func(h *Hello) bool {
		return h.RecordVersion == 0x0303 && beginsWith(h.Ciphers, 0x00ff) && !h.has(extExtendedMaster)
	},
	releases: []string{"23", "24", "25", "26", "27"},
	marks: []mark{
		{is: not(signsWith(0x0807)), to: "24"},
		{is: signsWith(0x0807), from: "24"},
		{is: signsWith(0x081a), from: "26"},
		{is: both(signsWith(0x0807), not(signsWith(0x081a))), to: "26"},
	},
	settings: []setting{
		{is: func(h *Hello) bool {
			return beginsWith(h.Ciphers, 0x00ff, 0x1302, 0x1301, 0x1303, 0x1304, 0x1305, 0xc02c)
		}, name: "default"},
	},
}
