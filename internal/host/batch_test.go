package host

import (
	"testing"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// TestMatchedAhead: what a SYN was matched with before it comes is taken as it is
// where the table has that database, and is matched again where it has not.
func TestMatchedAhead(t *testing.T) {
	f := newFeed(t, Config{})
	matched := func(db *signature.DB, client string) Input { // as if it were another system's
		in := Input{At: f.ms * 1000, Decoded: true, Segment: *syn(1, from(client)), By: db}
		as := in.Segment
		as.Window = winLinux2
		if db != nil {
			signature.NewMatcher(db).Match(signature.Request, &as, 0, &in.Match)
		}
		return in
	}
	send := func(all ...Input) []string {
		f.said = nil
		f.UpdateAll(all)
		return f.said
	}
	f.expect("by the table's database", send(matched(f.db, "192.0.2.11")), "syn cli Linux 2.x", saysMTU)
	f.expect("by none", send(matched(nil, "192.0.2.12")), saysLinux, saysMTU)
	old := f.db
	f.SetDB(mustParse(t, testDB))
	f.expect("by the one before", send(matched(old, "192.0.2.13")), saysLinux, saysMTU)
	f.expect("no SYN", send(Input{At: f.ms * 1000, Decoded: true, Segment: *synAck(syn(1, from("192.0.2.13"))), By: f.db}), saysServer, saysMTUSrv)
	f.expect("not decoded", send(Input{At: f.ms * 1000, Segment: packet.Segment{Type: packet.SYN}, By: f.db}))
	checkTable(t, f.Table)
}
