package sender

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/stream"
	"github.com/mxprint/mxprint/packet"
)

// cutAt returns a trap that cuts data into segments of at most size bytes.
func cutAt(size int) func([]frame) []frame {
	return func(all []frame) []frame {
		var out []frame
		for _, f := range all {
			for len(f.payload) > size {
				part := f
				part.payload, part.PayloadLen, part.Type, part.Flags = f.payload[:size], uint16(size), packet.ACK, packet.FlagACK
				out = append(out, part)
				f.payload, f.PayloadLen, f.Seq = f.payload[size:], f.PayloadLen-uint16(size), f.Seq+uint32(size)
			}
			out = append(out, f)
		}
		return out
	}
}

// traps are ways in which the same bytes may come otherwise.
var traps = map[string]func([]frame) []frame{
	"retransmission": func(all []frame) []frame {
		var out []frame
		for i, f := range all {
			out = append(out, f)
			if i > 4 && len(all[i-2].payload) > 0 {
				out = append(out, all[i-2], all[i-2])
			}
		}
		return out
	},
	"overlap": func(all []frame) []frame {
		var out []frame
		last := make(map[bool]frame) // by whether it is the client's
		for _, f := range all {
			side := f.Src == all[0].Src
			if l := last[side]; len(l.payload) > 0 && len(f.payload) > 0 && l.Seq+uint32(len(l.payload)) == f.Seq {
				n := min(7, len(l.payload))
				f.payload = slices.Concat(l.payload[len(l.payload)-n:], f.payload)
				f.Seq, f.PayloadLen = f.Seq-uint32(n), f.PayloadLen+uint16(n)
			}
			if len(f.payload) > 0 {
				last[side] = f
			}
			out = append(out, f)
		}
		return out
	},
	"reorder": func(all []frame) []frame {
		out := cutAt(100)(all)
		for i := 1; i < len(out); i++ {
			if a, b := &out[i-1], &out[i]; a.Src == b.Src && len(a.payload) > 0 && len(b.payload) > 0 {
				*a, *b = *b, *a
				i++
			}
		}
		return out
	},
	"segments of one byte": cutAt(1),
	"MSS 536":              cutAt(536),
	"offloaded": func(all []frame) []frame {
		var out []frame
		for _, f := range all {
			if n := len(out) - 1; n > 2 && out[n].Src == f.Src && out[n].Ack == f.Ack && out[n].Type == packet.ACK && len(out[n].payload) > 0 &&
				len(f.payload) > 0 && f.Seq == out[n].Seq+uint32(len(out[n].payload)) && len(out[n].payload)+len(f.payload) < 1<<16 {
				out[n].payload = slices.Concat(out[n].payload, f.payload)
				out[n].PayloadLen += f.PayloadLen
				out[n].Type, out[n].Flags = f.Type, out[n].Flags|f.Flags
				continue
			}
			out = append(out, f)
		}
		return out
	},
	"FIN on the last segment": func(all []frame) []frame {
		last, fin := -1, -1
		for i, f := range all {
			if f.Src == all[0].Src && len(f.payload) > 0 {
				last = i
			}
			if f.Src == all[0].Src && f.Type == packet.FINACK && fin < 0 {
				fin = i
			}
		}
		if last < 0 || fin < 0 || last >= fin || all[last].Seq+uint32(len(all[last].payload)) != all[fin].Seq || all[last].Ack != all[fin].Ack {
			return all // it has said something in between, or said it so
		}
		out := slices.Clone(all)
		out[last].Type, out[last].Flags = packet.FINACK, out[last].Flags|packet.FlagFIN
		return slices.Delete(out, fin, fin+1)
	},
}

// ofSession is what does not depend on how the bytes came.
func ofSession(t *testing.T, key stream.Key, all []frame) string {
	t.Helper()
	r, _ := read(t, all)
	n := known(r, key)
	n.Flow = nil // is about the segments
	text, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// bareLines is how many lines of a message ended oddly, and the first of these, or a
// bound for it.
var bareLines = regexp.MustCompile(`bare line ends [0-9]+(, the first| or more, one) after [0-9]+ bytes`)

// TestTraps: the note about each of the lab's connections is the same however
// its segments come. The lab's variants are traps as well: HelloRetryRequest
// ("retry"), replies in pieces, STARTTLS refused.
func TestTraps(t *testing.T) {
	captures := make(map[string]map[stream.Key][]frame)
	variants := make(map[string]int)
	for i, l := range labels(t) {
		if i%5 > 0 {
			continue // the others are alike
		}
		if captures[l.File] == nil {
			captures[l.File] = byConnection(frames(t, l.File))
		}
		for key, conn := range captures[l.File] {
			size := 0
			for _, f := range conn {
				size += len(f.payload)
			}
			if key.Client.String() != l.Client || key.Server.String() != l.Server || size > 20_000 {
				continue
			}
			variants[l.Variant]++
			whole := ofSession(t, key, conn)
			for name, change := range traps {
				got, want := ofSession(t, key, change(conn)), whole
				if name == "reorder" && strings.Contains(got, " or more, one after ") { // what came late was skipped
					got, want = bareLines.ReplaceAllString(got, ""), bareLines.ReplaceAllString(want, "")
				}
				if got != want {
					t.Errorf("%s %s %s, %s:\n%s, want\n%s", l.File, l.Client, l.Variant, name, got, want)
				}
			}
		}
	}
	for _, v := range []string{"retry", "pieces", "starttls", "tls12", "plain"} {
		if variants[v] == 0 {
			t.Errorf("no connection of the variant %s", v)
		}
	}
	t.Logf("connections by variant: %v", variants)
}

// TestSTARTTLSRefused has the server refuse STARTTLS in the lab's sessions: the
// note says so, and the reading goes on in clear.
func TestSTARTTLSRefused(t *testing.T) {
	done := 0
	for _, l := range labels(t) {
		if l.Variant != "starttls" || l.TLS == "" || done == 10 {
			continue
		}
		key := stream.Key{Client: netip.MustParseAddrPort(l.Client), Server: netip.MustParseAddrPort(l.Server)}
		conn := byConnection(frames(t, l.File))[key]
		asked := slices.IndexFunc(conn, func(f frame) bool { return strings.EqualFold(string(f.payload), "STARTTLS\r\n") })
		if asked < 0 {
			continue
		}
		reply := asked + slices.IndexFunc(conn[asked:], func(f frame) bool { return f.Src == key.Server && len(f.payload) > 0 })
		refused := slices.Clone(conn[:reply+1])
		refused[reply].payload = append([]byte("454"), refused[reply].payload[3:]...)
		quit := conn[asked]
		quit.Seq, quit.Ack, quit.payload, quit.PayloadLen = quit.Seq+uint32(len(quit.payload)), quit.Ack+uint32(len(refused[reply].payload)), []byte("MAIL FROM:<>\r\n"), 14
		r, _ := read(t, append(refused, quit))
		if n := known(r, key); n.TLS == nil || *n.TLS != *tlsRefused {
			t.Errorf("%s %s: %+v, want that the server refused", l.File, l.Client, n.TLS)
		}
		done++
	}
	if done == 0 {
		t.Error("no session of the lab has STARTTLS")
	}
}
