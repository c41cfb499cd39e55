package report

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"regexp"
	"strings"
)

// Pasted is a raw signature out of what people copy from logs and screens.
type Pasted struct {
	Raw      string
	Response bool // of a SYN+ACK
}

var (
	// A raw signature anywhere in a line: in quotes, in Markdown, with a comma behind it.
	rawShape = regexp.MustCompile("(?:^|[\\s|=(\"'`])([46]:[0-9]+(?:\\+[0-9?]+|-)?:[0-9]+:[0-9*]+:[^\\s:|\"'`]+(?::[^\\s:|\"'`]*){2}:[0+*])(?:$|[\\s|,;.)\"'`])")
	// Fallbacks for what looks like one and is malformed, for its error.
	rawField   = regexp.MustCompile(`(?:^|[\s|])raw_sig\s*=\s*([^\s|]+)`)
	rawAlone   = regexp.MustCompile(`^[46]:[0-9]\S*(?::\S*){6}$`)
	isResponse = regexp.MustCompile(`mod=syn\+ack|\(syn\+ack\)|"module": *"syn\+ack"`)
	isRequest  = regexp.MustCompile(`mod=syn\||\(syn\)|"module": *"syn"`)
)

// maxPasted bounds the text that is looked at, in bytes.
const maxPasted = 1 << 20

// FindPasted returns the raw signatures in text: lines of p0f's log, blocks of
// its screen, JSON, and signatures alone or in other words. In a block the first line
// says whether it is of a SYN+ACK.
func FindPasted(r io.Reader) (all []Pasted) {
	in := bufio.NewScanner(io.LimitReader(r, maxPasted))
	in.Buffer(make([]byte, 0, 4096), maxPasted)
	response := false
	for in.Scan() {
		line := strings.TrimSpace(in.Text())
		if strings.HasPrefix(line, "{") {
			var j struct {
				Module string `json:"module"`
				RawSig string `json:"raw_sig"`
			}
			if json.Unmarshal([]byte(line), &j) == nil && j.RawSig != "" && !strings.HasPrefix(j.Module, "http") {
				all = append(all, Pasted{j.RawSig, j.Module == "syn+ack"})
				continue
			}
		}
		switch {
		case isResponse.MatchString(line):
			response = true
		case isRequest.MatchString(line):
			response = false
		}
		if strings.Contains(line, "mod=http") {
			continue
		}
		found := rawShapes(line)
		if len(found) == 0 {
			for _, m := range rawField.FindAllStringSubmatch(line, -1) {
				found = append(found, m[1])
			}
		}
		if len(found) == 0 && rawAlone.MatchString(line) {
			found = append(found, line)
		}
		for _, sig := range found {
			all = append(all, Pasted{sig, response})
		}
	}
	return all
}

// rawShapes returns what has the shape of a raw signature. What stands behind one may
// be what stands before the next, as in a table.
func rawShapes(line string) (all []string) {
	for {
		at := rawShape.FindStringSubmatchIndex(line)
		if at == nil {
			return all
		}
		all = append(all, line[at[2]:at[3]])
		line = line[at[3]:]
	}
}

// PastedFile returns the raw signatures of a text file that holds some, for what is
// pasted into a file.
func PastedFile(path string) []Pasted {
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	start := make([]byte, 512)
	n, _ := io.ReadFull(f, start)
	if strings.ContainsRune(string(start[:n]), 0) {
		return nil // no text
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil
	}
	return FindPasted(f)
}
