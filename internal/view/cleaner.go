package view

import (
	"io"
	"unicode/utf8"
)

// Cleaner returns a writer that writes to w what Clean makes of the lines written
// to it; line ends and tabs stay. It is for text that quotes the network, a file
// or another sensor, and not safe for concurrent use.
func Cleaner(w io.Writer) io.Writer { return &cleaner{w: w} }

type cleaner struct {
	w    io.Writer
	part []byte // of a character
}

func (c *cleaner) Write(p []byte) (int, error) {
	text := append(c.part, p...)
	end := len(text)
	for i := max(0, end-utf8.UTFMax+1); i < end; i++ {
		if utf8.RuneStart(text[i]) && !utf8.FullRune(text[i:]) {
			end = i
			break
		}
	}
	c.part = append([]byte(nil), text[end:]...)
	var out []byte
	start := 0
	for i := range end {
		if text[i] == '\n' || text[i] == '\t' {
			out = append(append(out, Clean(string(text[start:i]))...), text[i])
			start = i + 1
		}
	}
	out = append(out, Clean(string(text[start:end]))...)
	if _, err := c.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}
