package verdict

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
)

// Client sends lines to the socket of a store.
type Client struct {
	nc net.Conn
	in *bufio.Reader
}

// Dial connects to a socket: unix:PATH, a path, or HOST:PORT.
func Dial(ctx context.Context, at string) (*Client, error) {
	network, addr := "tcp", at
	if path, ok := strings.CutPrefix(at, "unix:"); ok || strings.HasPrefix(at, "/") {
		network, addr = "unix", path
	}
	nc, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, fmt.Errorf("no store answers at %s: %w (is [store] listen set, and the sensor running?)", at, err)
	}
	if end, ok := ctx.Deadline(); ok {
		nc.SetDeadline(end)
	}
	return &Client{nc, bufio.NewReaderSize(nc, maxLine)}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.nc.Close() }

// Send sends a line and returns the answer.
func (c *Client) Send(l *Line) (Answer, error) {
	var a Answer
	text, err := json.Marshal(l)
	if err != nil {
		return a, err
	}
	if _, err := c.nc.Write(append(text, '\n')); err != nil {
		return a, err
	}
	answer, err := c.in.ReadSlice('\n')
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return a, err
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}
