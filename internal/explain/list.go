package explain

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/view"
)

// jsonLabel is one label of list; docs/signatures.md describes it.
type jsonLabel struct {
	Section    string   `json:"section"`
	Generic    bool     `json:"generic,omitempty"`
	Class      string   `json:"class,omitempty"`
	Name       string   `json:"name"`
	Flavor     string   `json:"flavor,omitempty"`
	Or         []string `json:"or,omitempty"`
	Signatures int      `json:"signatures"`
	Overridden int      `json:"overridden,omitempty"`
	Sources    []string `json:"sources,omitempty"`
	Dates      []string `json:"dates,omitempty"`
	File       string   `json:"file"`
	Line       int      `json:"line"`
}

// ListJSON prints the labels of a database, one JSON object a line.
func ListJSON(out io.Writer, db *signature.DB) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for _, e := range db.Entries() {
		if err := enc.Encode(labelOf(&e)); err != nil {
			return err
		}
	}
	return nil
}

func labelOf(e *signature.Entry) jsonLabel {
	j := jsonLabel{
		Section: e.Section, Name: e.Link, Signatures: e.Signatures, Overridden: e.Overridden,
		Sources: e.Sources, Dates: e.Dates, File: e.File, Line: e.Line,
	}
	if l := e.Label; l != nil {
		j.Generic, j.Class, j.Name, j.Flavor = l.Generic, l.Class, l.Name, l.Flavor
		for _, o := range l.Or {
			j.Or = append(j.Or, strings.TrimSpace(o.Name+" "+o.Flavor))
		}
	}
	return j
}

// List prints the labels of a database as a table, with their number.
func List(out io.Writer, db *signature.DB) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SECTION\tLABEL\tSIGNATURES\tDATE\tSOURCE\tPLACE")
	for _, e := range db.Entries() {
		j := labelOf(&e)
		name := strings.TrimSpace(j.Name + " " + j.Flavor)
		if j.Generic {
			name += " (generic)"
		}
		sigs := fmt.Sprint(j.Signatures)
		if j.Overridden > 0 {
			sigs += fmt.Sprintf(" (%d overridden)", j.Overridden)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s:%d\n", j.Section, name, sigs, short(j.Dates), short(j.Sources), j.File, j.Line)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s\n", view.Count(db.Count(), "signature"))
	return err
}

// short is a list for a column of a table.
func short(list []string) string {
	const most = 60
	s := strings.Join(list, "; ")
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
