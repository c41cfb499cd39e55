package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/parts"
)

// openPTY returns both ends of a pseudo-terminal of 100 columns.
func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		lab.Skip(t, "needs pseudo-terminals: "+err.Error())
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 100}); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// onTerminal runs the program with the terminal as output and error, and
// returns what it showed.
func onTerminal(t *testing.T, program string, env []string, stdin io.Reader, args ...string) string {
	t.Helper()
	master, slave := openPTY(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(append(os.Environ(), "TERM=xterm"), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, slave, slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	var shown bytes.Buffer
	copied := make(chan struct{})
	go func() {
		io.Copy(&shown, master) // ends with EIO when the last slave is closed
		close(copied)
	}()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %v", cmd, err)
	}
	<-copied
	return shown.String()
}

// TestOnTerminal drives what people look at in a pseudo-terminal.
func TestOnTerminal(t *testing.T) {
	program, err := parts.Program(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	file := "../../testdata/lab/ubuntu-4.4-default.pcap"
	const green = "\x1b[32m"
	for _, tt := range []struct {
		name   string
		env    []string
		args   []string
		want   []string
		unseen []string
	}{
		{"read", nil, []string{"read", file}, []string{"SYSTEM", green + "Linux"}, []string{"mod=syn"}},
		{"read without colour", []string{"NO_COLOR=1"}, []string{"read", file}, []string{"SYSTEM", "Linux 3.10"}, []string{"\x1b["}},
		{"read, colour never", nil, []string{"read", "-color", "never", file}, []string{"SYSTEM"}, []string{"\x1b["}},
		{"read in lines", nil, []string{"read", "-o", "lines", file}, []string{"mod=syn"}, []string{"\x1b[", "SYSTEM"}},
		{"read as csv", nil, []string{"read", "-o", "csv", file}, []string{"time,module,client"}, []string{"\x1b["}},
		{"summary", nil, []string{"summary", file}, []string{"\x1b[1mSystems of the senders", "█"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shown := onTerminal(t, program, tt.env, nil, tt.args...)
			for _, want := range tt.want {
				if !strings.Contains(shown, want) {
					t.Errorf("it shows no %q:\n%q", want, shown)
				}
			}
			for _, bad := range tt.unseen {
				if strings.Contains(shown, bad) {
					t.Errorf("it shows %q:\n%q", bad, shown)
				}
			}
			for _, line := range strings.Split(shown, "\r\n") {
				if tt.args[0] == "read" && len(tt.args) == 2 && len([]rune(line)) > 130 { // colours count
					t.Errorf("a line is wider than the terminal: %q", line)
				}
			}
		})
	}
	t.Run("progress", func(t *testing.T) {
		capture, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		slow := func() io.Reader { // takes longer than the patience of the progress
			r, w := io.Pipe()
			go func() {
				w.Write(capture)
				time.Sleep(5 * time.Second)
				w.Close()
			}()
			return r
		}
		shown := onTerminal(t, program, nil, slow(), "summary", "-")
		if !strings.Contains(shown, "summary: ") || !strings.Contains(shown, " observations in ") {
			t.Errorf("no progress is shown:\n%q", shown)
		}
		if shown := onTerminal(t, program, nil, slow(), "summary", "-q", "-"); strings.Contains(shown, " observations in ") {
			t.Errorf("progress is shown with -q:\n%q", shown)
		}
	})
}
