package shared

import (
	"net/netip"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/valkeylab"
)

// BenchmarkPublish publishes notes as fast as they are written.
func BenchmarkPublish(b *testing.B) {
	srv := valkeylab.Start(b, valkeylab.Options{})
	a := start(b, Config{Servers: []string{srv.Addr}, Sensor: "a"}).ready(b)
	from := make([]netip.AddrPort, 1000)
	for i := range from {
		from[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i / 250), byte(i % 250)}), 1024)
		a.own.set(from[i], linux)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%1000 == 0 {
			for a.Stats().Queued > 15_000 {
				time.Sleep(200 * time.Microsecond)
			}
		}
		a.Opened(from[i%1000], netip.AddrPortFrom(server.Addr(), uint16(i/1000)))
	}
	for a.Stats().Queued > 0 {
		time.Sleep(time.Millisecond)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "notes/s")
}
