package main

import (
	"encoding/binary"
	"errors"
	"slices"
)

// kept are the extensions whose values say what the client offers and nothing
// of the connection or the machine.
var kept = []uint16{
	0,      // server_name: the command decides it
	1,      // max_fragment_length
	5,      // status_request
	10,     // supported_groups
	11,     // ec_point_formats
	13,     // signature_algorithms
	16,     // ALPN
	17,     // status_request_v2
	19, 20, // certificate types
	22,     // encrypt_then_mac
	23,     // extended_main_secret
	27,     // compress_certificate
	28,     // record_size_limit
	34,     // delegated_credential
	43,     // supported_versions
	45,     // psk_key_exchange_modes
	50,     // signature_algorithms_cert
	0xff01, // renegotiation_info: empty in a first hello
}

var errShape = errors.New("a hello that cannot be cleaned: more than one record, or wrong lengths")

// clean returns the record of the hello with what is not kept as zeros.
func clean(data []byte) ([]byte, error) {
	const header, random, sessionID = 9, 32, 1
	if len(data) < header+2+random+sessionID {
		return nil, errShape
	}
	end := 5 + int(binary.BigEndian.Uint16(data[3:]))
	if end > len(data) || end != header+int(binary.BigEndian.Uint16(data[7:])) {
		return nil, errShape
	}
	data = slices.Clone(data[:end])
	at := header + 2
	clear(data[at : at+random])
	at += random
	n := int(data[at])
	clear(data[at+1 : at+1+n])
	at += 1 + n
	at += 2 + int(binary.BigEndian.Uint16(data[at:])) // ciphers
	at += 1 + int(data[at])                           // compression
	if at == len(data) {
		return data, nil
	}
	for at += 2; at < len(data); {
		kind, n := binary.BigEndian.Uint16(data[at:]), int(binary.BigEndian.Uint16(data[at+2:]))
		at += 4
		value := data[at : at+n]
		switch {
		case kind == 51:
			cleanShares(value)
		case !slices.Contains(kept, kind):
			clear(value)
		}
		at += n
	}
	return data, nil
}

// cleanShares keeps groups and lengths of a key_share extension.
func cleanShares(value []byte) {
	for at := 2; at < len(value); {
		n := int(binary.BigEndian.Uint16(value[at+2:]))
		clear(value[at+4 : at+4+n])
		at += 4 + n
	}
}
