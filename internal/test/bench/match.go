//go:build linux

package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// sizeLine is a line of BenchmarkSizes: which signatures, how many, and
// nanoseconds a match.
var sizeLine = regexp.MustCompile(`(?m)^BenchmarkSizes/(\w+)/(\d+)-?\d*\s+\d+\s+([\d.]+) ns/op`)

// matches compares one match among many signatures with one among p0f's. These
// are matches of a kind of SYN that was not seen before; one that was costs the
// same whatever the signatures (signature.Matcher).
func (b *bench) matches(ctx context.Context) error {
	all := map[string][]float64{}
	var order []string
	for range 3 {
		out, err := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkSizes$", "-benchtime", "200ms", "./internal/signature").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %.2000s", err, out)
		}
		for _, m := range sizeLine.FindAllStringSubmatch(string(out), -1) {
			name := m[1] + " " + m[2]
			if all[name] == nil {
				order = append(order, name)
			}
			ns, err := strconv.ParseFloat(m[3], 64)
			if err != nil {
				return err
			}
			all[name] = append(all[name], ns)
		}
	}
	if len(order) < 2 {
		return fmt.Errorf("BenchmarkSizes printed %d lines", len(order))
	}
	stock, worst, name := median(all[order[0]]), 0.0, ""
	for _, other := range order[1:] {
		if ns := median(all[other]); ns > worst {
			worst, name = ns, other
		}
	}
	b.add(row{
		"a match, the built-in database and up to 5,000 signatures against p0f's 91: the dearest",
		fmt.Sprintf("%.0f ns (our matcher, p0f's file)", stock), fmt.Sprintf("%.0f ns (%s)", worst, name),
		fmt.Sprintf("%.2f× the cost", worst/stock), "1.5× the cost", worst <= 1.5*stock,
	})
	return nil
}
