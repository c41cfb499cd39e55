package follow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/mxprint/mxprint/internal/feed"
	"github.com/mxprint/mxprint/internal/view"
	"github.com/mxprint/mxprint/note"
)

// Config is how a stream is printed.
type Config struct {
	Filter url.Values // of feed.Words
	JSON   bool       // the lines as they come, connections alone
	Color  bool
	Width  int // columns; 0: as many as it takes
	Out    io.Writer
	Err    io.Writer // what is not data
}

// Watch prints connections as they come until ctx ends, or Out fails.
func Watch(ctx context.Context, c *Client, cfg *Config) error {
	w := &watcher{Config: cfg}
	err := c.follow(ctx, cfg.Filter, w.heard, w.down)
	if errors.Is(err, syscall.EPIPE) {
		return nil // who reads has seen enough
	}
	return err
}

type watcher struct {
	*Config
	headed bool
	away   bool // the sensor, and it was said
}

func (w *watcher) down(err error) {
	if !w.away {
		fmt.Fprintf(view.Cleaner(w.Err), "mxprint: watch: no sensor, trying again: %v\n", err)
	}
	w.away = true
}

func (w *watcher) heard(line []byte, m *message) error {
	switch m.Event {
	case "hello":
		if w.away {
			fmt.Fprintln(w.Err, "mxprint: watch: the sensor is there again")
		}
		w.away = false
	case "lost":
		var lost struct {
			Events    uint64
			Restarted bool
		}
		if err := json.Unmarshal(m.Data, &lost); err != nil {
			return err
		}
		if lost.Restarted {
			fmt.Fprintln(w.Err, "mxprint: watch: the sensor was restarted: what came meanwhile is not known")
		} else {
			fmt.Fprintf(w.Err, "mxprint: watch: %d events are lost: this reader is too slow\n", lost.Events)
		}
	case "connection":
		if w.JSON {
			_, err := io.WriteString(w.Out, escaped(string(m.Data))+"\n")
			return err
		}
		var conn feed.Connection
		if err := json.Unmarshal(m.Data, &conn); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		return w.row(&conn)
	}
	return nil
}

// escaped writes the characters of a JSON text that a terminal may obey by their
// numbers (RFC 8259 §7): they stand in strings alone.
func escaped(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r < 0x7f || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// columns are the widths of a row but for the last one.
var columns = []int{8, 26, 30, 13, 18, 4}

func (w *watcher) row(c *feed.Connection) error {
	var b strings.Builder
	if !w.headed {
		w.headed = true
		b.WriteString(w.line([]string{"TIME", "CLIENT", "SYSTEM", "MATCH", "PROGRAM", "HOPS", "LINK, FINDINGS"}, bold))
	}
	b.WriteString(w.line(Row(c), stateColor(c.Note.State)))
	_, err := io.WriteString(w.Out, b.String())
	return err
}

// Row is a connection in words: time, client, system, match, program, hops, and
// link with findings. No terminal obeys them.
func Row(c *feed.Connection) []string {
	n := &c.Note
	row := []string{c.Changed.Local().Format(time.TimeOnly), feed.Ends(c.Client), n.State.String(), "", c.Program(), "", n.LinkType}
	if n.State == note.Matched {
		row[2], row[3] = n.Title(), n.Quality.String()
		if !n.ByConnection {
			row[3] = "by address"
		}
	}
	if hops, known := n.Distance.Hops(); known {
		row[5] = fmt.Sprint(hops)
	}
	if ids := c.Findings(); len(ids) > 0 {
		row[6] = strings.TrimPrefix(row[6]+", "+strings.Join(ids, ", "), ", ")
	}
	for i := range row {
		row[i] = view.Clean(row[i])
	}
	return row
}

// line lays out a row. Colour is around the third column: what it is about. A
// narrow terminal has the first columns; an address is never cut.
func (w *watcher) line(row []string, color string) string {
	var b strings.Builder
	for i, cell := range row {
		last := i == len(row)-1
		if room := w.Width - lineWidth(i); w.Width > 0 && i > 1 && (room < 8 || !last && room < columns[i]) {
			break
		} else if last && w.Width > 0 {
			cell = view.Short(cell, room)
		}
		if !last && i != 1 {
			cell = view.Short(cell, columns[i])
		}
		if !last {
			cell = fmt.Sprintf("%-*s  ", columns[i], cell)
		}
		if w.Color && (i == 2 || color == bold) {
			cell = color + cell + "\x1b[0m"
		}
		b.WriteString(cell)
	}
	return strings.TrimRight(b.String(), " ") + "\n"
}

const bold = "\x1b[1m" // of the head

// lineWidth is how wide the columns before one are.
func lineWidth(i int) (n int) {
	for _, c := range columns[:i] {
		n += c + 2
	}
	return n
}

func stateColor(s note.State) string {
	switch s {
	case note.Matched:
		return "\x1b[32m"
	case note.Unknown:
		return "\x1b[33m"
	}
	return "\x1b[31m"
}
