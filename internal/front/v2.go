package front

import (
	"strconv"

	"github.com/mxprint/mxprint/note"
)

// V2Text is the note in the words of p0f 2, as amavis shows them:
//
//	FreeBSD 8.x (1) (up: 1390 hrs), (distance 17, link: ethernet/modem)
//
// A client whose system no signature names is UNKNOWN; for one that was not
// seen the text is empty. p0f 2 had no word for an unknown distance: it is 0.
func V2Text(n *note.Note) string {
	if !n.Known() {
		return ""
	}
	s := "UNKNOWN"
	if n.OSName != "" {
		s = note.Clean(n.Title())
	} else if n.RawSig != "" {
		s += " [" + n.RawSig + "]"
	}
	// The uptime of a clock that starts at random means nothing.
	if n.UpModDays != 0 && n.Clock != note.ClockRandom {
		s += " (up: " + strconv.Itoa(int(n.UptimeMin/60)) + " hrs)"
	}
	hops, _ := n.Distance.Hops()
	link := "unknown"
	if n.LinkType != "" {
		link = note.Clean(n.LinkType)
	}
	return s + ", (distance " + strconv.Itoa(hops) + ", link: " + link + ")"
}
