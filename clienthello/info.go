package clienthello

import "crypto/tls"

// FromInfo sets the hello to what a server of package crypto/tls is given of it
// (tls.Config.GetConfigForClient). JA4 is that of the hello itself, and so, for
// most, is Library; key shares, compression, session id and the versions of
// record and message, which JA3 has, are not known. TLS below 1.2 is what the
// server takes for it.
func (h *Hello) FromInfo(info *tls.ClientHelloInfo) {
	*h = Hello{
		Version: 0x0303,
		Ciphers: info.CipherSuites, Extensions: info.Extensions, PointFormats: info.SupportedPoints,
		ALPN: info.SupportedProtos, ServerName: info.ServerName,
	}
	for _, g := range info.SupportedCurves {
		h.Groups = append(h.Groups, uint16(g))
	}
	for _, s := range info.SignatureSchemes {
		h.SignatureAlgorithms = append(h.SignatureAlgorithms, uint16(s))
	}
	h.Compression, h.RecordVersion = []byte{0}, 0x0301 // what most send
	if h.has(extVersions) {
		h.Versions, h.SessionID = info.SupportedVersions, 32
		h.guessRecord()
		return
	}
	for _, v := range info.SupportedVersions { // made of the version in the message
		h.Version = min(h.Version, max(v, info.SupportedVersions[0]))
	}
	h.guessRecord()
}

// guessRecord takes the other version of the record where it names a library.
func (h *Hello) guessRecord() {
	if h.Library().Name != "" {
		return
	}
	if h.RecordVersion = 0x0303; h.Library().Name == "" {
		h.RecordVersion = 0x0301
	}
}
