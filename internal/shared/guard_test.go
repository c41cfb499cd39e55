package shared

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/note"
)

// falseServer answers the greeting of a client as Redis does, and everything else
// with one text.
func falseServer(t *testing.T, greeting, answer string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				in := bufio.NewReader(nc)
				for {
					line, err := in.ReadString('\n')
					if err != nil {
						return
					}
					switch strings.TrimSpace(line) {
					case "HELLO":
						io.WriteString(nc, greeting)
					case "TRACKING":
						io.WriteString(nc, "+OK\r\n")
					case "STRLEN", "GETRANGE", "SET", "CACHING", "PING", "EXEC":
						if _, err := io.WriteString(nc, answer); err != nil {
							return
						}
					}
				}
			}()
		}
	}()
	return ln.Addr().String()
}

const hello = "%2\r\n$7\r\nversion\r\n$5\r\n7.2.4\r\n$5\r\nproto\r\n:3\r\n"

// TestHostileServer: a false server cannot end the sensor,
// nor have it take memory, nor hold up a look-up.
func TestHostileServer(t *testing.T) {
	other := netip.AddrPortFrom(client.Addr(), 40002)
	for name, s := range map[string][2]string{
		"a text of 2^62 bytes":           {hello, "$4611686018427387904\r\n"},
		"a text of 100 GB":               {hello, "$100000000000\r\n"},
		"a text of less than nothing":    {hello, "$-5\r\n"},
		"a list of less than nothing":    {hello, "*-5\r\n"},
		"a list of 2^40 elements":        {hello, "*1099511627776\r\n"},
		"a map of 2^62":                  {hello, "%4611686018427387904\r\n"},
		"lists in lists":                 {hello, strings.Repeat("*1\r\n", 1<<20)},
		"a text in pieces":               {hello, "$?\r\n;-7\r\n"},
		"an answer to nothing":           {hello, ":1\r\n:2\r\n:3\r\n:4\r\n"},
		"a subscription":                 {hello, ">3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n:1\r\n"},
		"an end of one":                  {hello, ">3\r\n+unsubscribe\r\n$1\r\nx\r\n:1\r\n:1\r\n"},
		"an EXEC of nothing":             {hello, "*0\r\n"},
		"a null that goes on":            {hello, "_xx\r\n"},
		"an endless line":                {hello, "+" + strings.Repeat("x", 1<<20)},
		"another protocol":               {"HTTP/1.1 400 Bad Request\r\n\r\n", ""},
		"a greeting of 100 GB":           {"$100000000000\r\n", ""},
		"a greeting that says too much":  {hello + hello + hello, ":1\r\n"},
		"an attribute without its value": {hello, "|1\r\n+a\r\n+b\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t, Config{Servers: []string{falseServer(t, s[0], s[1])}, Sensor: "b"})
			b.Connection = b.own.connection
			b.own.set(client, linux)
			for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				b.breaker.open.Store(false) // as if it had answered well before
				b.Opened(client, server)
				begin := time.Now()
				if n := b.ask(t, note.Query{Client: client, Server: server}); n.OSName != "Linux" {
					t.Fatalf("%+v", n)
				}
				b.ask(t, note.Query{Client: other, Server: server})
				if d := time.Since(begin); d > 5*time.Second {
					t.Errorf("a look-up took %v", d)
				}
			}
			lab.Eventually(t, func() error {
				b.ask(t, note.Query{Client: other, Server: server})
				if b.Stats().Fault == "" && name != "an EXEC of nothing" {
					return errors.New("nothing is said")
				}
				return nil
			})
		})
	}
}

// TestHostileTry: mxprint check, status and report end with an error.
func TestHostileTry(t *testing.T) {
	for _, answer := range []string{"$100000000000\r\n", "*-5\r\n", ":1\r\n:1\r\n", "*1\r\n$-2\r\n"} {
		cfg := Config{Servers: []string{falseServer(t, hello, answer)}}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := Try(ctx, cfg)
		cancel()
		if err == nil {
			t.Errorf("%q: no error", answer)
		}
	}
}

// TestFrames: where a message ends does not depend on how its bytes come.
func TestFrames(t *testing.T) {
	const text = "+OK\r\n$3\r\na\r\n\r\n$-1\r\n*2\r\n:1\r\n*1\r\n_\r\n%1\r\n$1\r\nk\r\n#t\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nx\r\n*0\r\n-ERR no\r\n$0\r\n\r\n*-1\r\n"
	for size := 1; size <= len(text); size++ {
		var f frames
		for i := 0; i < len(text); i += size {
			if err := f.take([]byte(text[i:min(i+size, len(text))])); err != nil {
				t.Fatalf("%d bytes at once: %v", size, err)
			}
		}
		if f.whole != 9 || f.confirmed || len(f.left) != 0 || f.length != 0 || f.text != 0 {
			t.Fatalf("%d bytes at once: %+v, want 9 messages", size, f)
		}
	}
}
