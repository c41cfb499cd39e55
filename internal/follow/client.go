// Package follow is the client of a sensor's API: mxprint watch, which prints the
// stream of events, and mxprint top, which shows who comes in a table.
package follow

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The bounds of what a sensor may answer.
const (
	maxAnswer = 16 << 20 // bytes
	maxLine   = 1 << 20
	askTime   = 10 * time.Second
	silence   = time.Minute // of a stream, which has an event each second
)

// ErrRefused means that the sensor does not let the client in, or does not
// understand it: asking again does not help.
var ErrRefused = errors.New("the sensor refuses")

// Client asks the API of one sensor. Safe for concurrent use.
type Client struct {
	base  string
	token string
	http  http.Client
}

// New returns a client of the sensor at a place: an http or https URL, or the path
// of its unix socket. token may be empty; config is of TLS, and may be nil.
func New(at, token string, config *tls.Config) (*Client, error) {
	c := &Client{base: strings.TrimSuffix(at, "/"), token: token}
	transport := &http.Transport{TLSClientConfig: config, ResponseHeaderTimeout: askTime}
	if strings.HasPrefix(at, "/") {
		c.base = "http://sensor"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", at)
		}
	} else if u, err := url.Parse(at); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q: want http://HOST:PORT, https://HOST:PORT or the path of a unix socket", at)
	}
	// A redirection would carry the token elsewhere.
	c.http = http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c, nil
}

// get asks for a path; the caller closes the body.
func (c *Client) get(ctx context.Context, path string, v url.Values, accept string) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, "GET", c.base+"/api/v1"+path+"?"+v.Encode(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", accept)
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // the URL is long, and the same each time
		}
		return nil, err
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	var p struct{ Title, Detail string }
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxLine)).Decode(&p); err != nil || p.Title == "" {
		return nil, fmt.Errorf("%w: %s; is it the [http] of mxprint?", ErrRefused, answer.Status)
	}
	if answer.StatusCode >= 500 && answer.StatusCode != http.StatusNotImplemented {
		return nil, fmt.Errorf("%s: %s", p.Title, p.Detail)
	}
	return nil, fmt.Errorf("%w: %s: %s", ErrRefused, p.Title, p.Detail)
}

// ask asks for a path, and reads the answer into a value.
func (c *Client) ask(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	body, err := c.get(ctx, path, nil, "application/json")
	if err != nil {
		return err
	}
	defer body.Close()
	return json.NewDecoder(io.LimitReader(body, maxAnswer)).Decode(into)
}

// message is a line of the stream.
type message struct {
	Event string          `json:"event"`
	ID    string          `json:"id"`
	Data  json.RawMessage `json:"data"`
}

// follow hands each message on, and connects again where the sensor goes away.
// It ends with ctx, with an error of heard, or where the sensor refuses. down is
// called with why the sensor cannot be reached.
func (c *Client) follow(ctx context.Context, filter url.Values, heard func(line []byte, m *message) error, down func(error)) error {
	after := ""
	const pause = time.Second
	for {
		v := url.Values{}
		maps.Copy(v, filter)
		if after != "" {
			v.Set("after", after)
		}
		var stop *stopError
		err := c.read(ctx, v, func(line []byte, m *message) error {
			if m.ID != "" {
				after = m.ID
			}
			if err := heard(line, m); err != nil {
				return &stopError{err}
			}
			return nil
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &stop):
			return stop.error
		case errors.Is(err, ErrRefused):
			return err
		}
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		down(err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// stopError is an error of who listens, which ends the following.
type stopError struct{ error }

func (c *Client) read(ctx context.Context, v url.Values, heard func([]byte, *message) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v.Set("format", "ndjson")
	body, err := c.get(ctx, "/events", v, "application/x-ndjson")
	if err != nil {
		return err
	}
	defer body.Close()
	dead := time.AfterFunc(silence, cancel)
	defer dead.Stop()
	in := bufio.NewScanner(body)
	in.Buffer(nil, maxLine)
	for in.Scan() {
		dead.Reset(silence)
		if len(in.Bytes()) == 0 {
			continue
		}
		var m message
		if err := json.Unmarshal(in.Bytes(), &m); err != nil {
			return fmt.Errorf("a line of the stream is not JSON: %w", err)
		}
		if err := heard(in.Bytes(), &m); err != nil {
			return err
		}
	}
	return in.Err()
}
