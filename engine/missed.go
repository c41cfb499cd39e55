package engine

import (
	"errors"
	"net/netip"
)

// ErrNoSYN is the error of a look-up when the sensor was handed the connection
// without its SYN: what else is known of the address may be another machine's.
var ErrNoSYN = errors.New("engine: the connection came without its SYN")

// Missed tells of a connection that has come about, but whose SYN the sensor
// could not have (sockops.Config.Missed). A look-up of the connection is told
// so at once, and so is one of the address if nothing is known of it; where the
// engine keeps no connections, neither.
func (e *Engine) Missed(client, server netip.AddrPort) {
	shard := e.shards[e.fanout.Worker(client, server, len(e.shards))]
	shard.mu.Lock()
	shard.table.Missed(client, server)
	shard.mu.Unlock()
	e.waiting.wakeOne(client)
}
