//go:build darwin || freebsd

package capture

import "github.com/mxprint/mxprint/packet"

// bpfLoopback is what frames of loopback and tunnels begin with: an address
// family in the byte order of the machine.
const bpfLoopback = packet.LinkNull
