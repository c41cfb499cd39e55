package note

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// INI is what Haraka's config/p0f.ini says.
type INI struct {
	SocketPath string // [main] socket_path
	AddHeader  string // [main] add_header: the name of the header; empty for none
}

const maxINI = 64 << 10 // bytes

// LoadINI reads a p0f.ini in the dialect of Haraka: comments start a line with
// ; or #, values may be quoted, unknown keys and sections are left alone. A
// file without socket_path is an error, as for Haraka's plugin.
func LoadINI(path string) (INI, error) {
	f, err := os.Open(path)
	if err != nil {
		return INI{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxINI+1))
	if err != nil {
		return INI{}, err
	}
	if len(text) > maxINI {
		return INI{}, fmt.Errorf("note: %s: more than %d bytes", path, maxINI)
	}
	return parseINI(string(text), path)
}

func parseINI(text, path string) (INI, error) {
	var ini INI
	section := "main" // what stands before the first section belongs to it
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == ';' || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			name, ok := strings.CutSuffix(line[1:], "]")
			if !ok {
				return INI{}, fmt.Errorf("note: %s:%d: want [section]: %q", path, i+1, line)
			}
			section = strings.TrimSpace(name)
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return INI{}, fmt.Errorf("note: %s:%d: want key = value: %q", path, i+1, line)
		}
		if section != "main" {
			continue
		}
		value = strings.Trim(strings.TrimSpace(value), `"'`)
		switch strings.TrimSpace(key) {
		case "socket_path":
			ini.SocketPath = value
		case "add_header":
			ini.AddHeader = value
		}
	}
	if ini.SocketPath == "" {
		return INI{}, fmt.Errorf("note: %s: socket_path is missing from [main]", path)
	}
	return ini, nil
}
