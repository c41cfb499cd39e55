package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Pasted is a raw signature out of what people copy from logs and screens.
type Pasted struct {
	Raw      string
	Response bool // of a SYN+ACK
}

var (
	// A raw signature anywhere in a line: in quotes, Markdown, HTML or a JSON string, with a comma behind it.
	rawShape = regexp.MustCompile("(?:^|[^0-9A-Za-z.:]|\x1b\\[[0-9;]*m)" +
		"([46]:[0-9]+(?:\\+[0-9?]+|-)?:[0-9]+:[0-9*]+:" + // version, TTL, IP options, MSS
		"[^\\s:|\"'`,]+,[^\\s:|\"'`]+(?::[^\\s:|\"'`]*){2}:[0+*])" + // window and scale, layout, quirks, payload
		"(?:$|[^0-9A-Za-z:])")
	// Fallbacks for what looks like one and is malformed, or a signature of a database, for its error.
	rawField   = regexp.MustCompile(`(?:^|[\s|])(?:raw_)?sig\s*=\s*([*46]:[^\s|]+)`)
	rawAlone   = regexp.MustCompile(`^[*46]:[0-9]\S*(?::\S*){6}$`)
	isResponse = regexp.MustCompile(`mod=syn\+ack|\(syn\+ack\)|"module\\?": *\\?"syn\+ack\\?"|\bSYN\+ACK [46]:`)
	isRequest  = regexp.MustCompile(`mod=syn\||\(syn\)|"module\\?": *\\?"syn\\?"|\bSYN [46]:`)
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
	if !isText(start[:n]) {
		return nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil
	}
	return FindPasted(f)
}

// PastedInput returns the raw signatures on the standard input if that is text. If it
// is not, os.Stdin is as if nothing had been read of it.
func PastedInput() (found []Pasted, text bool) {
	start := make([]byte, 512)
	n, _ := os.Stdin.Read(start)
	start = start[:n]
	if isText(start) {
		return FindPasted(io.MultiReader(bytes.NewReader(start), os.Stdin)), true
	}
	if _, err := os.Stdin.Seek(-int64(n), io.SeekCurrent); err == nil {
		return nil, false
	}
	if r, w, err := os.Pipe(); err == nil {
		go func(from *os.File) {
			defer w.Close()
			if _, err := w.Write(start); err == nil {
				io.Copy(w, from)
			}
		}(os.Stdin)
		os.Stdin = r
	}
	return nil, false
}

// isText reports whether a file that begins so is text, in UTF-8 or Latin-1: without
// the control characters that no text has, and not the first block of a pcapng file.
func isText(start []byte) bool {
	control := func(b byte) bool { return b < ' ' && strings.IndexByte("\b\t\n\v\f\r\x1b", b) < 0 }
	return len(start) > 0 && !slices.ContainsFunc(start, control) && !bytes.HasPrefix(start, []byte("\n\r\r\n"))
}
