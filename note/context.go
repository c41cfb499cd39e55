package note

import "context"

// contextKey is the key of a Note in a context.
type contextKey struct{}

// NewContext returns a context that carries a note: an HTTP server's
// ConnContext, or whatever begins a session, puts it in.
func NewContext(ctx context.Context, n Note) context.Context {
	return context.WithValue(ctx, contextKey{}, n)
}

// FromContext returns the note that a context carries. Without one it is a
// note that claims nothing: Unavailable.
func FromContext(ctx context.Context) Note {
	n, _ := ctx.Value(contextKey{}).(Note)
	return n
}
