package filter

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/net/bpf"
)

// Parse reads a program in the form that "tcpdump -ddd EXPRESSION" prints and
// that String returns: the number of instructions on a line, then each
// instruction as four decimal numbers, opcode, jt, jf and k, on a line.
// tcpdump says -y EN10MB or the like for frames of a file.
//
// The error is ErrProgram, wrapped, with the line at fault, or that of r.
func Parse(r io.Reader) (*Program, error) {
	// The longest line has four numbers of at most ten digits.
	sc := bufio.NewScanner(io.LimitReader(r, (MaxInstructions+1)*64))
	sc.Buffer(make([]byte, 0, 256), 256)
	line, want := 0, -1
	var raw []bpf.RawInstruction
	for sc.Scan() {
		line++
		text := strings.TrimSpace(sc.Text())
		if text == "" {
			continue
		}
		if want >= 0 {
			in, err := parseInstruction(text)
			if err != nil || len(raw) == want {
				return nil, fmt.Errorf("%w: line %d: %q is not instruction %d of %d", ErrProgram, line, text, len(raw), want)
			}
			raw = append(raw, in)
			continue
		}
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil || n > MaxInstructions {
			return nil, fmt.Errorf("%w: line %d: %q is not a number of instructions", ErrProgram, line, text)
		}
		want = int(n)
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("filter: reading a program after line %d: %w", line, err)
	}
	if len(raw) != want {
		return nil, fmt.Errorf("%w: %d instructions of %d", ErrProgram, len(raw), max(want, 0))
	}
	return New(raw)
}

func parseInstruction(text string) (bpf.RawInstruction, error) {
	fields := strings.Fields(text)
	if len(fields) != 4 {
		return bpf.RawInstruction{}, ErrProgram
	}
	var v [4]uint64
	for i, bits := range [4]int{16, 8, 8, 32} {
		n, err := strconv.ParseUint(fields[i], 10, bits)
		if err != nil {
			return bpf.RawInstruction{}, err
		}
		v[i] = n
	}
	return bpf.RawInstruction{Op: uint16(v[0]), Jt: uint8(v[1]), Jf: uint8(v[2]), K: uint32(v[3])}, nil
}
