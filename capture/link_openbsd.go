package capture

import "github.com/mxprint/mxprint/packet"

// bpfLoopback is what frames of loopback and tunnels begin with: an address
// family in network byte order.
const bpfLoopback = packet.LinkLoop
