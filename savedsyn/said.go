package savedsyn

import (
	"io"

	"github.com/mxprint/mxprint/note"
)

// say shows the bytes of one direction to what reads them, if anything does.
func (c *Conn) say(fromClient bool, b []byte) {
	if c.feed != nil && len(b) > 0 && !c.enough.Load() && !c.feed.Observe(fromClient, b) {
		c.enough.Store(true)
	}
}

// Read reads from the connection.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	c.say(true, b[:max(n, 0)])
	if err == io.EOF && c.feed != nil {
		c.feed.End(true)
	}
	return n, err
}

// Write writes to the connection.
func (c *Conn) Write(b []byte) (int, error) {
	c.say(false, b) // before the client can answer it
	return c.TCPConn.Write(b)
}

// ReadFrom copies from r to the connection, by the kernel where it can.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	if c.feed == nil || c.enough.Load() {
		return c.TCPConn.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c}, r)
}

// WriteTo copies from the connection to w, by the kernel where it can.
func (c *Conn) WriteTo(w io.Writer) (int64, error) {
	if c.feed == nil || c.enough.Load() {
		return c.TCPConn.WriteTo(w)
	}
	return io.Copy(w, struct{ io.Reader }{c})
}

// CloseWrite ends what the server says.
func (c *Conn) CloseWrite() error {
	if c.feed != nil {
		c.feed.End(false)
	}
	return c.TCPConn.CloseWrite()
}

// Close closes the connection.
func (c *Conn) Close() error {
	if c.feed != nil {
		c.feed.End(false)
		c.feed.Close()
	}
	return c.TCPConn.Close()
}

// sender adds what was said to a note.
func (c *Conn) sender(n note.Note) note.Note {
	if c.feed != nil {
		c.feed.Note(&n)
	}
	return n
}
