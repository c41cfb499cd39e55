package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/mxprint/mxprint/internal/test/synlab"
)

// A record is what one setting gave, as the guest writes it.
type record struct {
	Setting synlab.Setting
	Kernel  string
	Packets []byte
	Unknown string
	Error   string
	Done    bool
}

// A machine is what is booted.
type machine struct {
	kernel string // file
	initrd string // file
	ram    int    // MiB
	cpus   int
	lab    string // for the guest: all settings, default, or run
	link   string // synlab.Loopback, or empty
}

// boot runs the machine until it powers itself off, and returns what its guest
// wrote, and the end of its console, which also goes into the error if it fails.
func boot(ctx context.Context, m machine) (out, console []byte, err error) {
	dir, err := os.MkdirTemp("", "kernellab-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	lab := m.lab
	if m.link != "" {
		lab += " link=" + m.link
	}
	screen, line := filepath.Join(dir, "console"), filepath.Join(dir, "line")
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64",
		"-accel", "tcg", "-cpu", "max,la57=off", "-smp", fmt.Sprint(m.cpus), "-m", fmt.Sprint(m.ram),
		"-nodefaults", "-no-reboot", "-display", "none", "-nic", "none",
		"-serial", "file:"+screen, "-serial", "file:"+line,
		"-kernel", m.kernel, "-initrd", m.initrd,
		"-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on lab="+lab)
	cmd.WaitDelay = time.Second
	said, err := cmd.CombinedOutput()
	text, _ := os.ReadFile(screen)
	out, _ = os.ReadFile(line)
	if err != nil {
		return out, nil, fmt.Errorf("running qemu: %w: %s%s", errors.Join(err, ctx.Err()), said, tail(text))
	}
	return out, tail(text), nil
}

// tail returns the end of a console, where the trouble is.
func tail(text []byte) []byte {
	text = bytes.TrimSpace(text)
	return text[max(0, len(text)-2000):]
}

// parse reads what a guest wrote. An error of the guest, and an output that
// stops early, are errors.
func parse(out []byte) ([]record, error) {
	var records []record
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var r record
		switch err := d.Decode(&r); {
		case err == io.EOF:
			return records, errors.New("the guest stopped early")
		case err != nil:
			return records, fmt.Errorf("reading what the guest wrote: %w", err)
		case r.Error != "":
			return records, fmt.Errorf("the guest: %s: %s", r.Setting.Name, r.Error)
		case r.Done:
			return records, nil
		}
		records = append(records, r)
	}
}
