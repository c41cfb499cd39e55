package query

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// tlsServerEnv has this test binary be a server by TLS, whose certificate and key
// are in the file that it names, until the end of its input.
const tlsServerEnv = "MXPRINT_TEST_TLS_SERVER"

// TestTLSServerProcess is the server of TestFinding07HalfHandshakes, in a process
// of its own so that its memory can be measured.
func TestTLSServerProcess(t *testing.T) {
	file := os.Getenv(tlsServerEnv)
	if file == "" {
		t.Skip("it is the other process of another test")
	}
	cert, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	fmt.Println("listening on", ln.Addr())
	s := &Server{Lookuper: everything{}, Token: goodToken}
	if err := s.Serve(ctx, ListenTLS(ln, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13})); err != nil {
		t.Fatal(err)
	}
}

// startProcess starts it, and returns its address and its most memory so far, in
// bytes.
func startProcess(t *testing.T) (addr string, certificate []byte, memory func() int64) {
	t.Helper()
	cert, text := certificateAndKey(t)
	file := filepath.Join(t.TempDir(), "pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestTLSServerProcess$")
	cmd.Env = append(os.Environ(), tlsServerEnv+"="+file)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	if _, err := fmt.Fscanf(out, "listening on %s\n", &addr); err != nil {
		t.Fatalf("the server's address: %v", err)
	}
	go io.Copy(io.Discard, out)
	return addr, cert, func() (most int64) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		_, line, _ := strings.Cut(string(status), "VmHWM:")
		fmt.Sscan(line, &most)
		return most << 10
	}
}

// certificateAndKey makes a certificate, alone and with its key, as PEM.
func certificateAndKey(t *testing.T) (cert, both []byte) {
	t.Helper()
	c, text := certificate(t, true)
	key, err := marshalKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return text, append(append([]byte(nil), text...), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
}

// halfHello is 64 KiB of a ClientHello that says it is longer.
func halfHello() []byte {
	var b []byte
	for i := range 4 {
		b = append(b, 22, 3, 1, 0x40, 0)
		record := make([]byte, 16<<10)
		if i == 0 {
			copy(record, []byte{1, 0, 0xff, 0xff, 3, 3})
		}
		b = append(b, record...)
	}
	return b
}

// flood keeps up to 12,000 connections to addr open, each of which sends text
// first, and renews them, some 3,000 a second or more, until stop is called and it has
// made 5,000. It returns how many it made.
func flood(t *testing.T, addr string, from net.IP, text []byte) (stop func() int64) {
	t.Helper()
	var (
		wg   sync.WaitGroup
		made atomic.Int64
	)
	ctx, cancel := context.WithCancel(t.Context())
	for range 60 {
		wg.Go(func() {
			held := make([]net.Conn, 200)
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: time.Second}
			for i := 0; ctx.Err() == nil; i = (i + 1) % len(held) {
				if held[i] != nil {
					held[i].Close()
				}
				nc, err := d.DialContext(ctx, "tcp", addr)
				if held[i] = nc; err != nil {
					held[i] = nil
				} else {
					made.Add(1)
					nc.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
					nc.Write(text)
				}
				time.Sleep(10 * time.Millisecond)
			}
			for _, nc := range held {
				if nc != nil {
					nc.Close()
				}
			}
		})
	}
	return func() int64 {
		for end := time.Now().Add(patience); made.Load() < 5000 && time.Now().Before(end); { // the machine may be busy
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
		wg.Wait()
		return made.Load()
	}
}

// TestFinding07HalfHandshakes: 10,000 strangers at once, with as much of a
// handshake as they like, take neither the memory nor the places of a mail server
// with the token, be it at another address or at theirs.
func TestFinding07HalfHandshakes(t *testing.T) {
	if testing.Short() {
		t.Skip("it floods a server for some 30 seconds")
	}
	for _, tt := range []struct {
		name string
		text []byte
		from net.IP
	}{
		{"half a ClientHello", halfHello(), net.IPv4(127, 0, 0, 2)},
		{"as much as is read", halfHello()[:maxHello-1], net.IPv4(127, 0, 0, 2)},
		{"silence", nil, net.IPv4(127, 0, 0, 2)},
		{"silence, from the mail server's address", nil, net.IPv4(127, 0, 0, 1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr, cert, memory := startProcess(t)
			pin, err := Pin(cert)
			if err != nil {
				t.Fatal(err)
			}
			stop := flood(t, addr, tt.from, tt.text)
			time.Sleep(3 * time.Second)
			const tries = 41
			in := 0
			for range tries {
				c := &Client{Addr: addr, TLS: pin, Token: goodToken, Timeout: patience}
				if _, err := c.Lookup(t.Context(), about("198.18.0.1:1")); err == nil {
					in++
				} else {
					t.Logf("not let in: %v", err)
				}
				c.Close()
				time.Sleep(50 * time.Millisecond)
			}
			made := stop()
			most := memory()
			t.Logf("%d connections; let in %d of %d times; at most %d MiB", made, in, tries, most>>20)
			if in != tries {
				t.Errorf("the mail server was let in %d of %d times", in, tries)
			}
			if most >= 150<<20 {
				t.Errorf("the server had %d MiB, want less than 150", most>>20)
			}
			if made < 5000 {
				t.Errorf("only %d connections were made", made)
			}
		})
	}
}

// TestFinding07SilentByTCP: without TLS too, clients that say nothing do not take
// the places of those that ask.
func TestFinding07SilentByTCP(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Lookuper: everything{}, MaxConns: 100}
	startOn(t, s, ln)
	for i := range 3000 {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(i>>8), byte(i)|1)}, Timeout: patience}
		nc, err := d.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
	}
	for i := range 41 {
		c := &Client{Addr: ln.Addr().String(), Timeout: patience}
		if _, err := c.Lookup(t.Context(), about("198.18.0.1:1")); err != nil {
			t.Fatalf("question %d: %v", i, err)
		}
		c.Close()
	}
	if got := s.Stats(); got.Strangers > 2000 || got.Refused < 1000 {
		t.Errorf("Stats = %+v, want at most 2000 strangers", got)
	}
}
