package sender

import (
	"testing"
	"time"

	"github.com/mxprint/mxprint/clienthello"
	"github.com/mxprint/mxprint/internal/claim"
	"github.com/mxprint/mxprint/internal/conduct"
	"github.com/mxprint/mxprint/internal/stream"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

// BenchmarkSessions reads the lab's sessions from their segments: for the
// dialect alone, and with conduct and claims as well. Flow is counted in both.
func BenchmarkSessions(b *testing.B) {
	var sessions [][]stream.Segment
	var first [][2]uint32
	for i, l := range labels(b) {
		if i%60 != 0 || len(sessions) == 100 {
			continue
		}
		for key, all := range byConnection(frames(b, l.File)) {
			var segments []stream.Segment
			var isn [2]uint32
			for _, f := range all {
				side := stream.Client
				if f.Src == key.Server {
					side = stream.Server
				}
				if f.Type == packet.SYN || f.Type == packet.SYNACK {
					isn[side] = f.Seq
					continue
				}
				segments = append(segments, stream.Segment{Side: side, Seq: f.Seq, Ack: f.Ack, ACK: f.Flags&packet.FlagACK != 0,
					FIN: f.Flags&packet.FlagFIN != 0, RST: f.Flags&packet.FlagRST != 0, Data: f.payload, Time: time.Duration(f.at) * time.Microsecond})
			}
			sessions, first = append(sessions, segments), append(first, isn)
			break
		}
	}
	table := claim.Builtin()
	mail := &claim.Mail{Client: "192.0.2.77", HELO: "mx.example.org", Claims: note.Claims{Name: "mx.example.org", NameKnown: true, HeadersKnown: true, Mailer: "Microsoft Outlook 16.0"}}
	n := &note.Note{State: note.Matched, OSName: "Windows", ByConnection: true}
	for _, more := range []bool{false, true} {
		b.Run(map[bool]string{false: "dialect", true: "dialect, conduct, claims"}[more], func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				k := i % len(sessions)
				c := stream.NewConn(first[k][0], first[k][1], false, nil)
				for j := range sessions[k] {
					c.Segment(&sessions[k][j])
				}
				s := c.Session()
				s.Dialect(clienthello.Library{})
				if more {
					conduct.Read(s)
					table.Check(n, mail)
				}
			}
		})
	}
}
