//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/mxprint/mxprint/capture"
	"github.com/mxprint/mxprint/clienthello"
	"github.com/mxprint/mxprint/engine"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/report"
	"github.com/mxprint/mxprint/internal/sender"
	"github.com/mxprint/mxprint/internal/stream"
	testparts "github.com/mxprint/mxprint/internal/test/parts"
)

const (
	huginnTLS   = "huginn-net-tls 2.2.1"
	hellosDir   = "internal/test/hellolab/peers/huginn" // our programs that call it
	labHellos   = "clienthello/testdata/hellos.jsonl"   // of real programs: scripts/lab-hellos
	parseRounds = 500                                   // of them
	readAtATime = 10_000                                // connections, as of mxprint read
	notMeasured = "huginn-net-tls was not measured: "   // begins an error
)

// hellosProgram builds our program that calls huginn-net-tls, and returns its path.
func hellosProgram(ctx context.Context) (string, error) {
	if _, err := exec.LookPath("cargo"); err != nil {
		return "", errors.New(notMeasured + "cargo is not installed (package cargo or rustup.rs, 1.85 or newer)")
	}
	cache, err := testparts.Dir()
	if err != nil {
		return "", err
	}
	target := filepath.Join(cache, "peers", "huginn-tls") // cargo locks it
	cmd := exec.CommandContext(ctx, "cargo", "build", "--quiet", "--locked", "--release", "--bin", "hellos", "--target-dir", target)
	cmd.Dir = hellosDir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf(notMeasured+"cargo: %w\n%s", err, out)
	}
	return filepath.Join(target, "release", "hellos"), nil
}

// hellos compares with huginn-net-tls where both do the same: of the file, they
// report the hellos alone; of hellos in memory, they compute JA4 and JA4_r.
func (b *bench) hellos(ctx context.Context, program, path string, total int) error {
	var they, we []float64
	for range rounds {
		theirs, err := cpuOf(ctx, []string{program, "report", path})
		if err != nil {
			return err
		}
		ours, err := hellosAlone(ctx, path)
		if err != nil {
			return err
		}
		they, we = append(they, float64(total)/theirs.Seconds()), append(we, float64(total)/ours.Seconds())
	}
	b.add(rateRow("the same, and our engine called directly: both report hellos alone", "sessions/s", median(they), median(we)))

	hellos, hexFile, err := b.recordedHellos()
	if err != nil {
		return err
	}
	they, we = nil, nil
	for range rounds {
		theirs, err := peerRun(ctx, []string{program, "parse", hexFile, fmt.Sprint(parseRounds)})
		if err != nil {
			return err
		}
		they, we = append(they, theirs.rate()), append(we, parsing(hellos).rate())
	}
	b.add(rateRow(fmt.Sprintf("JA4 and JA4_r of %d hellos in memory, CPU time; %s", len(hellos), huginnTLS), "hellos/s", median(they), median(we)))
	return nil
}

func rateRow(work, unit string, theirs, ours float64) row {
	return row{work: work, p0f: fmt.Sprintf("%.0f %s", theirs, unit), ours: fmt.Sprintf("%.0f %s", ours, unit), ratio: times(ours / theirs)}
}

// hellosAlone is the CPU time that our engine takes to write the hellos of a
// file to the null device.
func hellosAlone(ctx context.Context, path string) (time.Duration, error) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	begin := cpuTime()
	reader := sender.New(sender.Config{Kept: 1, Stream: stream.Config{MaxSource: readAtATime}})
	e, err := engine.New(engine.Config{
		Hosts: engine.Hosts{Recent: readAtATime}, Follow: reader.Follow, Observers: []event.Observer{report.NewJSON(null)},
		Wants: func(o *event.Observation) bool { return o.Module == event.TLS },
	})
	if err != nil {
		return 0, err
	}
	src, err := capture.OpenFile(path)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	if err := e.Run(ctx, src); err != nil {
		return 0, err
	}
	return cpuTime() - begin, nil
}

// recordedHellos returns the hellos of the lab, and the name of a file that has
// them, a line each.
func (b *bench) recordedHellos() (hellos [][]byte, hexFile string, err error) {
	f, err := os.Open(labHellos)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	var text []byte
	for dec := json.NewDecoder(bufio.NewReader(f)); dec.More(); {
		var r struct{ Hello string }
		if err := dec.Decode(&r); err != nil {
			return nil, "", fmt.Errorf("%s: %w", labHellos, err)
		}
		data, err := hex.DecodeString(r.Hello)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", labHellos, err)
		}
		hellos, text = append(hellos, data), append(text, r.Hello+"\n"...)
	}
	hexFile = filepath.Join(b.dir, "hellos")
	return hellos, hexFile, os.WriteFile(hexFile, text, 0o644)
}

// parsing has our parser read hellos again and again.
func parsing(hellos [][]byte) (t tally) {
	var h clienthello.Hello
	begin := cpuTime()
	for range parseRounds {
		for _, data := range hellos {
			t.syns++
			if h.Parse(data) == nil && h.JA4() != "" && h.JA4Raw() != "" {
				t.named++
			}
		}
	}
	t.took = cpuTime() - begin
	return t
}
