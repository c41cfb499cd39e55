package engine

import (
	"errors"
	"net/netip"
)

// ErrNoSYN is the error of a look-up when the sensor was handed the connection
// without its SYN: what else is known of the address may be another machine's.
var ErrNoSYN = errors.New("engine: the connection came without its SYN")

// Missed reports an established connection whose SYN the sensor could not get
// (sockops.Config.Missed). A look-up of the connection then returns ErrNoSYN at
// once, and so does one of the address if nothing is known of it. An engine that
// keeps no connections ignores it.
func (e *Engine) Missed(client, server netip.AddrPort) {
	shard := e.shards[e.fanout.Worker(client, server, len(e.shards))]
	shard.mu.Lock()
	shard.table.Missed(client, server)
	shard.mu.Unlock()
	e.waiting.wakeOne(client)
}
