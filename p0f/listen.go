package p0f

import (
	"cmp"
	"io/fs"
	"net"

	"github.com/mxprint/mxprint/internal/serve"
)

// ErrInUse means that another daemon listens on the path given to Listen.
var ErrInUse = serve.ErrInUse

// defaultSocketMode is p0f's: everybody may ask (p0f-v3.md §9.3).
const defaultSocketMode = 0o666

// Listen listens on a unix stream socket at path, with the permission bits of
// mode; 0 means 0666, as p0f's. A socket file on which no process listens any
// more is replaced. Nothing else is ever overwritten: a path that is too long,
// or a file, directory or symbolic link in its place is an error, and a socket
// that a running daemon owns is ErrInUse. Closing the listener removes the
// socket file, if it is still the listener's own.
//
// Deviation: p0f takes a running daemon's socket away without a word, and
// leaves its own behind when it exits.
func Listen(path string, mode fs.FileMode) (net.Listener, error) {
	mode = cmp.Or(mode, defaultSocketMode)
	ln, err := serve.ListenUnix(path, mode)
	if err != nil {
		return nil, err // and not a nil listener that is not nil
	}
	return ln, nil
}
