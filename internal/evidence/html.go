package evidence

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
)

//go:embed report.html
var page string

// pageTemplate is one file without anything from elsewhere.
var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"bar": bar, "line": line, "list": func(s []string) string { return strings.Join(s, ", ") },
}).Parse(page))

// HTML writes the report as one page, with plots.
func (r *Report) HTML(w io.Writer) error { return pageTemplate.Execute(w, r) }

// The size of the plots, in the units of their view box.
const (
	barWide, barHigh   = 200.0, 16.0
	lineWide, lineHigh = 120.0, 24.0
)

// bar plots a share with its interval on a scale from 0 to 100 %, and the share of
// all senders as a mark.
func bar(e Estimate) template.HTML {
	x := func(share float64) float64 { return 2 + share*(barWide-4) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="bar" viewBox="0 0 %g %g" role="img" aria-label="%s %% spam, %s">`, barWide, barHigh, e.Percent(), e.Interval.Percent())
	fmt.Fprintf(&b, `<line class="axis" x1="2" x2="%g" y1="8" y2="8"/>`, barWide-2)
	fmt.Fprintf(&b, `<line class="all" x1="%.1f" x2="%.1f" y1="1" y2="15"/>`, x(e.Base), x(e.Base))
	fmt.Fprintf(&b, `<line class="range" x1="%.1f" x2="%.1f" y1="8" y2="8"/>`, x(e.Interval.Low), x(e.Interval.High))
	fmt.Fprintf(&b, `<circle class="dot" cx="%.1f" cy="8" r="4"/></svg>`, x(e.Share))
	return template.HTML(b.String())
}

// line plots the share of each day.
func line(days []DayShare) template.HTML {
	if len(days) < 2 {
		return ""
	}
	var points []string
	for i, d := range days {
		points = append(points, fmt.Sprintf("%.1f,%.1f", float64(i)/float64(len(days)-1)*(lineWide-4)+2, lineHigh-2-d.Share*(lineHigh-4)))
	}
	first, last := days[0], days[len(days)-1]
	return template.HTML(fmt.Sprintf(`<svg class="days" viewBox="0 0 %g %g" role="img" aria-label="from %.0f %% on %s to %.0f %% on %s"><polyline points="%s"/></svg>`,
		lineWide, lineHigh, math.Round(100*first.Share), first.Day, math.Round(100*last.Share), last.Day, strings.Join(points, " ")))
}
