package follow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/mxprint/mxprint/internal/feed"
	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/internal/view"
	"github.com/mxprint/mxprint/internal/web"
)

// Top shows who comes until the user quits or ctx ends. The terminal is what it
// was afterwards, also after a signal, a fault, or where out fails.
func Top(ctx context.Context, c *Client, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if _, err := (&screen{}).fetch(ctx, c); errors.Is(err, ErrRefused) {
		return err // before the screen is taken: the reason stays to be read
	}
	end, err := tea.NewProgram(&screen{ctx: ctx, client: c, width: 80, height: 24},
		tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithFPS(10)).Run()
	switch s, _ := end.(*screen); {
	case errors.Is(err, tea.ErrInterrupted), ctx.Err() != nil:
		return nil
	case err != nil:
		return err
	case s != nil && errors.Is(s.err, ErrRefused):
		return s.err
	}
	return nil
}

// figures are what one look at the sensor brings.
type figures struct {
	status  status.Status
	samples []web.Sample
	summary feed.Summary
}

// screen is the state of top, a tea.Model.
type screen struct {
	ctx           context.Context
	client        *Client
	width, height int
	paused        bool
	figures       *figures // nil: none yet
	err           error    // of the last look
}

type looked struct {
	figures *figures
	err     error
}

type tick struct{}

func (s *screen) fetch(ctx context.Context, c *Client) (*figures, error) {
	f := &figures{}
	var pulse struct{ Samples []web.Sample }
	err := errors.Join(c.ask(ctx, "/status", &f.status), c.ask(ctx, "/pulse", &pulse), c.ask(ctx, "/summary", &f.summary))
	f.samples = pulse.Samples
	return f, err
}

func (s *screen) look() tea.Msg {
	f, err := s.fetch(s.ctx, s.client)
	return looked{f, err}
}

// Init implements tea.Model.
func (s *screen) Init() tea.Cmd { return s.look }

// Update implements tea.Model.
func (s *screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch m := msg.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = m.Width, m.Height
	case tea.KeyPressMsg:
		switch m.String() {
		case "q", "esc", "ctrl+c":
			return s, tea.Quit
		case "p", "space":
			s.paused = !s.paused
		}
	case looked:
		if s.err = m.err; m.err == nil && !s.paused {
			s.figures = m.figures
		}
		if errors.Is(m.err, ErrRefused) {
			return s, tea.Quit
		}
		return s, tea.Tick(time.Second, func(time.Time) tea.Msg { return tick{} })
	case tick:
		return s, s.look
	}
	return s, nil
}

// View implements tea.Model.
func (s *screen) View() tea.View {
	v := tea.NewView(strings.Join(s.lines(), "\n"))
	v.AltScreen = true
	v.WindowTitle = "mxprint top"
	return v
}

// lines are what the screen shows, cut to its size.
func (s *screen) lines() []string {
	var lines []string
	if s.err != nil {
		lines = append(lines, "no sensor, trying again: "+view.Clean(s.err.Error()))
	}
	if f := s.figures; f != nil {
		lines = append(lines, s.head(f)...)
		lines = append(lines, s.names(f)...)
		lines = append(lines, s.senders(f)...)
	} else if s.err == nil {
		lines = append(lines, "waiting for the sensor")
	}
	keys := "q quit  p pause"
	if s.paused {
		keys = "PAUSED  p go on  q quit"
	}
	lines = lines[:min(len(lines), max(0, s.height-1))]
	lines = append(lines, keys)
	for i := range lines {
		lines[i] = view.Short(lines[i], s.width)
	}
	return lines
}

func (s *screen) head(f *figures) []string {
	st := &f.status
	lines := []string{fmt.Sprintf("mxprint %s  %s  %d connections of %d addresses remembered, %s",
		view.Clean(st.Version), view.Clean(string(st.Health)), f.summary.Kept, st.Hosts.Now, time.Now().Format(time.TimeOnly))}
	for _, reason := range st.Reasons {
		lines = append(lines, "  ! "+view.Clean(reason))
	}
	if len(f.samples) == 0 {
		return append(lines, "")
	}
	last := f.samples[len(f.samples)-1]
	for _, l := range []struct {
		name  string
		value func(*web.Sample) float64
		text  string
	}{
		{"SYNs/s", func(x *web.Sample) float64 { return x.SYNs }, fmt.Sprintf("%.0f", last.SYNs)},
		{"answers/s", func(x *web.Sample) float64 { return x.Matched + x.Unknown + x.NotSeen + x.Unavailable },
			fmt.Sprintf("%.0f", last.Matched+last.Unknown+last.NotSeen+last.Unavailable)},
		{"99 % within", func(x *web.Sample) float64 { return x.P99 }, time.Duration(last.P99 * float64(time.Second)).Round(time.Microsecond).String()},
	} {
		var values []float64
		for i := range f.samples {
			values = append(values, l.value(&f.samples[i]))
		}
		lines = append(lines, fmt.Sprintf("%-12s %-10s %s", l.name, l.text, Spark(values, max(0, s.width-24))))
	}
	return append(lines, "")
}

// names are the systems and programs side by side.
func (s *screen) names(f *figures) []string {
	half := max(20, s.width/2-1)
	left, right := counts("SYSTEM", f.summary.Systems, half), counts("PROGRAM", f.summary.Programs, half)
	if len(f.summary.Programs) == 0 {
		right = counts("LINK", f.summary.Links, half)
	}
	var lines []string
	for i := range max(len(left), len(right)) {
		line := ""
		if i < len(left) {
			line = left[i]
		}
		if i < len(right) {
			line = fmt.Sprintf("%-*s  %s", half, line, right[i])
		}
		lines = append(lines, line)
	}
	return append(lines, "")
}

const topNames = 6 // of a kind

func counts(title string, list []feed.Line, width int) []string {
	name := max(4, min(24, width-26))
	lines := []string{fmt.Sprintf("%7s  %-*s LAST HOUR", "CONNS", name, title)}
	for _, l := range list[:min(len(list), topNames)] {
		n, values := 0, make([]float64, len(l.N))
		for i, k := range l.N {
			n += k
			values[i] = float64(k)
		}
		lines = append(lines, fmt.Sprintf("%7d  %-*s %s", n, name, view.Short(view.Clean(l.Name), name), Spark(values, max(0, min(15, width-name-11)))))
	}
	return lines
}

func (s *screen) senders(f *figures) []string {
	lines := []string{fmt.Sprintf("%7s  %-39s %-28s %s", "CONNS", "SENDER", "SYSTEM", "PROGRAM")}
	for _, x := range f.summary.Senders {
		lines = append(lines, fmt.Sprintf("%7d  %-39s %-28s %s", x.N, view.Clean(x.Client), view.Short(view.Clean(x.System), 28), view.Clean(x.Program)))
	}
	return lines
}

var sparks = []rune("▁▂▃▄▅▆▇█")

// Spark draws values in a line of at most width characters, the newest at the
// right. Where there are more values, each character is the highest of some.
func Spark(values []float64, width int) string {
	if len(values) == 0 || width < 1 {
		return ""
	}
	per := (len(values) + width - 1) / width
	highest := 0.0
	for _, v := range values {
		highest = max(highest, v)
	}
	var b strings.Builder
	from := len(values) % per // the first character may stand for fewer
	if from > 0 {
		from -= per
	}
	for ; from < len(values); from += per {
		v := 0.0
		for _, x := range values[max(0, from):min(len(values), from+per)] {
			v = max(v, x)
		}
		i := 0
		if highest > 0 && v > 0 {
			i = int(v / highest * float64(len(sparks)-1))
		}
		b.WriteRune(sparks[i])
	}
	return b.String()
}
