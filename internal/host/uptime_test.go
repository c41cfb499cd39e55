package host

import (
	"testing"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/packet"
)

// TestUptime holds the boundaries of p0f-v3.md §6. A flow's SYN carries a
// timestamp; an ACK follows ms later, with a clock that went on by ticks.
func TestUptime(t *testing.T) {
	const start = 3_000_000_000
	for _, tt := range []struct {
		name  string
		ms    int64
		ticks int64
		rate  int16  // the flow's state: a rate, 0 = undecided, -1 = given up
		modd  uint32 // days until the clock wraps
		hz    string
	}{
		{"250 Hz", 1000, 250, 250, 198, "250.00"},
		{"1000 Hz", 1000, 1000, 1000, 49, "1000.00"},
		{"100 Hz", 10_000, 1000, 100, 497, "100.00"},

		{"24 ms", 24, 6, 0, 0, ""},
		{"25 ms", 25, 6, 250, 198, "240.00"},
		{"600000 ms", 600_000, 150_000, 250, 198, "250.00"},
		{"600001 ms", 600_001, 150_000, 0, 0, ""},
		{"time goes back", -1000, 250, 0, 0, ""},
		{"4 ticks", 100, 4, 0, 0, ""},
		{"5 ticks", 100, 5, 50, 994, "50.00"},

		{"back by 15000 ticks within 100 ms", 99, -15000, 0, 0, ""},
		{"back by 15001 ticks within 100 ms", 99, -15001, -1, 0, ""},
		{"back by one tick after 100 ms", 100, -1, -1, 0, ""},
		{"back by 2^31", 1000, 1 << 31, -1, 0, ""},
		{"on by 2^31-1", 1000, 1<<31 - 1, -1, 0, ""},

		{"0.70 Hz", 10_000, 7, 1, 49710, "0.70"},
		{"0.6 Hz", 10_000, 6, -1, 0, ""},
		{"0.699 Hz", 100_000, 69, -1, 0, ""},
		{"0.99 Hz", 100_000, 99, 1, 49710, "0.99"},
		{"1.99 Hz", 100_000, 199, 1, 49710, "1.99"},
		{"10.9 Hz", 10_000, 109, 10, 4971, "10.90"},
		{"11.9 Hz", 10_000, 119, 10, 4971, "11.90"},
		{"12 Hz", 10_000, 120, 15, 3314, "12.00"},
		{"50.9 Hz", 10_000, 509, 50, 994, "50.90"},
		{"51 Hz", 10_000, 510, 50, 994, "51.00"},
		{"52.9 Hz", 10_000, 529, 50, 994, "52.90"},
		{"53.9 Hz", 10_000, 539, 60, 828, "53.90"},
		{"100.9 Hz", 10_000, 1009, 100, 497, "100.90"},
		{"101 Hz", 10_000, 1010, 100, 497, "101.00"},
		{"117 Hz", 10_000, 1170, 150, 331, "117.00"},
		{"500.9 Hz", 10_000, 5009, 500, 99, "500.90"},
		{"532 Hz", 10_000, 5320, 500, 99, "532.00"},
		{"534 Hz", 10_000, 5340, 600, 82, "534.00"},
		{"933 Hz", 10_000, 9330, 1000, 49, "933.00"},
		{"1033 Hz", 10_000, 10330, 1100, 45, "1033.00"},
		{"1500 Hz", 10_000, 15000, 1500, 33, "1500.00"},
		{"1500.1 Hz", 10_000, 15001, -1, 0, ""},
		{"1501 Hz", 1000, 1501, -1, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFeed(t, Config{})
			first := syn(1025, stamp(start))
			f.send(first, synAck(first, stamp(0)))
			now := uint32(start + tt.ticks)
			f.ms += tt.ms
			said := f.send(data(first, 0, 0, stamp(now)))
			if got := f.flows.at(f.flows.age.at(0).older).uptime[event.Client]; got != tt.rate {
				t.Errorf("state = %d, want %d", got, tt.rate)
			}
			h := f.host(clientAddr)
			if tt.hz == "" {
				if len(said) != 0 || h.UpModDays != 0 {
					t.Errorf("said %q, modulo %d days, want nothing", said, h.UpModDays)
				}
				return
			}
			if min := now / uint32(tt.rate) / 60; h.UptimeMin != min || h.UpModDays != tt.modd {
				t.Errorf("uptime %d min of %d days, want %d of %d", h.UptimeMin, h.UpModDays, min, tt.modd)
			}
			if len(said) != 1 || !hasSuffix(said[0], " days, "+tt.hz+" Hz") {
				t.Errorf("said %q, want %s Hz", said, tt.hz)
			}
		})
	}
}

func hasSuffix(s, suffix string) bool {
	return len(s) >= len(suffix) && s[len(s)-len(suffix):] == suffix
}

// TestUptimeWhen is about which segments are measured, and against what.
func TestUptimeWhen(t *testing.T) {
	const saysUptime = "uptime cli 0 min of 198 days, 250.00 Hz"
	first := syn(1025, stamp(1000))
	t.Run("a second SYN of the host", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(first)
		f.ms += 1000
		f.expect("SYN", f.send(syn(1026, stamp(1250))), saysLinux, saysMTU, saysUptime)
	})
	t.Run("a SYN does not give up", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(first)
		f.ms += 1000
		second := syn(1026, stamp(100_000))
		f.send(second, synAck(second))
		f.ms += 1000
		f.expect("ACK", f.send(data(second, 0, 0, stamp(100_250))), saysUptime[:11]+"6 min of 198 days, 250.00 Hz")
	})
	t.Run("an ACK gives up", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(first, synAck(first))
		f.ms += 1000
		f.expect("first ACK", f.send(data(first, 0, 0, stamp(100_000))))
		f.expect("second ACK", f.send(data(first, 0, 0, stamp(1250))))
	})
	t.Run("once a flow and direction", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(first, synAck(first))
		f.ms += 1000
		f.expect("first ACK", f.send(data(first, 0, 0, stamp(1250))), saysUptime)
		f.ms += 1000
		f.expect("second ACK", f.send(data(first, 0, 0, stamp(1500))))
	})
	t.Run("against the newest SYN of the host, of whichever flow", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(first, synAck(first))
		f.ms += 700_000 // too long since the first
		f.send(syn(1026, stamp(500)))
		f.ms += 1000
		f.expect("ACK of the first flow", f.send(data(first, 0, 0, stamp(750))), saysUptime)
	})
	t.Run("no timestamp now or then", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(first)
		f.ms += 1000
		f.expect("none now", f.send(syn(1026)), saysLinux, saysMTU)
		f.ms += 1000
		f.expect("none then", f.send(syn(1027, stamp(1500))), saysLinux, saysMTU)
	})
	t.Run("of the server", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1025), synAck(syn(1025), stamp(1000)))
		f.ms += 1000
		f.expect("data", f.send(data(synAck(syn(1025)), 0, 0, stamp(1250))), "uptime srv 0 min of 198 days, 250.00 Hz")
		if h := f.host(serverAddr); h.UpModDays != 198 {
			t.Errorf("server's uptime modulo %d days, want 198", h.UpModDays)
		}
		if h := f.host(clientAddr); h.UpModDays != 0 {
			t.Errorf("client's uptime modulo %d days, want unknown", h.UpModDays)
		}
	})
	t.Run("a second SYN+ACK of the server", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(syn(1025), synAck(syn(1025), stamp(1000)), syn(1026))
		f.ms += 1000
		f.expect("SYN+ACK", f.send(synAck(syn(1026), stamp(1250))), saysServer, saysMTUSrv, "uptime srv 0 min of 198 days, 250.00 Hz")
	})
	t.Run("on FIN and RST, whatever their number", func(t *testing.T) {
		for _, typ := range []packet.Type{packet.FIN, packet.FINACK, packet.RST, packet.RSTACK} {
			f := newFeed(t, Config{})
			f.send(first)
			f.ms += 1000
			f.expect("end", f.send(data(first, 0, 0, typed(typ), seq(4711), stamp(1250))), saysUptime)
		}
	})
	t.Run("not on a segment out of order", func(t *testing.T) {
		f := newFeed(t, Config{})
		f.send(first, synAck(first))
		f.ms += 1000
		f.expect("data", f.send(data(first, 1, 10, stamp(1250))))
	})
}
