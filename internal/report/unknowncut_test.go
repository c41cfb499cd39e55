package report

import (
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/note"
)

// TestUnknownCutHeader: a client chooses how long the other values are, so that the
// header's is cut.
func TestUnknownCutHeader(t *testing.T) {
	for n := range 260 {
		var b dialect.Builder
		b.Reply(220, 0)
		b.Command(dialect.Command{Line: "EHLO a.example", Heard: dialect.All})
		b.Reply(250, 0)
		b.Command(dialect.Command{Line: "MAIL FROM:<>" + strings.Repeat(" ", 240) + "x", Heard: dialect.All})
		b.Reply(250, 0)
		b.Command(dialect.Command{Line: "RCPT TO:<>" + strings.Repeat(" ", n) + "x", Heard: dialect.All})
		b.Reply(250, 0)
		b.Command(dialect.Command{Line: "DATA", Heard: dialect.All})
		b.Reply(354, 0)
		b.Message(dialect.Message{Bytes: 100, First: 100, Heard: dialect.All, Header: dialect.Relayed, HeaderSeen: true})
		f := b.Fingerprint()
		u := NewUnknowns()
		done := make(chan bool)
		go func() {
			u.Observe(&event.Observation{Module: event.SMTP, Sender: &note.Note{Software: &note.Software{State: note.Unknown, Dialect: f.String()}}})
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Fatalf("blanks %d: Observe does not return; header %q", n, f.Get(dialect.Header))
		}
	}
}
