package lab

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Ports that FreePort gives away. They are below those that the kernel gives to
// clients and to listeners of port 0 (ip_local_port_range), and so are those 10,000
// above, a Cluster's bus.
const firstPort, lastPort = 10_000, 22_000

// FreePort returns a TCP port of loopback on which nothing listens; nothing listens
// on the port 10,000 above either. It belongs to the test until its end: a server may
// leave it and come back while other packages run.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		// The name, of no file, is a lock that all tests of this machine use.
		held, err := net.Listen("unix", fmt.Sprintf("@mxprint-test-port-%d", port))
		if err != nil {
			continue
		}
		if vacant(port) && vacant(port+10_000) {
			t.Cleanup(func() { held.Close() })
			return port
		}
		held.Close()
	}
	t.Fatal("lab: no free port")
	return 0
}

// FreeAddr is 127.0.0.1 with a port of FreePort.
func FreeAddr(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(FreePort(t)))
}

func vacant(port int) bool {
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	ln.Close()
	return true
}
