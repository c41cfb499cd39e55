//go:build linux

// Command guest is the only process of a machine that kernellab boots: it
// records the kernel's SYNs and SYN+ACKs, writes them to the second serial
// line as one JSON object a line, and powers the machine off.
//
// The kernel's command line says how much: lab=all for every setting of
// package synlab, lab=default for the first alone; link=lo has them go over the
// loopback. With lab=run it runs a command instead, and writes what that prints.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/test/synlab"
)

// A record is what one setting gave. kernellab reads it.
type record struct {
	Setting synlab.Setting
	Kernel  string
	Packets []byte `json:",omitempty"` // a pcap
	Unknown string `json:",omitempty"` // why this kernel has no such setting
	Error   string `json:",omitempty"`
	Done    bool   `json:",omitempty"` // the last line
}

func main() {
	// As the first process it must not return: the kernel would panic. It says
	// so on the console and powers off all the same.
	if err := run(); err != nil {
		fmt.Println("guest:", err)
	}
	unix.Sync()
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func run() error {
	if err := errors.Join(
		unix.Mount("proc", "/proc", "proc", 0, ""),
		unix.Mount("dev", "/dev", "devtmpfs", 0, "")); err != nil {
		return fmt.Errorf("mounting: %w", err)
	}
	line, err := openSerial("/dev/ttyS1")
	if err != nil {
		return err
	}
	defer line.Close()
	if os.Getenv("lab") == "run" {
		return runCommand(line)
	}
	out := json.NewEncoder(line)
	if err := recordAll(out); err != nil {
		return errors.Join(err, out.Encode(record{Error: err.Error()}))
	}
	return out.Encode(record{Done: true})
}

// openSerial opens a serial line that passes bytes as they are.
func openSerial(path string) (io.WriteCloser, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	term, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("asking for the mode of %s: %w", path, err)
	}
	term.Oflag &^= unix.OPOST
	term.Lflag &^= unix.ECHO | unix.ICANON
	if err := unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, term); err != nil {
		return nil, fmt.Errorf("setting the mode of %s: %w", path, err)
	}
	return f, nil
}

func recordAll(out *json.Encoder) error {
	modules, err := filepath.Glob("/modules/*.ko")
	if err != nil {
		return err
	}
	for _, module := range modules {
		if err := load(module); err != nil {
			return err
		}
	}
	kernel, err := synlab.Kernel()
	if err != nil {
		return err
	}
	settings := synlab.Settings()
	if os.Getenv("lab") != "all" {
		settings = settings[:1]
	}
	for _, s := range settings {
		s.Link = os.Getenv("link")
		r := record{Setting: s, Kernel: kernel}
		packets, err := synlab.Record(s)
		switch {
		case errors.Is(err, synlab.ErrUnknownSetting):
			r.Unknown = err.Error()
		case err != nil:
			r.Error = err.Error()
		default:
			r.Packets = packets
		}
		if err := out.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// load puts a module into the kernel, unless it is there.
func load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && err != unix.EEXIST {
		return fmt.Errorf("loading %s: %w", path, err)
	}
	return nil
}
