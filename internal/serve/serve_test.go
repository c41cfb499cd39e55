package serve_test

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mxprint/mxprint/internal/serve"
	"github.com/mxprint/mxprint/internal/test/fronttest"
)

func TestListenerLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log fronttest.Log
		ctx, cancel := context.WithCancel(t.Context())
		pipes := fronttest.NewPipes()
		ln := serve.Listen(ctx, pipes, serve.Config{MaxConns: 2, Logger: log.Logger()})
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
		if got, want := ln.Stats(), (serve.Stats{Open: 2, Accepted: 2, Rejected: 2}); got != want {
			t.Errorf("Stats = %+v, want %+v", got, want)
		}
		in[0].Close()
		in[0].Close() // counts once
		pipes.Connect()
		synctest.Wait()
		if got, want := ln.Stats(), (serve.Stats{Open: 2, Accepted: 3, Rejected: 2}); got != want {
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
		ln := serve.Listen(ctx, pipes, serve.Config{MaxConns: 1, Full: func(nc net.Conn) {
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
		ln := serve.Listen(ctx, pipes, serve.Config{Logger: log.Logger()})
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
	ln := serve.Listen(t.Context(), pipes, serve.Config{})
	if _, err := ln.Accept(); !errors.Is(err, broken) {
		t.Errorf("Accept = %v, want %v", err, broken)
	}
}

func TestLines(t *testing.T) {
	var l serve.Lines
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
