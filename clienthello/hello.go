// Package clienthello reads the first message of a TLS client, the ClientHello,
// from the bytes of a connection: what the client offers, its JA4 and JA3, and
// the TLS library and release that send such a hello.
//
// Use it where the first bytes of a client are at hand: in a capture, a proxy,
// or a server that looks at them before its TLS library does. It does not speak
// TLS and checks nothing that a handshake checks. Feed it the bytes from the
// first TLS record on; they may be cut anywhere:
//
//	var h clienthello.Hello
//	switch err := h.Parse(data); {
//	case errors.Is(err, clienthello.ErrMore): // read on, call again with all bytes
//	case err != nil:                          // not a hello
//	default:
//		fmt.Println(h.JA4(), h.Library())
//	}
//
// It implements the ClientHello of RFC 8446 §4.1.2, RFC 5246 §7.4.1.2 and their
// record layers, GREASE of RFC 8701, JA4 as the BSD-licensed text of FoxIO has
// it, and JA3. It imports the standard library alone.
//
// # Compatibility
//
// Until 1.0 this package only gains names; none is removed or changes its
// meaning.
package clienthello

import "errors"

// Errors of Parse.
var (
	// ErrMore says that the bytes so far are the beginning of a hello.
	ErrMore = errors.New("clienthello: more bytes needed")
	// ErrNotHello says that the bytes are not TLS, or TLS that begins with
	// something else.
	ErrNotHello = errors.New("clienthello: not a ClientHello")
	// ErrSSLv2 says that the bytes are a hello in the format of SSL 2.0, which
	// old clients send for later versions too (RFC 5246 Appendix E.2).
	ErrSSLv2 = errors.New("clienthello: ClientHello in the format of SSL 2.0")
	// ErrMalformed says that a length in the hello is wrong.
	ErrMalformed = errors.New("clienthello: malformed ClientHello")
	// ErrTooLong says that the hello is longer than MaxBytes.
	ErrTooLong = errors.New("clienthello: ClientHello too long")
)

// MaxBytes is the longest hello that is read, in bytes of its message. A real
// one has 200 to 2,000 bytes.
const MaxBytes = 16384

// Hello is what a ClientHello says. Lists are in the order sent, GREASE values
// included. It is reused by the next Parse; it is not safe for concurrent use.
type Hello struct {
	RecordVersion uint16 // of the first record: 0x0301 or 0x0303
	Version       uint16 // legacy_version: 0x0303 also for TLS 1.3
	SessionID     int    // bytes of the session id: 0 to 32

	Ciphers             []uint16
	Compression         []byte
	Extensions          []uint16 // types
	Versions            []uint16 // of supported_versions; empty without it
	Groups              []uint16 // supported_groups
	KeyShares           []uint16 // groups of key_share
	SignatureAlgorithms []uint16
	PointFormats        []byte
	ALPN                []string
	ServerName          string // empty without it, or where it is not a host name

	message []byte // the message where it came in several records
	scratch []uint16
	text    []byte
}

// Extension types that the package reads (IANA, TLS ExtensionType Values).
const (
	extServerName          = 0
	extStatusRequest       = 5
	extGroups              = 10
	extPointFormats        = 11
	extSignatureAlgorithms = 13
	extALPN                = 16
	extPadding             = 21
	extEncryptThenMAC      = 22
	extExtendedMaster      = 23
	extSessionTicket       = 35
	extPreSharedKey        = 41
	extVersions            = 43
	extKeyShare            = 51
)

// Parse reads a hello from all bytes that a client has sent so far, from its
// first TLS record on. The bytes are not kept. After ErrMore it wants to be
// called again with more behind them; after any other error the Hello holds
// nothing of use. A second hello, after a HelloRetryRequest, is not read.
func (h *Hello) Parse(data []byte) error {
	message, err := h.join(data)
	if err != nil {
		return err
	}
	return h.parse(message)
}

const (
	recordHeader  = 5
	messageHeader = 4
	maxRecord     = 1<<14 + 2048 // RFC 5246 §6.2.3
)

// join returns the body of the first handshake message, which must be a
// ClientHello, from the records that carry it.
func (h *Hello) join(data []byte) ([]byte, error) {
	if err := begins(data); err != nil {
		return nil, err
	}
	h.RecordVersion = be16(data[1:])
	h.message = h.message[:0]
	need := messageHeader
	for {
		if len(data) < recordHeader {
			return nil, ErrMore
		}
		size := be16(data[3:])
		if data[0] != 22 || data[1] != 3 || size == 0 || size > maxRecord {
			return nil, ErrNotHello
		}
		whole := len(data) >= recordHeader+int(size)
		fragment := data[recordHeader:min(len(data), recordHeader+int(size))]
		if len(h.message) == 0 && len(fragment) >= messageHeader {
			if end, err := messageEnd(fragment); err != nil {
				return nil, err
			} else if len(fragment) >= end {
				return fragment[messageHeader:end], nil // the usual case: nothing is copied
			}
		}
		h.message = append(h.message, fragment...)
		if len(h.message) >= messageHeader {
			var err error
			if need, err = messageEnd(h.message); err != nil {
				return nil, err
			}
			if len(h.message) >= need {
				return h.message[messageHeader:need], nil
			}
		}
		if !whole {
			return nil, ErrMore
		}
		data = data[recordHeader+int(size):]
	}
}

// begins reports whether data is, or may become, the first record of a hello.
func begins(data []byte) error {
	if len(data) > 0 && data[0] != 22 {
		return beginsSSLv2(data)
	}
	if len(data) > 1 && data[1] != 3 {
		return ErrNotHello
	}
	if len(data) > recordHeader && data[recordHeader] != 1 {
		return ErrNotHello
	}
	if len(data) < recordHeader {
		return ErrMore
	}
	return nil
}

// beginsSSLv2 looks for the two-byte length, the type and the version of RFC
// 5246 Appendix E.2. Its top bit is never set in text.
func beginsSSLv2(data []byte) error {
	if data[0]&0x80 == 0 || len(data) > 2 && data[2] != 1 || len(data) > 3 && data[3] != 0 && data[3] != 3 {
		return ErrNotHello
	}
	if len(data) < 5 {
		return ErrMore
	}
	if data[3] == 0 && data[4] != 2 {
		return ErrNotHello
	}
	return ErrSSLv2
}

// messageEnd returns the length of a ClientHello message, header included.
func messageEnd(message []byte) (int, error) {
	if message[0] != 1 {
		return 0, ErrNotHello
	}
	n := int(message[1])<<16 | int(be16(message[2:]))
	if n > MaxBytes {
		return 0, ErrTooLong
	}
	return messageHeader + n, nil
}

func be16(b []byte) uint16 { return uint16(b[0])<<8 | uint16(b[1]) }
