package export

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"

	"github.com/mxprint/mxprint/internal/store"
)

// hashed is the network of addresses that stand for a keyed hash. No client has
// one: fc00::/8 is not defined (RFC 4193 §3.1, the L bit is 1).
const hashed = 0xfc

// hide returns an address as rows have it: with a key, a hash of its network
// (store.Network: of IPv6 the /64).
func (e *Exporter) hide(a netip.Addr) netip.Addr {
	if e.cfg.Key == nil || !a.IsValid() {
		return a
	}
	out := [16]byte(keyed(e.cfg.Key, "address", store.Network(a).Addr().AsSlice()))
	out[0] = hashed
	return netip.AddrFrom16(out)
}

// hideName returns a client's name as rows have it: many names contain the
// address.
func (e *Exporter) hideName(name string) string {
	if e.cfg.Key == nil || name == "" {
		return name
	}
	return "h-" + hex.EncodeToString(keyed(e.cfg.Key, "name", []byte(name))[:10])
}

// keyed is HMAC-SHA-256 (RFC 2104), each kind of value by itself.
func keyed(key []byte, kind string, value []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(kind + "\x00"))
	m.Write(value)
	return m.Sum(nil)
}
