// Package answer puts what a signature says of a sender into the words of a
// note, for all that answer from a SYN.
package answer

import (
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/signature"
)

// SetOS makes n a note about a sender whose SYN bore that label. How it fitted
// is said by fuzzy, generic and flags, as in a signature.Match.
func SetOS(n *note.Note, os *signature.Label, fuzzy, generic bool, flags signature.Flags) {
	n.State = note.Matched
	n.OSName, n.OSFlavor = os.Name, os.Flavor
	n.Others, n.Rewrite = os.Others, note.Rewrite(flags)
	n.Quality = Quality(fuzzy, generic)
}

// Quality is how a signature fitted, in the bits of a note.
func Quality(fuzzy, generic bool) note.Quality {
	var q note.Quality
	if fuzzy {
		q |= note.Fuzzy
	}
	if generic {
		q |= note.Generic
	}
	return q
}
