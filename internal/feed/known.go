package feed

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"sync/atomic"

	"github.com/mxprint/mxprint/note"
)

// known finds connections by their ends without a lock: most questions are about one
// that was asked about a moment ago. Of two that share a slot the newer is there.
type known struct {
	slots [slots]atomic.Pointer[kept]
	seed  [2]uint64
}

const slots = 2048

// find returns the connection of a question, or nil where it is not there.
func (x *known) find(q note.Query) *kept {
	k := x.slot(q.Client, q.Server).Load()
	if k == nil {
		return nil
	}
	if c := k.conn.Load(); c.Client != q.Client || c.Server != q.Server {
		return nil
	}
	return k
}

// put has find return a connection, which is the newest with these ends.
func (x *known) put(k *kept, c *Connection) { x.slot(c.Client, c.Server).Store(k) }

// drop has find no longer return a connection.
func (x *known) drop(k *kept, c *Connection) { x.slot(c.Client, c.Server).CompareAndSwap(k, nil) }

func (x *known) slot(client, server netip.AddrPort) *atomic.Pointer[kept] {
	a := client.Addr().As16()
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(a[8:])^x.seed[0], binary.LittleEndian.Uint64(a[:8])^x.seed[1])
	hi, lo = bits.Mul64(hi^lo^uint64(client.Port())<<16^uint64(server.Port()), x.seed[1]|1)
	return &x.slots[(hi^lo)%slots]
}
