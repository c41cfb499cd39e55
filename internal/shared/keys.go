package shared

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/mxprint/mxprint/internal/store"
)

// Every key begins with prefix, which has the version of the form: a program of
// another version neither reads nor changes what is under it. What is read
// together has one hash tag, {…}, so that a Cluster keeps it in one slot.
// docs/shared-store.md lists the keys.
const prefix = "mxprint:1:"

// The kinds of keys, after prefix.
const (
	kindConn    = "c:"  // c:{NETWORK}HOST.PORT:t and :s, the note of a connection and what its session said
	kindHost    = "h:"  // h:{NETWORK}, the last note of an address
	kindMemory  = "m:"  // m:{NETWORK}, what is remembered of an address
	kindVisits  = "v:"  // v:{NETWORK}, how many connections of it mail servers asked about
	kindNames   = "an:" // an:{NETWORK}, sketch of the names that the address gave
	kindName    = "na:" // na:NAME, sketch of the addresses that gave a name
	kindJA4     = "ja:" // ja:JA4, sketch of the addresses that sent it
	kindDialect = "di:" // di:HASH, sketch of the addresses that speak it
	kindSensor  = "s:"  // s:SENSOR
	kindCounts  = "e:"  // e:SENSOR, evidence

	keySensors = prefix + "sensors" // set of the sensors that there are
)

// How long records live that the configuration does not bound.
const (
	connAge   = 10 * time.Minute
	endedAge  = 30 * time.Second // of a connection after its end: a mail server may still ask
	sensorAge = 24 * time.Hour
)

// names makes the names of keys. With a secret, addresses and host names are in
// the store only as keyed hashes.
type names struct{ secret []byte }

// hashed is a text as it is in a key.
func (h *names) hashed(kind, text string) string {
	if h.secret == nil {
		return text
	}
	mac := hmac.New(sha256.New, h.secret)
	mac.Write([]byte(kind))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// tag is the hash tag of an address.
func (h *names) tag(a netip.Addr) string {
	return "{" + h.hashed("a", store.Network(a).Addr().String()) + "}"
}

// conn are the keys of a connection, without what they end in. The server is in
// the record: with a port forwarding its ends know it by several addresses.
func (h *names) conn(client netip.AddrPort) string {
	a := client.Addr().Unmap().WithZone("")
	var host string
	if a.Is6() {
		b := a.As16()
		host = h.hashed("b", strconv.FormatUint(binary.BigEndian.Uint64(b[8:]), 16))
	}
	return prefix + kindConn + h.tag(a) + host + "." + strconv.Itoa(int(client.Port()))
}

// The ends of the keys of a connection.
const (
	endSYN     = ":t"
	endSession = ":s"
)

// named is the key of what a client called itself.
func (h *names) named(name string) string { return prefix + kindName + h.hashed("n", name) }

// dialect is the key of a fingerprint, which may be long.
func dialect(text string) string {
	sum := sha256.Sum256([]byte(text))
	return prefix + kindDialect + hex.EncodeToString(sum[:12])
}

// ofNetwork returns what the hash tag of a key says: the network, as hashed
// returns it.
func ofNetwork(key string) (string, bool) {
	_, rest, ok := strings.Cut(key, "{")
	if !ok {
		return "", false
	}
	in, _, ok := strings.Cut(rest, "}")
	return in, ok
}
