// Package decode names the senders of SYNs that a load balancer kept, as text:
// hex or base64, an argument or a line of a log each (docs/balancer.md). A Go
// program that has the bytes uses savedsyn itself.
package decode

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mxprint/mxprint/internal/report"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
	"github.com/mxprint/mxprint/savedsyn"
	"github.com/mxprint/mxprint/signature"
)

// Decoder names SYNs and prints what it finds. Not safe for concurrent use.
type Decoder struct {
	DB   *signature.DB
	JSON bool      // one JSON object a SYN (docs/json.md); else words
	Out  io.Writer // the answers
	Err  io.Writer // what cannot be read
	Bad  bool      // some could not be read
}

// decoded is the JSON form of a SYN.
type decoded struct {
	Client string    `json:"client,omitempty"`
	Server string    `json:"server,omitempty"`
	Note   note.Note `json:"note"`
}

// maxLine is how long a line may be, in bytes.
const maxLine = 64 << 10

// Lines reads SYNs, one a line, the last word of it. Empty lines do not count.
// The error is of reading or writing.
func (d *Decoder) Lines(r io.Reader) error {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	n := 0
	for scanner.Scan() {
		n++
		words := strings.Fields(scanner.Text())
		if len(words) == 0 {
			continue
		}
		if err := d.SYN(fmt.Sprintf("line %d", n), words[len(words)-1]); err != nil {
			return err
		}
	}
	if errors.Is(scanner.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("decode: line %d: longer than %d bytes", n+1, maxLine)
	}
	return scanner.Err()
}

// SYN names one, or prints what is wrong with it and where. The error is of
// writing.
func (d *Decoder) SYN(place, text string) error {
	var o decoded
	s, err := parse(text)
	switch {
	case err == nil:
		o = decoded{Client: s.Src.String(), Server: s.Dst.String(), Note: savedsyn.Name(d.DB, &s)}
	case !errors.Is(err, savedsyn.ErrUnavailable):
		d.Bad = true
		fmt.Fprintf(d.Err, "mxprint: decode: %s: %v\n", place, err)
		return nil
	}
	var line strings.Builder
	switch {
	case d.JSON:
		json.NewEncoder(&line).Encode(o)
	case err != nil:
		fmt.Fprintf(&line, "-: %s\n", o.Note.State)
	default:
		report.WriteNote(&line, s.Src.Addr(), &o.Note)
	}
	if _, err := io.WriteString(d.Out, line.String()); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

func parse(text string) (packet.Segment, error) {
	syn, err := savedsyn.Parse(text)
	if err != nil {
		return packet.Segment{}, err
	}
	return savedsyn.Decode(syn)
}
