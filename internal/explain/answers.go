package explain

import (
	"fmt"
	"io"

	"github.com/mxprint/mxprint/internal/probe"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

// Answers prints for each probe what it offered and what came back. It reports
// whether there was a SYN+ACK.
func Answers(w io.Writer, db *signature.DB, answers []probe.Answer) (answered bool) {
	for i := range answers {
		s := &answers[i].Segment
		text := "no answer"
		switch s.Type {
		case packet.RSTACK:
			text = "refused"
		case packet.SYNACK:
			answered = true
			m := db.Match(signature.Response, s, probe.MSS)
			text = string(signature.AppendRaw(nil, s, m.Multiple)) + "  "
			if m.Sig == nil {
				text += "matches nothing"
			} else {
				text += Title(&m)
			}
		}
		fmt.Fprintf(w, "%-13s %s\n", answers[i].Offered, text)
	}
	return answered
}
