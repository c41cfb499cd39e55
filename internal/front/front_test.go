package front_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/internal/front"
	"github.com/mxprint/mxprint/internal/front/fronttest"
	"github.com/mxprint/mxprint/note"
)

func TestHeaderNames(t *testing.T) {
	for _, tt := range []struct {
		name, want string // want is empty for an error
	}{
		{"", "X-p0f-Result"},
		{"X-OS", "X-OS"},
		{"X-OS:", ""},
		{"X OS", ""},
		{"X-OS\r\nBcc", ""},
		{"X-Größe", ""},
		{"X-\x7f", ""},
		{strings.Repeat("x", 76), strings.Repeat("x", 76)},
		{strings.Repeat("x", 77), ""},
	} {
		h, err := front.NewHeader(tt.name, nil)
		if (tt.want == "") != errors.Is(err, front.ErrHeader) || h.Name != tt.want {
			t.Errorf("NewHeader(%q) = %q, %v, want %q", tt.name, h.Name, err, tt.want)
		}
	}
}

func TestHeaderText(t *testing.T) {
	linux := note.Note{State: note.Matched, OSName: "Linux", Distance: 3, TotalConn: 7}
	for _, tt := range []struct {
		name string
		n    note.Note
		form func(*note.Note) string
		want string
		err  bool
	}{
		{"default form", linux, nil, `os="Linux" link_type="" distance=3 total_conn=7 shared_ip=N`, false},
		{"v2 form", linux, (*note.Note).V2Text, `Linux, (distance 3, link: unknown)`, false},
		{"unknown", note.Note{State: note.Unknown, Distance: note.DistanceUnknown, TotalConn: 1}, nil,
			`os="unknown" link_type="" total_conn=1 shared_ip=N`, false},
		{"not seen", note.Note{State: note.NotSeen}, nil, "", false},
		{"unavailable", note.Note{}, nil, "", false},
		{"label of any bytes", note.Note{State: note.Matched, OSName: "A\r\nBcc: x\x00\xff\"\\"}, nil,
			`os="A??Bcc: x??'/" link_type="" distance=0 total_conn=0 shared_ip=N`, false},
		{"line break", linux, func(*note.Note) string { return "a\r\nBcc: b" }, "", true},
		{"NUL", linux, func(*note.Note) string { return "a\x00b" }, "", true},
		{"not ASCII", linux, func(*note.Note) string { return "Größe" }, "", true},
		{"spaces around", linux, func(*note.Note) string { return " a\n" }, "a", false},
		{"as long as a line", linux, func(*note.Note) string { return strings.Repeat("x", 998-14) }, strings.Repeat("x", 998-14), false},
		{"longer", linux, func(*note.Note) string { return strings.Repeat("x", 998-13) }, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, err := front.NewHeader("", tt.form)
			if err != nil {
				t.Fatal(err)
			}
			got, err := h.Text(&tt.n)
			if got != tt.want || errors.Is(err, front.ErrHeader) != tt.err {
				t.Errorf("Text(%+v) = %q, %v, want %q, error %v", tt.n, got, err, tt.want, tt.err)
			}
		})
	}
}

func TestAddrPort(t *testing.T) {
	for _, tt := range []struct{ addr, port, want string }{
		{"198.18.0.1", "25", "198.18.0.1:25"},
		{"2001:db8::1", "65535", "[2001:db8::1]:65535"},
		{"IPv6:2001:db8::1", "1", "[2001:db8::1]:1"},
		{"ipv6:2001:db8::1", "1", "[2001:db8::1]:1"},
		{"::ffff:198.18.0.1", "1", "198.18.0.1:1"},
		{"fe80::1%eth0", "1", "[fe80::1]:1"},
		{"198.18.0.1", "unknown", "198.18.0.1:0"},
		{"198.18.0.1", "", "198.18.0.1:0"},
		{"198.18.0.1", "65536", "198.18.0.1:0"},
		{"198.18.0.1", "-1", "198.18.0.1:0"},
		{"unknown", "1", "invalid AddrPort"},
		{"", "1", "invalid AddrPort"},
		{"0.0.0.0", "25", "invalid AddrPort"},
		{"IPv6:", "25", "invalid AddrPort"},
		{"IPv6:::", "25", "invalid AddrPort"},
		{"198.18.0.1/24", "1", "invalid AddrPort"},
	} {
		if got := front.AddrPort(tt.addr, tt.port).String(); got != tt.want {
			t.Errorf("AddrPort(%q, %q) = %v, want %v", tt.addr, tt.port, got, tt.want)
		}
	}
}

func TestListenerLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log fronttest.Log
		ctx, cancel := context.WithCancel(t.Context())
		pipes := fronttest.NewPipes()
		ln := front.Listen(ctx, pipes, front.Config{MaxConns: 2, Logger: log.Logger()})
		var in []net.Conn
		ended := make(chan error, 1)
		go func() {
			for {
				nc, err := ln.Accept()
				if err != nil {
					ended <- err
					return
				}
				in = append(in, nc)
			}
		}()
		pipes.Connect()
		pipes.Connect()
		over := pipes.Connect()
		if _, err := over.Read(make([]byte, 1)); err == nil {
			t.Error("the third connection is not closed")
		}
		pipes.Connect()
		synctest.Wait()
		if got, want := ln.Stats(), (front.Stats{Open: 2, Accepted: 2, Rejected: 2}); got != want {
			t.Errorf("Stats = %+v, want %+v", got, want)
		}
		in[0].Close()
		in[0].Close() // counts once
		pipes.Connect()
		synctest.Wait()
		if got, want := ln.Stats(), (front.Stats{Open: 2, Accepted: 3, Rejected: 2}); got != want {
			t.Errorf("Stats after one has ended = %+v, want %+v", got, want)
		}
		if lines := log.Lines(); len(lines) != 1 {
			t.Errorf("log %q, want one line", lines)
		}
		cancel()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept = %v, want %v", err, net.ErrClosed)
		}
		// One ends when its read times out, the other only when it is cut.
		go func() {
			in[1].Read(make([]byte, 1))
			in[1].Close()
		}()
		go func() {
			in[2].Read(make([]byte, 1))
			in[2].SetReadDeadline(time.Time{})
			in[2].Read(make([]byte, 1))
			in[2].Close()
		}()
		begin := time.Now()
		ln.Drain(300 * time.Millisecond)
		if took := time.Since(begin); took != 300*time.Millisecond {
			t.Errorf("Drain took %v, want 300ms", took)
		}
		if got := ln.Stats().Open; got != 0 {
			t.Errorf("%d open after Drain", got)
		}
	})
}

// One over the limit is shown to its owner before it is closed; Wait lets the
// others read on until its time is over.
func TestListenerFullAndWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		pipes := fronttest.NewPipes()
		ln := front.Listen(ctx, pipes, front.Config{MaxConns: 1, Full: func(nc net.Conn) {
			go nc.Write([]byte("421")) // a pipe has no room
			synctest.Wait()
		}})
		accepted := make(chan net.Conn)
		go func() {
			for {
				nc, err := ln.Accept()
				if err != nil {
					close(accepted)
					return
				}
				accepted <- nc
			}
		}()
		client := pipes.Connect()
		in := <-accepted
		over := pipes.Connect()
		buf := make([]byte, 3)
		if n, _ := over.Read(buf); string(buf[:n]) != "421" {
			t.Errorf("one over the limit reads %q, want 421", buf[:n])
		}
		if got := in.(interface{ NetConn() net.Conn }).NetConn(); got == nil || got == in {
			t.Errorf("NetConn = %v", got)
		}
		cancel()
		<-accepted
		go func() { time.Sleep(time.Second); client.Write([]byte("abc")) }()
		begin := time.Now()
		ended := make(chan struct{})
		go func() { ln.Wait(3 * time.Second); close(ended) }()
		if n, err := in.Read(buf); n != 3 || err != nil {
			t.Errorf("Read = %d, %v during Wait, want 3 bytes", n, err)
		}
		if _, err := in.Read(buf); err == nil {
			t.Error("a read goes on after the time of Wait")
		}
		in.Close()
		<-ended
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("Wait took %v, want 3s", took)
		}
	})
}

func TestListenerPausesWhenShortOfDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log fronttest.Log
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		pipes := fronttest.NewPipes()
		for range 10 {
			pipes.Errs = append(pipes.Errs, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)})
		}
		ln := front.Listen(ctx, pipes, front.Config{Logger: log.Logger()})
		go pipes.Connect()
		begin := time.Now()
		nc, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
		// 5, 10, 20 … 640 ms, and then a second each.
		if took, want := time.Since(begin), 1275*time.Millisecond+2*time.Second; took != want {
			t.Errorf("accepted after %v, want %v", took, want)
		}
		if lines := log.Lines(); len(lines) != 1 {
			t.Errorf("log %q, want one line", lines)
		}
	})
}

func TestListenerTellsItsFault(t *testing.T) {
	broken := errors.New("broken listener")
	pipes := fronttest.NewPipes()
	pipes.Errs = []error{broken}
	ln := front.Listen(t.Context(), pipes, front.Config{})
	if _, err := ln.Accept(); !errors.Is(err, broken) {
		t.Errorf("Accept = %v, want %v", err, broken)
	}
}

func TestLines(t *testing.T) {
	var l front.Lines
	now := time.Unix(1000, 0)
	for _, tt := range []struct {
		after time.Duration
		ok    bool
		more  uint64
	}{{0, true, 0}, {1, false, 0}, {time.Second - 1, false, 0}, {time.Second, true, 2}, {3 * time.Second, true, 0}} {
		if ok, more := l.Allow(now.Add(tt.after)); ok != tt.ok || more != tt.more {
			t.Errorf("after %v: %v, %d, want %v, %d", tt.after, ok, more, tt.ok, tt.more)
		}
	}
}
