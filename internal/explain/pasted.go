package explain

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/internal/report"
)

// Pasted explains what a person gave: a dialect, a raw signature, lines of a log
// or screen with raw signatures, or a file of such lines, "-" for the standard input.
// It explains nothing where text names a file that is a capture, and reports that.
// response: a raw signature alone is that of a SYN+ACK.
func (p *Printer) Pasted(text string, response bool) (isCapture bool, err error) {
	if f, err := dialect.Parse(text); err == nil {
		p.Dialect(&f, "")
		return false, nil
	}
	found := report.FindPasted(strings.NewReader(text))
	if text == "-" {
		var lines bool
		switch found, lines = report.PastedInput(); {
		case !lines:
			return true, nil
		case len(found) == 0:
			return false, errors.New("the standard input has no raw signature, and is not a capture")
		}
	} else if isFile(text) {
		if found = report.PastedFile(text); len(found) == 0 {
			return true, nil
		}
	} else if len(found) == 0 {
		found = []report.Pasted{{Raw: strings.TrimSpace(text), Response: response}}
	}
	for _, f := range found {
		if err := p.Raw(f.Raw, f.Response || response); err != nil {
			return false, &NotRaw{f.Raw, err}
		}
	}
	return false, nil
}

// NotRaw is the error of Pasted: text is neither a raw signature nor a file.
type NotRaw struct {
	Text string
	Err  error
}

// Error says so, and why.
func (e *NotRaw) Error() string {
	return fmt.Sprintf("%q is not a raw signature, and there is no such file: %v", e.Text, e.Err)
}

// Unwrap returns Err.
func (e *NotRaw) Unwrap() error { return e.Err }

// isFile reports whether an argument names a file, and is not a raw signature.
func isFile(arg string) bool {
	if !strings.Contains(arg, ":") {
		return true // if not, this is the error
	}
	_, err := os.Stat(arg)
	return err == nil
}
